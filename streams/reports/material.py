# SPDX-License-Identifier: Apache-2.0
"""What a report is made of: plain values that an edge has read, and the story of each alert in them. Pure.

Times are log times, microseconds since 1970, UTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.alert import Cause, State, Transition
from schemas.city import CityFile
from schemas.command import Done, Outcome
from schemas.roads import RoadTable

OPEN_STATES = (State.FIRING, State.RECOVERING)
LEAST_FRESH_US = 180_000_000
ROAD_FRESH_US = 600_000_000
ROADS = ""
"""Stands for the roads among the sites."""
OUTLOOK_FRESH_US = 1_200_000_000


class Origin(StrEnum):
    """Where the values were read."""

    DATABASE = "database"
    TOPICS = "topics"


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """A zone's closed window as published: bands only; None where nothing was seen.

    `by_gates`: no sensor can see people in the zone. These are the people inside by its gates, and the level is theirs.
    """

    zone: str
    start_us: int
    end_us: int
    people_low: int | None
    people_high: int | None
    percent_low: float | None
    percent_high: float | None
    level: int | None
    trend: int | None
    coverage: float
    by_gates: bool = False

    def speaks_at(self, at_us: int) -> bool:
        """Whether it says something of that moment: three windows long, and three minutes at least."""
        return self.end_us <= at_us <= self.end_us + max(LEAST_FRESH_US, 3 * (self.end_us - self.start_us))


@dataclass(frozen=True, slots=True)
class RoadRow:
    """A road's closed window as published, all vehicles; None where it is not known."""

    road: str
    start_us: int
    end_us: int
    speed_km_h: float | None
    flow_veh_h_lane: float | None
    service_level: int | None

    def speaks_at(self, at_us: int) -> bool:
        """Whether it says something of that moment; roads are told minutes late."""
        return self.end_us <= at_us <= self.end_us + max(ROAD_FRESH_US, 3 * (self.end_us - self.start_us))


@dataclass(frozen=True, slots=True)
class OutlookRow:
    """What was forecast for a zone at `end_us`: people (quantiles 0.05 and 0.95), and the chance of its next level."""

    zone: str
    end_us: int
    ahead_min: int
    low: int
    high: int
    percent_reach: float | None

    def speaks_at(self, at_us: int) -> bool:
        """Whether it is of use then: a newer one comes each quarter hour, and its own time must be ahead."""
        ahead_us = self.ahead_min * 60_000_000
        return self.end_us <= at_us <= self.end_us + OUTLOOK_FRESH_US and at_us < self.end_us + ahead_us


@dataclass(frozen=True, slots=True)
class LostSensor:
    """A sensor that is silent, stuck or faulty."""

    sensor: str
    site: str
    state: int
    since_us: int


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest window of a site that was told: its end and its length."""

    end_us: int
    span_us: int


@dataclass(frozen=True, slots=True)
class Material:
    """All that a report may say something about.

    Parameters
    ----------
    city : CityFile
        Names, levels and the time zone.
    roads : RoadTable
    from_us, until_us : int
        The time of the report; its end is its "now".
    transitions : sequence of Transition
        Of alerts that were open in that time, from their opening on.
    outcomes : sequence of Outcome
    rows : sequence of ZoneRow
    lost : sequence of LostSensor
        At the end.
    origin : Origin
    road_rows : sequence of RoadRow
    outlook : sequence of OutlookRow
    is_of_one_site : bool
        Whether nothing is asked of what belongs to no site of `city`.
    heard : mapping of str to Heard
        By site the newest window of people that was told before the report's end, whether or not it has a value; under
        `ROADS` that of the roads.
    """

    city: CityFile
    roads: RoadTable
    from_us: int
    until_us: int
    transitions: Sequence[Transition] = ()
    outcomes: Sequence[Outcome] = ()
    rows: Sequence[ZoneRow] = ()
    lost: Sequence[LostSensor] = ()
    origin: Origin = Origin.DATABASE
    road_rows: Sequence[RoadRow] = ()
    outlook: Sequence[OutlookRow] = ()
    is_of_one_site: bool = False
    heard: Mapping[str, Heard] = field(default_factory=dict)

    def place_name(self, key: str) -> str:
        """Of a zone, a gate or a road; its key where the city file knows none."""
        zone, gate = self.city.zones.get(key), self.city.gates.get(key)
        if zone is not None:
            return zone.name
        if gate is not None:
            return gate.name or key
        names = dict(zip(map(str, self.roads.column("zone")), map(str, self.roads.column("name")), strict=True))
        return names.get(key, key)

    def site_name(self, key: str) -> str:
        """Of a site; its key where the city file has none."""
        site = self.city.sites.get(key)
        return key if site is None else site.name

    def level_word(self, profile: str, level: int) -> str:
        """The profile's word, else the number."""
        found = self.city.profiles.get(profile)
        words = [] if found is None else found.levels
        return words[level] if 0 <= level < len(words) else str(level)


@dataclass(slots=True)
class Story:
    """One alert up to a moment.

    Parameters
    ----------
    first, last : Transition
    highest : int
        The highest level it had.
    acknowledged_us, acknowledged_by : int or None, str
        Its newest acknowledgement that stands or stood; by an empty role where that is no longer known.
    note_id : str
        Of the newest note.
    ended_us : int or None
    dismissed : bool
        Whether an operator ended it by hand.
    taken : list of Outcome
        Measures taken at its place since it opened.
    """

    first: Transition
    last: Transition
    highest: int = 0
    acknowledged_us: int | None = None
    acknowledged_by: str = ""
    note_id: str = ""
    ended_us: int | None = None
    dismissed: bool = False
    taken: list[Outcome] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it stands."""
        return self.last.state_to in OPEN_STATES


def stories(material: Material) -> list[Story]:
    """The alerts of the material as they stood at its end, in the order of their opening."""
    found: dict[str, Story] = {}
    unique = {(one.alert_id, one.seq): one for one in material.transitions if one.at_us <= material.until_us}
    for one in sorted(unique.values(), key=lambda one: (one.alert_id, one.seq)):
        _tell(found.setdefault(one.alert_id, Story(one, one)), one)
    for story in found.values():
        story.taken = _taken(story, material.outcomes, material.until_us)
    return sorted(found.values(), key=lambda story: (story.first.opened_at_us, story.first.alert_id))


def _tell(story: Story, one: Transition) -> None:
    if one.acknowledged and not (story.last.acknowledged and story.acknowledged_us):
        # Where the opening is gone, the first that is known may be another command than the acknowledgement.
        story.acknowledged_us, story.acknowledged_by = one.at_us, "" if one is story.first else one.actor
    story.last, story.highest = one, max(story.highest, one.level_to)
    story.note_id = one.note_id or story.note_id
    if one.state_to is State.RESOLVED:
        story.ended_us, story.dismissed = one.at_us, one.cause is Cause.COMMAND


def _taken(story: Story, outcomes: Iterable[Outcome], until_us: int) -> list[Outcome]:
    end_us = until_us if story.ended_us is None else story.ended_us
    unique = {
        one.command_id: one for one in outcomes
        if one.done is Done.DONE and one.measure and one.place == story.first.place
        and story.first.opened_at_us <= one.at_us <= end_us
    }
    return sorted(unique.values(), key=lambda one: one.at_us)
