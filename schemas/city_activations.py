# SPDX-License-Identifier: Apache-2.0
"""What makes the activations of a city file sound: counting devices is off without a signed, dated one."""

from collections.abc import Iterator

from schemas.city import CityFile
from schemas.city_fault import Fault, key_path, reference_faults
from schemas.reading import DEVICE_COUNTS


def activation_faults(file: CityFile) -> Iterator[Fault]:
    """Faults of all activations, then of sensors that count devices without one.

    An activation that has ended is no fault: its readings are refused at the door, and all else goes on.
    """
    for key, activation in file.activations.items():
        path = key_path("activations", key)
        yield from reference_faults(f"{path}.zone", "zone", activation.zone, file.zones)
        if activation.until < activation.from_:
            text = f"{activation.until} is before `from`, {activation.from_}; correct one of them"
            yield Fault(f"{path}.until", text)
        for name in ("legal_basis", "dpia"):
            if not getattr(activation, name).strip():
                yield Fault(f"{path}.{name}", "is empty; no device is counted without it")
    yield from _sensor_faults(file)


def _sensor_faults(file: CityFile) -> Iterator[Fault]:
    activated = {activation.zone for activation in file.activations.values()}
    for key, sensor in file.sensors.items():
        for metric in DEVICE_COUNTS:
            if metric.key in sensor.measures and sensor.zone is not None and sensor.zone not in activated:
                path = key_path(f"{key_path('sensors', key)}.measures", metric.key)
                yield Fault(
                    path, f"zone {sensor.zone!r} has no activation; add one under [activations] with from, until, "
                    "legal_basis and dpia, or remove the measure")
