# SPDX-License-Identifier: Apache-2.0
"""The built-in level profiles: named, versioned, with the source of every figure.

A city file takes one by name and version (`built_in = "fruin@1"`). A version never changes once it is out; another
figure is another version, so that a newer program never moves a running city's thresholds.

Published scales have four to six levels. Drukte shows four colours, and each profile says from which of its own levels
yellow, orange and red begin. A value on a limit belongs to the worse level.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

COLOURS = ("groen", "geel", "oranje", "rood")
"""Level 0 to 3."""
PERMIT_PERCENT = (0.0, 70.0, 85.0, 100.0)
"""From which percent of the permitted number each colour holds; every built-in profile has it, so that the permit's
number counts wherever there is one."""


class TimeType(StrEnum):
    """Which column of a profile judges a zone: Amsterdam's two words. `peak` allows one level more."""

    AVERAGE = "average"
    PEAK = "peak"


class Parameter(StrEnum):
    """What a scale is about."""

    DENSITY = "density"
    FLOW = "flow"
    SPEED = "speed"
    COUNT = "count"
    PERCENT = "percent-of-capacity"


@dataclass(frozen=True, slots=True)
class Measured:
    """How values of a parameter look.

    Parameters
    ----------
    unit : str
        The only unit that is read.
    highest : float
        No figure of a scale is plausible above it.
    falling : bool
        Whether a lower value is the worse one.
    """

    unit: str
    highest: float
    falling: bool = False


MEASURED: Mapping[Parameter, Measured] = MappingProxyType({
    Parameter.DENSITY: Measured("p/m2", 10.0),
    Parameter.FLOW: Measured("p/m/min", 200.0),
    Parameter.SPEED: Measured("m/s", 10.0, falling=True),
    Parameter.COUNT: Measured("p/m/min", 200.0),
    Parameter.PERCENT: Measured("%", 200.0),
})
"""Counts per metre and minute are what Amsterdam's limits can only mean; its table does not say so."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A published scale.

    Parameters
    ----------
    parameter : Parameter
    facility : str
        One of the city file's facilities.
    names : tuple of str
        Its levels, the calmest first.
    limits : tuple of float
        From which value each level after the first holds.
    verified : bool
        Whether every limit was read in its source; else at least one is from memory.
    time_type : TimeType, optional
        The only one that it is for.
    area_types : tuple of str
        The source's own kinds of area, if it has any.
    """

    parameter: Parameter
    facility: str
    names: tuple[str, ...]
    limits: tuple[float, ...]
    verified: bool = True
    time_type: TimeType | None = None
    area_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A profile that comes with the program.

    Parameters
    ----------
    name : str
    version : int
    source : str
        Where the figures come from.
    notes : tuple of str
        What a reader must know: mended defects, what is assumed.
    begins : mapping of TimeType to three int
        The scale's own level from which yellow, orange and red hold.
    scales : tuple of Scale
    """

    name: str
    version: int
    source: str
    notes: tuple[str, ...]
    begins: Mapping[TimeType, tuple[int, int, int]]
    scales: tuple[Scale, ...]

    @property
    def reference(self) -> str:
        """How a city file names it."""
        return f"{self.name}@{self.version}"

    def columns(self, parameter: Parameter, time_type: TimeType) -> dict[str, list[float]]:
        """By facility: the value from which each colour holds (for a falling one: to which); the first is 0.

        Empty where the profile has no such column.
        """
        begins = self.begins.get(time_type)
        if begins is None:
            return {}
        return {
            scale.facility: [0.0, *(scale.limits[level - 1] for level in begins)]
            for scale in self.scales
            if scale.parameter is parameter and scale.time_type in (None, time_type)
        }


_LETTERS = ("A", "B", "C", "D", "E", "F")
_AMSTERDAM_AREAS = ("Shopping", "Red_Light", "Ferries", "Park")
_AMSTERDAM = ("Comfortabel", "Acceptabel", "Risicovol", "Onacceptabel")
_EVENT = ("groen", "geel", "oranje", "rood")
_SIX_LEVELS = MappingProxyType({TimeType.AVERAGE: (2, 3, 4), TimeType.PEAK: (3, 4, 5)})
"""Average: A-B green, C yellow, D orange, E-F red. Peak: A-C, D, E, F. As Amsterdam took Fruin's limits."""
_FOUR_LEVELS = MappingProxyType({TimeType.AVERAGE: (1, 2, 3), TimeType.PEAK: (1, 2, 3)})
_LETTER_NOTE = ("Colours: average A-B, C, D, E-F; peak (walkways only) A-C, D, E, F, as Amsterdam took Fruin's walkway "
                "limits. A queue has no peak column: its F begins where pressing begins to be dangerous.")
_PERMIT_NOTE = "With a permitted number the colours also begin at 70, 85 and 100 % of it; the worse counts."

_FRUIN = BuiltIn(
    name="fruin", version=1, begins=_SIX_LEVELS,
    source="J.J. Fruin, Pedestrian Planning and Design (1971); walkway space 35, 25, 15, 10, 5 ft2 a person",
    notes=(_LETTER_NOTE, _PERMIT_NOTE,
           "Queue limits are from memory and not checked in the source.",
           "Walking and standing people have different limits: never use the queue's for a moving street."),
    scales=(
        Scale(Parameter.DENSITY, "walkway", _LETTERS, (0.31, 0.43, 0.72, 1.08, 2.15)),
        Scale(Parameter.FLOW, "walkway", _LETTERS, (23.0, 33.0, 49.0, 66.0, 82.0)),
        Scale(Parameter.DENSITY, "queue", _LETTERS, (0.83, 1.08, 1.54, 3.59, 5.38), verified=False,
              time_type=TimeType.AVERAGE),
    ),
)
_HCM = BuiltIn(
    name="hcm", version=1, begins=_SIX_LEVELS,
    source="Highway Capacity Manual: walkway 5.6, 3.7, 2.2, 1.4, 0.75 m2 a person; queue 1.2, 0.9, 0.6, 0.3, 0.2",
    notes=(_LETTER_NOTE, _PERMIT_NOTE,
           "Walkway limits D/E and E/F (space), C/D and beyond (flow) are from memory and not checked in the source."),
    scales=(
        Scale(Parameter.DENSITY, "walkway", _LETTERS, (0.179, 0.27, 0.455, 0.714, 1.333), verified=False),
        Scale(Parameter.FLOW, "walkway", _LETTERS, (16.0, 23.0, 33.0, 49.0, 75.0), verified=False),
        Scale(Parameter.DENSITY, "queue", _LETTERS, (0.83, 1.11, 1.67, 3.33, 5.0),
              time_type=TimeType.AVERAGE),
    ),
)
_STILL = BuiltIn(
    name="still", version=1, begins=MappingProxyType({TimeType.AVERAGE: (1, 2, 3)}),
    source="G.K. Still, Crowd Dynamics: flow peaks at 2 to 3 p/m2 and falls beyond",
    notes=("Colours: free flow, stable, at capacity; unstable and congested are both red.", _PERMIT_NOTE),
    scales=(
        Scale(Parameter.DENSITY, "walkway", ("free flow", "stable", "capacity", "unstable", "congested"),
              (1.0, 2.5, 3.5, 5.0)),
    ),
)
_AMSTERDAM_PROFILE = BuiltIn(
    name="amsterdam", version=1, begins=_FOUR_LEVELS,
    source="Gemeente Amsterdam, CMSA, peoplemeasurement_servicelevels.csv (MPL-2.0); density is Fruin's for walkways",
    notes=(
        "Its levels 1 to 4 (Comfortabel, Acceptabel, Risicovol, Onacceptabel) are groen, geel, oranje, rood.",
        "Density and speed are the same for Shopping, Red_Light, Ferries and Park.",
        "Mended: row 25 says Speed and is the density of Shopping, Peak, level 1; limits 9999 and 10.00 are open.",
        "Left out: all Count rows (no unit is stated; rows 76 and 80 end below their begin) and Covid Shopping (no "
        "Average, level 4 twice, 3 never, shifted labels, its Count rows hold densities).",
        _PERMIT_NOTE,
    ),
    scales=(
        Scale(Parameter.DENSITY, "walkway", _AMSTERDAM, (0.43, 0.72, 1.08), time_type=TimeType.AVERAGE,
              area_types=_AMSTERDAM_AREAS),
        Scale(Parameter.DENSITY, "walkway", _AMSTERDAM, (0.72, 1.08, 2.17), time_type=TimeType.PEAK,
              area_types=_AMSTERDAM_AREAS),
        Scale(Parameter.SPEED, "walkway", _AMSTERDAM, (1.0, 0.81, 0.76), area_types=_AMSTERDAM_AREAS),
    ),
)
_NL_EVENEMENT = BuiltIn(
    name="nl-evenement", version=1, begins=MappingProxyType({TimeType.AVERAGE: (1, 2, 3)}),
    source="Dutch and UK event practice (kcev.nl): plan with 2 to 2.5 p/m2, at most 4 moving and 4.7 standing; "
           "first measures at 70 % (Nijmegen)",
    notes=("Show percent of the permitted number first, density one look deeper.",
           "85 and 100 % and the densities' colours are derived: the city sets its own in a profile of its own.",
           "An average over an audience area says nothing of the crush at a stage: give that a zone of its own."),
    scales=(
        Scale(Parameter.DENSITY, "walkway", _EVENT, (2.0, 2.5, 4.0)),
        Scale(Parameter.DENSITY, "queue", _EVENT, (2.0, 2.5, 4.7)),
        Scale(Parameter.DENSITY, "standing", _EVENT, (2.0, 2.5, 4.7)),
    ),
)

BUILT_IN: Mapping[str, BuiltIn] = MappingProxyType({
    one.reference: one for one in (_FRUIN, _HCM, _STILL, _AMSTERDAM_PROFILE, _NL_EVENEMENT)
})
"""By name and version; what is out stays."""


def newest(name: str) -> BuiltIn | None:
    """The profile with this reference, or the highest version of this name; None where there is none."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    versions = [one for one in BUILT_IN.values() if one.name == name]
    return max(versions, key=lambda one: one.version, default=None)
