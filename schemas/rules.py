# SPDX-License-Identifier: Apache-2.0
"""Alarm rules of the city file: what a rule may look at, in which unit, and when it raises and clears."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

EVERYWHERE = "*"
"""As the only key of a list: all places of that kind."""


class Severity(StrEnum):
    """Class for routing, fixed per rule."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class RuleKind(StrEnum):
    """What a rule looks at."""

    LEVEL = "level"
    """The service level of a zone, on the 10 s grid."""
    DENSITY = "density"
    """A density of its own, with a least number of people (`min_people`), on the 10 s grid."""
    OCCUPANCY = "occupancy"
    """Upper bound of the people inside, by gates and anchors, against the permitted capacity."""
    FLOW = "flow"
    """Flow through a gate per metre of effective width."""
    RISE = "rise"
    """How fast a zone fills: low edge of its band against that of five minutes before."""
    STOP_AND_GO = "stop-and-go"
    """A dense zone whose outflow per metre falls below the limit: people stand."""
    FORECAST = "forecast"
    """Probability that the zone is at `level` or above within `lead_min` minutes."""
    SURGE = "surge"
    """Probability that the crowd is not the usual one of this weekday and quarter hour."""
    CONGESTION = "congestion"
    """Mean speed of a road at or below the limit."""
    INCIDENT = "incident"
    """Speed or flow of a road so many standard deviations from the usual."""
    NO_DATA = "no-data"
    """Windows of a place without data, or with less coverage than `limit`."""
    SENSOR_LOSS = "sensor-loss"
    """Share of a place's sensors that are silent, stuck or faulty."""
    EFFECT = "effect"
    """A measure was taken, its time is over, and so many percent of its stated effect are lacking."""


On = Literal["zone", "gate", "road", "place"]


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What belongs to a kind of rule.

    Parameters
    ----------
    on : str
        Kind of place; "place" = zones, gates and roads alike.
    unit : str
    rising : bool
        Whether more is worse.
    limit : float, optional
        Where the rule names none; None = it has to, or the kind has no limit of its own.
    highest : float
        No larger limit is plausible in that unit.
    """

    on: On
    unit: str
    rising: bool
    limit: float | None
    highest: float


KINDS: dict[RuleKind, KindFacts] = {
    RuleKind.LEVEL: KindFacts("zone", "persons", True, None, 0),
    RuleKind.DENSITY: KindFacts("zone", "persons/m2", True, 2.17, 10),
    RuleKind.OCCUPANCY: KindFacts("zone", "percent", True, 90, 1_000),
    RuleKind.FLOW: KindFacts("gate", "persons/m/min", True, 82, 200),
    RuleKind.RISE: KindFacts("zone", "persons/min", True, None, 100_000),
    RuleKind.STOP_AND_GO: KindFacts("zone", "persons/m/min", False, 48, 200),
    RuleKind.FORECAST: KindFacts("zone", "probability", True, 0.5, 1),
    RuleKind.SURGE: KindFacts("zone", "probability", True, 0.9, 1),
    RuleKind.CONGESTION: KindFacts("road", "km/h", False, None, 200),
    RuleKind.INCIDENT: KindFacts("road", "standard deviations", True, 4, 100),
    RuleKind.NO_DATA: KindFacts("place", "share", False, 0.5, 1),
    RuleKind.SENSOR_LOSS: KindFacts("place", "share", True, 0.5, 1),
    RuleKind.EFFECT: KindFacts("zone", "percent", True, 50, 1_000),
}
"""Limits: flow 82 per metre and minute is the Green Guide's maximum on the level; 48 is where Helbing et al. (2007,
PRE 75:046109) saw flow turn into stop-and-go; 2.17/m2 with 300 people is a demonstrator's combined rule."""
GRID_KINDS = (RuleKind.LEVEL, RuleKind.DENSITY)
"""Decided on the 10 s grid, on exact values against thresholds snapped to band edges; all others at a window's
close, on what is published anyway."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule, always on: an alert per place while what it looks at is at or beyond its limit.

    Parameters
    ----------
    kind : RuleKind
    level : int
        The level from which it fires (kind level) or that is ahead (kind forecast); else what its alerts carry.
    limit, clear : float, optional
        Raising and clearing limit in the unit of the kind; without `clear` the hysteresis gives it.
    unit : str, optional
        Said for safety: another unit than the kind's is refused.
    min_people : int, optional
        Of kind density: only from so many people in the zone.
    density_from_per_m2 : float
        Of kind stop-and-go: only from that density.
    lead_min : int
        Of kind forecast: how far ahead the level must be reached.
    raise_after : int
        Dwell: 10 s steps with new data (kinds on the grid) or windows at or beyond the limit.
    clear_after : int
        Windows on the safe side of the clearing limit until it is resolved.
    skip_levels : int
        A jump of so many levels at once skips the dwell.
    hysteresis_percent : float
        The clearing limit lies so far on the safe side of the raising one.
    escalate_after_s : float, optional
        An open alert that nobody acknowledges escalates after so long.
    flap_limit : int
        After so many raises within an hour the alert is held open until the hour has passed.
    severity : Severity
    zones, gates, roads : list of str
        Keys of the places of its kind, or `["*"]`.
    events : list of str
        Only while one of these events lasts; without any always.
    """

    kind: RuleKind
    level: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    limit: Annotated[float, msgspec.Meta(ge=0)] | None = None
    clear: Annotated[float, msgspec.Meta(ge=0)] | None = None
    unit: str | None = None
    min_people: Annotated[int, msgspec.Meta(ge=1)] | None = None
    density_from_per_m2: Annotated[float, msgspec.Meta(gt=0, le=10)] = 2.0
    lead_min: Annotated[int, msgspec.Meta(ge=15, le=120)] = 15
    raise_after: Annotated[int, msgspec.Meta(ge=1)] = 3
    clear_after: Annotated[int, msgspec.Meta(ge=1)] = 2
    skip_levels: Annotated[int, msgspec.Meta(ge=2)] = 2
    hysteresis_percent: Annotated[float, msgspec.Meta(gt=0, lt=100)] = 10.0
    escalate_after_s: Annotated[float, msgspec.Meta(ge=10)] | None = None
    flap_limit: Annotated[int, msgspec.Meta(ge=1)] = 6
    severity: Severity
    zones: list[str] = msgspec.field(default_factory=lambda: [EVERYWHERE])
    gates: list[str] = msgspec.field(default_factory=lambda: [EVERYWHERE])
    roads: list[str] = msgspec.field(default_factory=lambda: [EVERYWHERE])
    events: list[str] = []

    @property
    def raising(self) -> float:
        """The raising limit; NaN where the kind has none."""
        limit = KINDS[self.kind].limit if self.limit is None else self.limit
        return float("nan") if limit is None else limit

    @property
    def clearing(self) -> float:
        """The clearing limit, on the safe side of the raising one; NaN where the kind has none."""
        if self.clear is not None:
            return self.clear
        share = self.hysteresis_percent / 100
        return self.raising * (1 - share if KINDS[self.kind].rising else 1 + share)
