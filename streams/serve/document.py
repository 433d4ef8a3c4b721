# SPDX-License-Identifier: Apache-2.0
"""The state as JSON: what `/v1/state` and the events of the page hold. Pure."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from schemas.alert import Transition
from schemas.alert_words import about, has_level, has_level_of
from schemas.expected import expected_level, is_expected, told_certainty
from schemas.live import LiveTable
from streams.serve.ahead import Ahead, Inside, NextLevel, SiteItem, ahead_items, inside_item, next_level
from streams.serve.board import Alert, Board, Changed, Row
from streams.serve.drills import DrillItem, drill_items
from streams.serve.exits import EmptyItem, empty_item
from streams.serve.passing import GateItem, RoadItem, gate_item, road_item
from streams.serve.places import Place, Places, stale_after_s
from streams.serve.ranges import Range, band_of, range_of, status_name, window_end
from streams.serve.seen import SightingItem, sighting_item
from streams.serve.sensors import SensorItem, shown_sensors
from streams.serve.surroundings import ContextItem, SiteMaps, shown_context
from streams.serve.wording import (
    NO_DATA,
    SEVERITIES,
    STATES,
    band_text,
    level_word,
    range_text,
    tone,
)

CLOSED_SHOWN_S = 900.0
"""So long, in log time, a closed alert is still shown."""
CLOSED_SHOWN = 200
"""Closed alerts that are shown at most; open ones always are, however many."""
EMPTY_FROM_TONE = 2
"""Orange: from here up it is said how long a zone needs to empty, also without an event."""


class Stream(StrEnum):
    """How the service stands to the broker."""

    STARTING = "starting"
    """It still reads what came before."""
    OK = "ok"
    AWAY = "away"
    """The broker does not answer: what is shown is no longer the present."""


class ZoneItem(msgspec.Struct, frozen=True, kw_only=True):
    """A zone's newest window; times are log times. Without a value `level` and all ranges are null.

    `inside` is people by the gates, never mixed with what sensors see; `is_seen` says whether the zone has a sensor
    that sees people: without one `inside` is all there is. `ahead` is what is to come, `next` when the next level is
    reached; `empty`, how long the zone needs to empty, is told while an event lasts or from `EMPTY_FROM_TONE` up.
    `tone` is the colour, 0 to 3; `stale` says that the window ended more than `stale_after_s` ago. `sensors` are those
    that are not in order.
    """

    key: str
    name: str
    site: str
    status: str
    stale: bool
    stale_after_s: float
    window_end: dt.datetime | None
    level: int | None
    word: str
    tone: int | None
    trend: int | None
    percent: Range | None
    people: Range | None
    density_per_m2: Range | None
    coverage: float
    sighting: SightingItem | None = None
    sensors: list[SensorItem] = []
    is_seen: bool = True
    inside: Inside | None = None
    ahead: list[Ahead] = []
    next: NextLevel | None = None
    empty: EmptyItem | None = None

    @property
    def people_now(self) -> tuple[int, int] | None:
        """Edges of the people in it: by its gates where that is known, else by its cameras; None without."""
        if self.inside is not None:
            return self.inside.low, self.inside.high
        return None if self.stale or self.people is None else (round(self.people.low), round(self.people.high))


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an alert."""

    at: dt.datetime
    state: str
    word: str


class AlertItem(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stands; `changes` is how often it changed, `life` its newest changes, oldest first.

    `percent`, `people` and `trend` are those of the window that ended at `seen_at`, which a later change of a flag
    leaves as they are; `certainty` says in a word how sure it is, `minutes_to_next` when the next level is reached, as
    the newest quarter hour before that window saw it. `tone` is null where it has no level: then `word` says what it is
    about.
    `expected`: a forecast expects the level, it is not there. `acknowledged_by` and `assigned` are roles;
    the first is empty where it is no longer known.
    """

    id: str
    place: str
    name: str
    site: str
    rule: str
    severity: str
    severity_word: str
    open: bool
    state: str
    state_word: str
    stale: bool
    level: int
    word: str
    expected: bool
    tone: int | None
    worst_word: str
    opened_at: dt.datetime
    at: dt.datetime
    seen_at: dt.datetime
    changes: int
    life: list[Change]
    percent: Range | None
    people: Range | None
    trend: int | None
    certainty: str
    minutes_to_next: Range | None
    acknowledged: bool
    acknowledged_by: str
    escalated: bool
    suppressed: bool
    exercise: bool
    assigned: str


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The state, or what of it has changed. `log_time`: end of the newest window of people.

    `city_sha256` is that of the version in force: a page that was drawn for another one has other places.

    `drills` are always all exercises that are on; `context` is all that is shown of it, or null where nothing of it has
    changed.
    """

    city: str
    city_sha256: str = ""
    timezone: str
    speed: float
    now: dt.datetime
    stream: Stream
    log_time: dt.datetime | None
    drills: list[DrillItem] = []
    sites: list[SiteItem] = []
    zones: list[ZoneItem] = []
    gates: list[GateItem] = []
    roads: list[RoadItem] = []
    alerts: list[AlertItem] = []
    context: list[ContextItem] | None = None


@dataclass(slots=True)
class Present:
    """The board with the city's words.

    Parameters
    ----------
    city, timezone, city_sha256 : str
        Name of the city, of its time zone, and its version in force.
    places : Places
    maps : SiteMaps
        For what lies beside the zones.
    speed : float
        Seconds of log time in a second.
    """

    city: str
    timezone: str
    places: Places
    maps: SiteMaps = field(default_factory=SiteMaps)
    speed: float = 1.0
    board: Board = field(default_factory=Board)
    stream: Stream = Stream.STARTING
    city_sha256: str = ""

    def whole(self, now: dt.datetime) -> Document:
        """All that stands: every place of the city, alerts that are open or were closed of late."""
        return self._document(
            now,
            sites=[self._site(number, now) for number in self.places.sites],
            zones=[self._zone(number, now) for number in self.places.zones],
            gates=[self._gate(number, now) for number in self.places.gates],
            roads=[self._road(number, now) for number in self.places.roads],
            alerts=self._shown_alerts(now), context=self._context(now),
        )

    def changed(self, changed: Changed, now: dt.datetime) -> Document:
        """Only what has changed; places that the city does not know are left out."""
        zones = self._changed_zones(changed)
        gates = [number for number in self.places.gates if number in changed.places[LiveTable.GATE]]
        roads = [number for number in self.places.roads
                 if number in changed.places[LiveTable.ROAD] or ("road", number) in changed.outlook]
        sites = [number for number in self.places.sites if ("site", number) in changed.outlook]
        alerts = (self.board.alerts[key] for key in changed.alerts if key in self.board.alerts)
        return self._document(
            now, sites=[self._site(number, now) for number in sites],
            zones=[self._zone(number, now) for number in zones],
            gates=[self._gate(number, now) for number in gates],
            roads=[self._road(number, now) for number in roads],
            alerts=[self.alert(alert) for alert in _newest_first(alerts) if _is_shown(alert, now)],
            context=self._context(now) if changed.context else None,
        )

    def _context(self, now: dt.datetime) -> list[ContextItem]:
        return shown_context(self.board.context.values(), self.maps, now)

    def _changed_zones(self, changed: Changed) -> list[int]:
        return [
            number for number, place in self.places.zones.items()
            if changed.orders or number in changed.places[LiveTable.ZONE] or number in changed.places[LiveTable.INSIDE]
            or ("zone", number) in changed.outlook or place.key in changed.sightings
            or any(sensor.number in changed.sensors for sensor in place.sensors)
        ]

    def clock(self, now: dt.datetime) -> Document:
        """No place, no alert: the time and how the stream stands."""
        return self._document(now)

    def _document(
        self, now: dt.datetime, zones: list[ZoneItem] | None = None, gates: list[GateItem] | None = None,
        roads: list[RoadItem] | None = None, alerts: list[AlertItem] | None = None,
        context: list[ContextItem] | None = None, sites: list[SiteItem] | None = None,
    ) -> Document:
        known = (self.board.rows[LiveTable.ZONE].get(number) for number in self.places.zones)
        ends = [end for row in known if (end := window_end(row)) is not None]
        return Document(
            city=self.city, city_sha256=self.city_sha256, timezone=self.timezone, speed=self.speed, now=now,
            stream=self.stream, log_time=max(ends, default=None), drills=self._drills(now), sites=sites or [],
            zones=zones or [], gates=gates or [], roads=roads or [], alerts=alerts or [], context=context,
        )

    def _drills(self, now: dt.datetime) -> list[DrillItem]:
        names = {place.key: place.name for place in self.places.sites.values()}
        return drill_items(self.board.outcomes.drills(round(now.timestamp() * 1e6)), names)

    def _stale(self, row: Row | None, place: Place, now: dt.datetime) -> tuple[bool, float]:
        limit_s = stale_after_s(60.0 if row is None else row["span_s"], place.delay_s, self.speed)
        end = window_end(row)
        return end is not None and (now - end).total_seconds() > limit_s, limit_s

    def _zone(self, number: int, now: dt.datetime) -> ZoneItem:
        place, row = self.places.zones[number], self.board.rows[LiveTable.ZONE].get(number)
        stale, limit_s = self._stale(row, place, now)
        level = None if row is None else row["level"]
        ahead = self._ahead("zone", number, now, self._band_width([number]))
        inside = inside_item(self.board.rows[LiveTable.INSIDE].get(number), limit_s, now, place.limits, place.levels)
        item = ZoneItem(
            key=place.key, name=place.name, site=place.site, status=status_name(row), stale=stale,
            stale_after_s=limit_s, window_end=window_end(row), level=level,
            word=NO_DATA if level is None else level_word(level, place.levels),
            tone=None if level is None else tone(level, len(place.levels)),
            trend=None if row is None else row["trend"],
            percent=range_of(row, "percent_low", "percent_high", 0, " %"),
            people=band_of(row, "people_low", "people_high"),
            density_per_m2=range_of(row, "density_low_per_m2", "density_high_per_m2", 2),
            coverage=0.0 if row is None else row["coverage"],
            sighting=sighting_item(self.board.sightings.get(place.key), now),
            sensors=shown_sensors(place.sensors, self.board.sensors),
            is_seen=place.is_seen,
            inside=inside, ahead=ahead, next=None if stale else next_level(row, ahead, place.limits, place.levels),
        )
        return msgspec.structs.replace(item, empty=self._empty(item, now))

    def _empty(self, item: ZoneItem, now: dt.datetime) -> EmptyItem | None:
        """How long the zone needs to empty, where that matters now."""
        site = self.places.exits[item.site]
        tones = [-1 if item.stale or item.tone is None else item.tone, -1 if item.inside is None else item.inside.tone]
        if max(tones) < EMPTY_FROM_TONE and not site.has_event(now):
            return None
        closed = self.board.outcomes.closed_gates(round(now.timestamp() * 1e6))
        return empty_item(site, item.key, item.people_now, closed)

    def _ahead(self, kind: str, number: int, now: dt.datetime, band_width: int = 1) -> list[Ahead]:
        return ahead_items(self.board.outlook.get((kind, number), {}).values(), self.speed, now, band_width)

    def _band_width(self, zones: Iterable[int]) -> int:
        """People in the newest bands of zones together."""
        rows = (self.board.rows[LiveTable.ZONE].get(number) for number in zones)
        return sum(row["people_high"] - row["people_low"] + 1 for row in rows if row and row["people_low"] is not None)

    def _site(self, number: int, now: dt.datetime) -> SiteItem:
        place = self.places.sites[number]
        zones = (at for at, zone in self.places.zones.items() if zone.site == place.key)
        return SiteItem(key=place.key, name=place.name,
                        ahead=self._ahead("site", number, now, self._band_width(zones)))

    def zone(self, key: str, now: dt.datetime) -> ZoneItem | None:
        """One zone as it stands; None where the city has no such one."""
        found = (number for number, place in self.places.zones.items() if place.key == key)
        return next((self._zone(number, now) for number in found), None)

    def _gate(self, number: int, now: dt.datetime) -> GateItem:
        place, row = self.places.gates[number], self.board.rows[LiveTable.GATE].get(number)
        return gate_item(place, row, *self._stale(row, place, now))

    def _road(self, number: int, now: dt.datetime) -> RoadItem:
        place, row = self.places.roads[number], self.board.rows[LiveTable.ROAD].get(number)
        return road_item(place, row, *self._stale(row, place, now), self._ahead("road", number, now))

    def _shown_alerts(self, now: dt.datetime) -> list[AlertItem]:
        shown = _newest_first(alert for alert in self.board.alerts.values() if _is_shown(alert, now))
        standing = sum(alert.is_open for alert in shown)
        return [self.alert(alert) for alert in shown[: standing + CLOSED_SHOWN]]

    def alert(self, alert: Alert) -> AlertItem:
        """An alert as it stands."""
        last = alert.last
        place = self.places.by_key(last.place)
        levels = place.levels if place else ()
        return AlertItem(
            id=last.alert_id, place=last.place, name=place.name if place else last.place, site=last.site,
            rule=last.rule, severity=last.severity,
            severity_word=SEVERITIES.get(last.severity, last.severity), open=alert.is_open,
            state=last.state_to, state_word=STATES.get(last.state_to, last.state_to), stale=last.stale,
            level=last.level_to, word=_word(last, levels), expected=is_expected(last),
            tone=tone(last.level_to, len(levels) or 4) if has_level(last) else None,
            worst_word=_worst_word(alert, levels),
            opened_at=_moment(last.opened_at_us), at=_moment(last.at_us), seen_at=_moment(last.window_end_us),
            changes=last.seq,
            life=[_change(one, levels) for one in alert.life],
            percent=_ends(last.percent_low, last.percent_high, " %"),
            people=None if last.people_low is None or last.people_high is None else Range(
                last.people_low, last.people_high, band_text(last.people_low, last.people_high)),
            trend=last.trend, certainty=told_certainty(last),
            minutes_to_next=_ends(last.next_low_min, last.next_high_min, " min"),
            acknowledged=last.acknowledged, acknowledged_by=alert.acknowledged_by, escalated=last.escalated,
            suppressed=last.suppressed, exercise=last.exercise, assigned=last.assigned,
        )


def _ends(low: float | None, high: float | None, unit: str) -> Range | None:
    return None if low is None or high is None else Range(low, high, range_text(low, high, 0, unit))


def _newest_first(alerts: Iterable[Alert]) -> list[Alert]:
    """Open ones first, the newest first among each."""
    return sorted(alerts, key=lambda alert: (not alert.is_open, -alert.last.at_us, alert.last.alert_id))


def _is_shown(alert: Alert, now: dt.datetime) -> bool:
    return alert.is_open or (now - _moment(alert.last.at_us)).total_seconds() <= CLOSED_SHOWN_S


def _change(transition: Transition, levels: tuple[str, ...]) -> Change:
    return Change(at=_moment(transition.at_us), state=transition.state_to, word=_word(transition, levels))


def _worst_word(alert: Alert, levels: tuple[str, ...]) -> str:
    measure = alert.last.measure
    return level_word(alert.worst, levels) if has_level_of(measure, alert.worst) else about(measure)


def _word(one: Transition, levels: tuple[str, ...]) -> str:
    if one.stale:
        return NO_DATA
    return expected_level(one, level_word(one.level_to, levels)) if has_level(one) else about(one.measure)


def _moment(at_us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_us // 1_000_000, dt.UTC)
