# SPDX-License-Identifier: Apache-2.0
"""What stands now: the newest row of each place and the present state of each alert. Pure.

Messages repeat after a worker's restart, and old ones come again: a row is known by (place, window), a
transition by (alert, sequence), and what is older than what stands changes nothing.
"""

from dataclasses import dataclass, field
from typing import Any

from schemas.alert import State, Transition
from schemas.context import ContextRecord
from schemas.health import HealthTable
from schemas.live import SCHEMAS, LiveTable
from schemas.note import Note
from schemas.roads import ANY_VEHICLE
from schemas.sighting import SightingShown
from streams.serve.outcomes import Outcomes
from streams.serve.sensors import SensorStanding
from streams.writer.rows import Message, RowBuffer

Row = dict[str, Any]
"""A live row by column name."""
CLOSED_KEPT = 10_000
"""Closed alerts that are remembered, so that their repeats are known; a few hundred bytes each."""
CONTEXT_KEPT = 5_000
"""Context records that are remembered; beyond them the ones that changed longest ago go."""
LIFE_KEPT = 12
"""Newest changes of an alert that the page tells, and that are kept of a closed one."""
HISTORY_KEPT = 300
"""Newest changes of an open alert that are kept."""
NOTES_KEPT = 5_000
OPEN_STATES = (State.FIRING, State.RECOVERING, State.PENDING)
PlaceKey = tuple[str, int]
"""Kind (zone, road or site) and number."""
_PLACE = {LiveTable.ZONE: "zone", LiveTable.GATE: "gate", LiveTable.ROAD: "zone", LiveTable.INSIDE: "zone"}


@dataclass(slots=True)
class Alert:
    """An alert: its newest transition, the highest level it reached, its changes, and which role acknowledged it."""

    last: Transition
    worst: int
    history: list[Transition]
    acknowledged_by: str = ""

    @property
    def life(self) -> list[Transition]:
        """Its newest changes."""
        return self.history[-LIFE_KEPT:]

    @property
    def is_open(self) -> bool:
        """Whether it still stands."""
        return self.last.state_to in OPEN_STATES


@dataclass(slots=True)
class Changed:
    """What a message changed: numbers of places by table, ids of alerts, keys of zones with a new sighting.

    `sensors` are numbers of sensors with another state; `outlook` are places with another one;
    `context` says whether a context record is new or changed, `orders` whether a gate was closed or opened, or an
    exercise begun or ended.
    """

    places: dict[LiveTable, set[int]] = field(default_factory=lambda: {table: set() for table in LiveTable})
    alerts: set[str] = field(default_factory=set)
    sightings: set[str] = field(default_factory=set)
    sensors: set[int] = field(default_factory=set)
    outlook: set[PlaceKey] = field(default_factory=set)
    context: bool = False
    orders: bool = False

    def __bool__(self) -> bool:
        some = self.alerts or self.sightings or self.sensors or self.outlook or self.context or self.orders
        return bool(some) or any(self.places.values())


@dataclass(slots=True)
class Board:
    """The present, built from messages in any order and however often repeated.

    Parameters
    ----------
    rows : dict of LiveTable to dict of int to Row
        The newest row of each place, by the place's number.
    alerts : dict of str to Alert
        By alert id.
    sightings : dict of str to SightingShown
        The newest of each zone, by the zone's key.
    context : dict of (source, record) to ContextRecord
        In their newest versions.
    sensors : dict of int to SensorStanding
        What was told last of each sensor, by its number.
    outcomes : Outcomes
        What the fold said to commands.
    notes : dict of str to Note
        By id; their text is for operations only.
    outlook : dict of PlaceKey to dict of int to Row
        The newest of each place and minutes ahead.
    """

    rows: dict[LiveTable, dict[int, Row]] = field(default_factory=lambda: {table: {} for table in LiveTable})
    alerts: dict[str, Alert] = field(default_factory=dict)
    sightings: dict[str, SightingShown] = field(default_factory=dict)
    context: dict[tuple[str, str], ContextRecord] = field(default_factory=dict)
    sensors: dict[int, SensorStanding] = field(default_factory=dict)
    outcomes: Outcomes = field(default_factory=Outcomes)
    notes: dict[str, Note] = field(default_factory=dict)
    outlook: dict[PlaceKey, dict[int, Row]] = field(default_factory=dict)

    def take(self, message: Message, changed: Changed) -> None:
        """Take a message in and note in `changed` what is new.

        Raises
        ------
        RefusedError
            It cannot be read; nothing of it was taken.
        """
        buffer = RowBuffer()
        buffer.add(message)
        for table, rows in buffer.live.items():
            for values in rows.values() if table in _PLACE else ():
                row = dict(zip(SCHEMAS[table].names, values, strict=True))
                if self._take_row(table, row):
                    changed.places[table].add(row[_PLACE[table]])
        for values in buffer.live[LiveTable.OUTLOOK].values():
            row = dict(zip(SCHEMAS[LiveTable.OUTLOOK].names, values, strict=True))
            if self._take_outlook(row):
                changed.outlook.add((row["kind"], row["place"]))
        for transition in buffer.transitions.values():
            if self._take_transition(transition):
                changed.alerts.add(transition.alert_id)
        for (_, partition), outcome in buffer.outcomes.items():
            changed.orders |= self.outcomes.take(partition, outcome)
        for note in buffer.notes.values():
            self._take_note(note)
        for one in buffer.context.values():
            changed.context |= self._take_context(one)
        for shown in buffer.sightings.values():
            if self._take_sighting(shown):
                changed.sightings.add(shown.zone)
        for sensor, at, state, since in buffer.health[HealthTable.HEALTH].values():
            if self._take_standing(sensor, SensorStanding(at, state, since)):
                changed.sensors.add(sensor)

    def _take_row(self, table: LiveTable, row: Row) -> bool:
        if row.get("vehicle_class", ANY_VEHICLE) != ANY_VEHICLE:
            return False
        number = row[_PLACE[table]]
        before = self.rows[table].get(number)
        if before is not None and not _is_newer(row, before):
            return False
        self.rows[table][number] = row
        return True

    def _take_outlook(self, row: Row) -> bool:
        known = self.outlook.setdefault((row["kind"], row["place"]), {})
        before = known.get(row["ahead_min"])
        if before is not None and row["window_start"] <= before["window_start"]:
            return False
        known[row["ahead_min"]] = row
        return True

    def _take_context(self, one: ContextRecord) -> bool:
        before = self.context.get(one.key)
        if before is not None and one.order <= before.order:
            return False
        self.context[one.key] = one
        if len(self.context) > CONTEXT_KEPT:
            oldest = min(self.context.values(), key=lambda known: (known.changed_us, known.key))
            del self.context[oldest.key]
        return True

    def _take_sighting(self, shown: SightingShown) -> bool:
        known = self.sightings.get(shown.zone)
        if known is not None and (shown.at_us, shown.role, shown.revision) <= (
            known.at_us, known.role, known.revision
        ):
            return False
        self.sightings[shown.zone] = shown
        return True

    def _take_standing(self, sensor: int, told: SensorStanding) -> bool:
        before = self.sensors.get(sensor)
        if before is not None and told.at <= before.at:
            return False
        self.sensors[sensor] = told
        # All states are told again every hour.
        return before is None or (told.state, told.since) != (before.state, before.since)

    def _take_transition(self, transition: Transition) -> bool:
        known = self.alerts.get(transition.alert_id)
        if known is None:
            # Where its opening is gone, a later command may be the first that is heard: nobody knows who acknowledged.
            self.alerts[transition.alert_id] = Alert(transition, transition.level_to, [transition])
            self._forget_oldest()
            return True
        if transition.seq <= known.last.seq:
            return False
        if not transition.acknowledged:
            known.acknowledged_by = ""
        elif not known.last.acknowledged:
            known.acknowledged_by = transition.actor
        known.last = transition
        known.worst = max(known.worst, transition.level_to)
        known.history = [*known.history, transition][-(HISTORY_KEPT if known.is_open else LIFE_KEPT):]
        return True

    def _take_note(self, note: Note) -> None:
        self.notes.setdefault(note.id, note)
        if len(self.notes) > NOTES_KEPT:
            del self.notes[next(iter(self.notes))]

    def _forget_oldest(self) -> None:
        if len(self.alerts) <= CLOSED_KEPT:
            return
        closed = [one for one in self.alerts.values() if not one.is_open]
        for one in sorted(closed, key=lambda alert: alert.last.at_us)[: CLOSED_KEPT // 10]:
            del self.alerts[one.last.alert_id]


def _is_newer(row: Row, before: Row) -> bool:
    """A later window, or a later revision of the same one; a row about people is said once."""
    return (row["window_start"], row.get("revision", 0)) > (before["window_start"], before.get("revision", 0))
