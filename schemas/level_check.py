# SPDX-License-Identifier: Apache-2.0
"""What makes a level profile sound; the same for city files, profile files, published tables and what is built in."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from schemas.city import Profile, Zone
from schemas.city_fault import Fault, key_path, meant
from schemas.level_profiles import BUILT_IN, MEASURED, Measured, Parameter, TimeType, newest

FEWEST_LEVELS = 2
MOST_LEVELS = 10


def scale_faults(limits: Sequence[float], measured: Measured) -> Iterator[tuple[int, str]]:
    """What is wrong with limits between levels, from calm to bad: their order and whether they are plausible.

    Parameters
    ----------
    limits : sequence of float
        From which value each level after the first holds.
    measured : Measured

    Yields
    ------
    (position in `limits`, what is wrong)
    """
    side, way = ("below", "fall") if measured.falling else ("above", "rise")
    for at, (calmer, worse) in enumerate(pairwise(limits), start=1):
        if not (worse < calmer if measured.falling else worse > calmer):
            yield at, f"{worse:g} is not {side} {calmer:g}; levels must {way}"
    for at, value in enumerate(limits):
        if not is_plausible(value, measured):
            yield at, f"{value:g} is not plausible; it must lie between 0 and {measured.highest:g} {measured.unit}"


def is_plausible(value: float, measured: Measured) -> bool:
    """Whether a limit can be meant: another unit (cm for m, km/h for m/s) mostly lies outside."""
    return 0 <= value <= measured.highest


def profile_faults(path: str, profile: Profile) -> Iterator[Fault]:
    """Faults of one profile.

    Parameters
    ----------
    path : str
        Its key path, for the faults.
    profile : Profile
    """
    if profile.built_in is not None:
        yield from _built_in_faults(path, profile, profile.built_in)
        return
    levels = len(profile.levels)
    if not FEWEST_LEVELS <= levels <= MOST_LEVELS:
        yield Fault(f"{path}.levels", f"has {levels} levels; give {FEWEST_LEVELS} to {MOST_LEVELS}, the calmest first")
    if len(set(profile.levels)) < levels or not all(name.strip() for name in profile.levels):
        yield Fault(f"{path}.levels", "a name is empty or stands twice; name each level")
    if not profile.source.strip():
        yield Fault(f"{path}.source", "is empty; say where the figures come from")
    if not profile.has_columns:
        yield Fault(path, "has no column; give percent_of_capacity, density_per_m2 or both")
    for column_path, column, parameter in _columns(path, profile):
        yield from _column_faults(column_path, column, MEASURED[parameter], levels)


def _built_in_faults(path: str, profile: Profile, reference: str) -> Iterator[Fault]:
    if reference not in BUILT_IN:
        near = newest(reference)
        hint = meant(reference, BUILT_IN) if near is None else f"; name its version too: {near.reference!r}"
        yield Fault(f"{path}.built_in", f"there is no built-in profile {reference!r}{hint}")
    elif profile != Profile(built_in=reference):
        yield Fault(path, f"{reference!r} gives all fields of this profile; remove the others, or built_in")


def _columns(path: str, profile: Profile) -> Iterator[tuple[str, list[float], Parameter]]:
    if profile.percent_of_capacity is not None:
        yield f"{path}.percent_of_capacity", profile.percent_of_capacity, Parameter.PERCENT
    for name, densities in (("density_per_m2", profile.density_per_m2),
                            ("peak_density_per_m2", profile.peak_density_per_m2)):
        for facility, column in densities.items():
            yield f"{path}.{name}.{facility.value}", column, Parameter.DENSITY


def _column_faults(path: str, column: list[float], measured: Measured, levels: int) -> Iterator[Fault]:
    if len(column) != levels:
        yield Fault(path, f"has {len(column)} values for {levels} levels; give one for each")
    if column and column[0] != 0:
        yield Fault(f"{path}[0]", f"is {column[0]:g}; the first level begins at 0")
    for at, text in scale_faults(column, measured):
        yield Fault(f"{path}[{at}]", text)


def zone_column_faults(key: str, zone: Zone, profile: Profile) -> Iterator[Fault]:
    """Whether the profile has the column that the zone's time type asks for."""
    if zone.time_type is TimeType.PEAK and zone.facility not in profile.peak_density_per_m2:
        yield Fault(
            f"{key_path('zones', key)}.time_type",
            f"profile {zone.profile!r} has no peak column for {zone.facility.value!r}; write "
            f"{TimeType.AVERAGE.value!r}, or name a profile with one",
        )
