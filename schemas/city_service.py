# SPDX-License-Identifier: Apache-2.0
"""When a sensor is out of service and when its device was swapped: times for the core, and faults of the file."""

from collections.abc import Iterator
from itertools import pairwise

from schemas.city import Device, OutOfService, Sensor
from schemas.city_fault import Fault
from schemas.moment import us_of

FOREVER_US = 1 << 62
"""The end of what has none; within reach of sums in int64."""


def gaps_us(sensor: Sensor) -> list[tuple[int, int]]:
    """Times [from, until) in which a sensor is out of service; microseconds since 1970, UTC."""
    return sorted(
        (us_of(one.from_), FOREVER_US if one.until is None else us_of(one.until)) for one in sensor.out_of_service
    )


def swaps_us(sensor: Sensor) -> list[int]:
    """When another device took over, ascending; microseconds since 1970, UTC."""
    return sorted(us_of(one.from_) for one in sensor.devices)[1:]


def service_faults(path: str, sensor: Sensor) -> Iterator[Fault]:
    """Faults of a sensor's times out of service and of its devices."""
    for at, one in enumerate(sensor.out_of_service):
        yield from _time_faults(f"{path}.out_of_service[{at}]", one)
        if not one.reason.strip():
            yield Fault(f"{path}.out_of_service[{at}].reason", "is empty; say why it is not to be read")
    for at, device in enumerate(sensor.devices):
        yield from _time_faults(f"{path}.devices[{at}]", device)
        if not device.serial.strip():
            yield Fault(f"{path}.devices[{at}].serial", "is empty; give the device's serial number")
    if all(_is_sound(one) for one in sensor.devices):
        yield from _order_faults(path, sensor.devices)


def _is_sound(one: OutOfService | Device) -> bool:
    return not list(_time_faults("", one))


def _time_faults(path: str, one: OutOfService | Device) -> Iterator[Fault]:
    for name, time in (("from", one.from_), ("until", one.until)):
        if time is not None and time.tzinfo is None:
            yield Fault(f"{path}.{name}", f"{time} has no offset; write one, such as {time.isoformat()}+01:00")
            return
    if one.until is not None and one.until <= one.from_:
        yield Fault(f"{path}.until", f"{one.until} is not after {one.from_}; correct one of them")


def _order_faults(path: str, devices: list[Device]) -> Iterator[Fault]:
    for at, (earlier, later) in enumerate(pairwise(devices), start=1):
        if earlier.until is None or later.from_ < earlier.until:
            yield Fault(f"{path}.devices[{at}].from", "begins before the device above it has ended; give that one its "
                        "`until`, and write devices in the order of time")
