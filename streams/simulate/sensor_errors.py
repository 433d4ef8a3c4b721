# SPDX-License-Identifier: Apache-2.0
"""How each simulated sensor errs: the model, and how it is chosen per sensor, always the same for a seed."""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated

import msgspec
import numpy as np

from schemas.city import City, Sensor
from schemas.errors import FatalError
from schemas.reading import Metric

FULL_FLOW_PER_M_MIN = 82.0
"""Flow at a gate that counts as fully crowded: Fruin's walkway limit E/F."""
FULL_DENSITY_PER_M2 = 4.7
"""Density before a camera that counts as fully crowded: the standing limit of event practice."""
CITY_NOISE_SD = 0.005
"""Noise of a camera about which the city file says nothing, as a share of the value."""
CITY_MISSES = 0.01
"""Passages that a line counter does not see when the city file says nothing."""
SKEW_CHOICES_S = (-8, -3, 2, 5, 12)

Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class Directions(StrEnum):
    """Which passages of a gate a counter's bias and misses concern."""

    BOTH = "both"
    IN = "in"
    OUT = "out"


class Mix(StrEnum):
    """How errors are chosen for sensors about which the options say nothing."""

    NONE = "none"
    """Every sensor reports the truth."""
    CITY = "city"
    """What the city file says of its sensors, and small errors where it says nothing."""
    TYPICAL = "typical"
    """Drawn for each sensor: biased counters, misses in the crowd, some drop-outs, wrong clocks and faults."""


class SensorError(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The error model of one sensor. All parts are independent of each other; the default is no error.

    Parameters
    ----------
    bias : float
        Constant share: -0.07 = 7 % too few. A counter below 0 misses each passage with that chance, above 0
        counts it twice with that chance; a camera's value is multiplied.
    crowding_misses : float
        Share that is missed where it is fully crowded; in proportion below. Crowding is the flow of a gate
        over FULL_FLOW_PER_M_MIN (both ways, of about the last 10 s), or the density of a zone over
        FULL_DENSITY_PER_M2.
    directions : Directions
        Which passages of a gate `bias` and `crowding_misses` concern; without meaning for a camera.
    noise_sd : float
        Standard deviation as a share of the value. A camera's noise drifts over about 10 minutes, as light
        and sight do; that of a counter is new in each reading.
    drop_out_share : float
        Share of the time in which the sensor is down: it sees nothing, and sends no reading of an interval
        in which it was down.
    drop_out_s : float
        Mean length of a drop-out.
    clock_skew_s : int
        How far its clock is ahead of the true time, a day at most; its intervals follow its own clock.
    swapped : bool
        In and out are reversed without the city file knowing.
    stuck_from_s : int, optional
        A camera repeats its last value from so many seconds after the start on.
    """

    bias: Annotated[float, msgspec.Meta(gt=-1, le=1)] = 0.0
    crowding_misses: Share = 0.0
    directions: Directions = Directions.BOTH
    noise_sd: Share = 0.0
    drop_out_share: Share = 0.0
    drop_out_s: Annotated[float, msgspec.Meta(ge=1)] = 60.0
    clock_skew_s: Annotated[int, msgspec.Meta(ge=-86_400, le=86_400)] = 0
    swapped: bool = False
    stuck_from_s: Annotated[int, msgspec.Meta(ge=0)] | None = None


NO_ERROR = SensorError()


def chosen_errors(
    city: City, seed: int, mix: Mix, given: Mapping[str, SensorError] | None = None
) -> dict[str, SensorError]:
    """The error model of every sensor of the city file.

    Parameters
    ----------
    city : City
    seed : int
        A sensor's draw depends on it and on the sensor's key, on nothing else.
    mix : Mix
    given : mapping of str to SensorError, optional
        By sensor key; replaces what the mix would choose.

    Raises
    ------
    FatalError
        `given` names a sensor that the city file does not hold, or an error that it cannot have.
    """
    sensors, wanted = city.file.sensors, given or {}
    if unknown := sorted(wanted.keys() - sensors.keys()):
        raise FatalError(f"sensor {unknown[0]!r} of the errors is not in the city file; mend its key")
    for key, error in wanted.items():
        if error.stuck_from_s is not None and sensors[key].zone is None:
            raise FatalError(f"sensor {key!r} stands at a gate: only a camera gets stuck; remove stuck_from_s")
        if error.swapped and sensors[key].gate is None:
            raise FatalError(f"sensor {key!r} stands in a zone: only a counter can be swapped; remove swapped")
        if error.drop_out_share / (1 - error.drop_out_share) > error.drop_out_s:
            raise FatalError(f"sensor {key!r}: drop-outs so short cannot take that share; raise drop_out_s")
    return {key: wanted.get(key) or _of_mix(mix, seed, key, sensor) for key, sensor in sensors.items()}


def _of_mix(mix: Mix, seed: int, key: str, sensor: Sensor) -> SensorError:
    if mix is Mix.NONE:
        return NO_ERROR
    return _of_city(sensor) if mix is Mix.CITY else _drawn(seed, key, sensor)


def _of_city(sensor: Sensor) -> SensorError:
    if sensor.zone is not None:
        measure = sensor.measures.get(Metric.PEOPLE.key)
        if measure is None:
            return NO_ERROR
        return SensorError(bias=measure.error.bias, noise_sd=_below_one(measure.error.sd or CITY_NOISE_SD))
    biases = [measure.error.bias for measure in sensor.measures.values() if measure.error.bias]
    return SensorError(bias=biases[0] if biases else -CITY_MISSES)


def _below_one(sd: float) -> float:
    return min(sd, 0.99)


def _drawn(seed: int, key: str, sensor: Sensor) -> SensorError:
    # By the key, so that a sensor more in the file changes no other one.
    own = int.from_bytes(blake2b(key.encode(), digest_size=8).digest())
    random = np.random.default_rng([seed, 6, own])
    fault, skewed, drops = (float(number) for number in random.random(3))
    drop_out_share, drop_out_s = round(float(random.uniform(0.01, 0.1)), 4), float(random.integers(30, 300))
    common = SensorError(
        crowding_misses=round(float(random.uniform(0, 0.15)), 4),
        drop_out_share=drop_out_share if drops < 0.15 else 0.0,
        drop_out_s=drop_out_s,
        clock_skew_s=int(random.choice(SKEW_CHOICES_S)) if skewed < 0.1 else 0,
    )
    if sensor.zone is not None:
        return msgspec.structs.replace(
            common, bias=round(float(np.clip(random.normal(-0.02, 0.03), -0.1, 0.1)), 4),
            noise_sd=round(float(random.uniform(0.01, 0.05)), 4),
            stuck_from_s=int(random.integers(600, 7200)) if fault < 0.02 else None,
        )
    return msgspec.structs.replace(
        common, bias=round(float(random.uniform(-0.07, 0)), 4),
        directions=Directions(str(random.choice([choice.value for choice in Directions], p=[0.5, 0.25, 0.25]))),
        swapped=fault < 0.02,
    )
