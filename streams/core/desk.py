# SPDX-License-Identifier: Apache-2.0
"""Operators' commands: each folds to one outcome, a repeat to the same one; and the flags that time moves.

Nothing here stops an alert from being judged: what operators set are flags beside its state.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any

import msgspec

from schemas.alert import Cause, Transition
from schemas.city import City
from schemas.command import (
    DRILL_ORDER,
    GATE_ORDER,
    SUPPRESS_MOST_H,
    Acknowledge,
    Assign,
    Done,
    Drill,
    GateClosed,
    GateOpen,
    MeasureTaken,
    Note,
    OperatorCommand,
    Outcome,
    Resolve,
    SensorOutOfService,
    Suppress,
    Unacknowledge,
    Unsuppress,
    kind_of,
)
from streams.core.alerting import Change, acknowledged, ended, escalated, suppressed
from streams.core.cases import NOBODY, By, CaseBook
from streams.core.drills import DRILL_US, alerts_over, drills_over
from streams.core.inhibition import Hiders, hiders, is_inhibited
from streams.core.layout import Layout

OUTCOMES_KEPT = 1_000
"""A client that tries a command again does so within minutes; of more commands than these the oldest are forgotten."""
SUPPRESS_MOST_US = SUPPRESS_MOST_H * 3_600_000_000
MUTED_BY = ("alert", "rule", "place")
"""What a suppression may be about."""
Told = list[Transition]


class Until(msgspec.Struct, frozen=True):
    """Something of a kind that holds until a time: `alert`, `rule`, `place`, `gate`."""

    kind: str
    key: str
    until_us: int


class RefusedCommandError(Exception):
    """A command that cannot be done as things stand; the text says why."""


class Desk:
    """What commands have set, and what became of the last ones.

    Attributes
    ----------
    outcomes : list of Outcome
        Of the last commands, oldest first.
    holding : list of Until
        Suppressions, closed gates and sensors out of service.
    standing : list of Outcome
        Of the commands that hold now, oldest first: kept for as long as they do, whatever is commanded meanwhile.
    """

    STATE = ("outcomes", "holding", "standing")

    def __init__(self, city: City, layout: Layout, book: CaseBook) -> None:
        self._city, self._layout, self._book = city, layout, book
        self.outcomes: list[Outcome] = []
        self.holding: list[Until] = []
        self.standing: list[Outcome] = []
        book.is_muted = self._is_quiet

    def carry(self, old: "Desk") -> None:
        """Go on with what was set."""
        self.outcomes, self.holding, self.standing = old.outcomes, old.holding, old.standing

    def closed_gates(self, now_us: int) -> set[str]:
        """Gates that operators closed."""
        return {one.key for one in self.holding if one.kind == "gate" and one.until_us > now_us}

    def standing_at(self, now_us: int) -> list[Outcome]:
        """The outcomes of the commands that hold at that time, to be told again."""
        return [one for one in self.standing if _holds(one, now_us)]

    def said_before(self, command_id: str) -> Outcome | None:
        """What became of a command that was given before."""
        known = chain(reversed(self.outcomes), self.standing)
        return next((one for one in known if one.command_id == command_id), None)

    def settle(self, command: OperatorCommand, now_us: int, do: Callable[[], tuple[Told, str]]) -> list[Any]:
        """Do a command once; its transitions and its outcome.

        Parameters
        ----------
        do : callable
            Does it; its transitions, and the site that it was about. Raises `RefusedCommandError`.
        """
        before = self.said_before(command.id)
        if before is not None:
            return [before]
        told: Told = []
        site, reason = "", ""
        try:
            told, site = do()
        except RefusedCommandError as refused:
            reason = str(refused)
        place, measure = _subject(command)
        order, begins = _standing_order(command)
        outcome = Outcome(
            command_id=command.id, command=kind_of(command), done=Done.REFUSED if reason else Done.DONE, reason=reason,
            alert_id=told[-1].alert_id if told else "", seq=told[-1].seq if told else 0, site=site,
            role=command.role, at_us=now_us, place=place, measure=measure,
            until_us=_ends(command, now_us), standing_order=order, stands=begins and not reason)
        self.outcomes = [*self.outcomes, outcome][-OUTCOMES_KEPT:]
        if order and not reason:
            others = [one for one in self.standing if one.standing_order != order]
            self.standing = [*others, outcome] if begins else others
        return [*told, outcome]

    def about_alert(self, command: Acknowledge | Unacknowledge | Note | Assign | Resolve,
                    now_us: int) -> tuple[Told, str]:
        """Do a command about one open alert."""
        number = self._open(command.alert)
        case = self._book.cases[number]
        by = By(command.id, command.role, command.note_id or "")
        if isinstance(command, Resolve):
            changes = ended(case, Cause.COMMAND)
        elif isinstance(command, Acknowledge | Unacknowledge):
            changes = self._acknowledged(number, command, now_us)
        else:
            if isinstance(command, Assign):
                case.assigned = command.to_role
            changes = [Change(case.state, case.state, case.level, case.level, Cause.COMMAND)]
        return self._book.told_again(number, changes, now_us, by), self._book.site(number)

    def _acknowledged(self, number: int, command: Acknowledge | Unacknowledge, now_us: int) -> list[Change]:
        case, yes = self._book.cases[number], isinstance(command, Acknowledge)
        if case.acknowledged and yes:
            raise RefusedCommandError("it is acknowledged already")
        if not case.acknowledged and not yes:
            raise RefusedCommandError("it is not acknowledged")
        return acknowledged(case, yes, now_us)

    def _open(self, identity: str) -> int:
        number = self._book.find(identity)
        if number is None:
            raise RefusedCommandError("no alert of this id is open here")
        if not self._book.cases[number].open:
            raise RefusedCommandError("the alert is resolved")
        return number

    def suppress(self, command: Suppress | Unsuppress, now_us: int) -> tuple[Told, str]:
        """Suppress an alert, a rule or a place until a time, or end that."""
        kind, key = _muted(command)
        site = self._site_of(kind, key)
        known = [one for one in self.holding if (one.kind, one.key) == (kind, key) and one.until_us > now_us]
        if isinstance(command, Unsuppress) and not known:
            raise RefusedCommandError("it is not suppressed")
        if isinstance(command, Suppress) and command.until_us <= now_us:
            raise RefusedCommandError("its end has passed")
        if isinstance(command, Suppress) and command.until_us > now_us + SUPPRESS_MOST_US:
            raise RefusedCommandError(
                f"a suppression lasts at most {SUPPRESS_MOST_H} hours: say an earlier end, then give it again")
        self._drop(kind, key)
        if isinstance(command, Suppress):
            self.holding = [*self.holding, Until(kind, key, command.until_us)]
        by = By(command.id, command.role, command.note_id or "")
        return self._flags(now_us, Cause.COMMAND, by, (kind, key)), site

    def _site_of(self, kind: str, key: str) -> str:
        if kind == "alert":
            return self._book.site(self._open(key))
        if kind == "rule":
            if key not in self._city.file.rules:
                raise RefusedCommandError("the city file has no such rule")
            return ""
        return self._place_site(key)

    def _place_site(self, key: str) -> str:
        for place, site in zip(self._layout.place_key, self._layout.place_site, strict=True):
            if place == key:
                return site
        raise RefusedCommandError("there is no such zone, gate or road here")

    def drill(self, command: Drill, now_us: int) -> tuple[Told, str]:
        """Begin an exercise, which leaves open alerts what they are, or end one and its open alerts."""
        key = _drilled(command)
        known = self._city.file.sites if command.site is not None else self._city.file.rules
        if key.partition("/")[2] not in known:
            raise RefusedCommandError("the city file has no such site or rule")
        if (key in self._book.drilled) == command.on:
            raise RefusedCommandError("the exercise is on already" if command.on else "no such exercise is on")
        if command.on:
            self._book.drilled = [*self._book.drilled, key]
            return [], command.site or ""
        self._book.drilled = [one for one in self._book.drilled if one != key]
        by = By(command.id, command.role, command.note_id or "")
        return alerts_over(self._book, now_us, by), command.site or ""

    def drills_over(self, now_us: int) -> list[Transition | Outcome]:
        """End exercises whose time is over, and alerts of exercises that are not on: a cold start forgets some."""
        over = drills_over(self._book.drilled, self.standing, now_us)
        orders = {one.standing_order for one in over}
        if orders:
            self._book.drilled = [key for key in self._book.drilled if f"{DRILL_ORDER}{key}" not in orders]
            self.standing = [one for one in self.standing if one.standing_order not in orders]
        return [*alerts_over(self._book, now_us), *over]

    def gate(self, command: GateClosed | GateOpen, now_us: int) -> tuple[Told, str]:
        """Close a gate until a time, or open it."""
        gate = self._city.file.gates.get(command.gate)
        if gate is None:
            raise RefusedCommandError("the city file has no such gate")
        if isinstance(command, GateOpen) and command.gate not in self.closed_gates(now_us):
            raise RefusedCommandError("it is not closed")
        if isinstance(command, GateClosed) and command.until_us <= now_us:
            raise RefusedCommandError("its end has passed")
        self._drop("gate", command.gate)
        if isinstance(command, GateClosed):
            self.holding = [*self.holding, Until("gate", command.gate, command.until_us)]
        return [], gate.site

    def out_of_service(self, command: SensorOutOfService, now_us: int) -> str:
        """Take a sensor out of service until a time; the partition lays itself out without it."""
        sensor = self._city.file.sensors.get(command.sensor)
        if sensor is None:
            raise RefusedCommandError("the city file has no such sensor")
        if command.until_us <= now_us:
            raise RefusedCommandError("its end has passed")
        self._drop("sensor", command.sensor)
        self.holding = [*self.holding, Until("sensor", command.sensor, command.until_us)]
        return self._place_site(sensor.zone or sensor.gate or "")

    def resting(self, now_us: int) -> list[str]:
        """Sensors that are out of service by an operator's word."""
        return sorted(one.key for one in self.holding if one.kind == "sensor" and one.until_us > now_us)

    def _drop(self, kind: str, key: str) -> None:
        self.holding = [one for one in self.holding if (one.kind, one.key) != (kind, key)]

    def at_step(self, now_us: int) -> Told:
        """Let time pass: suppressions end, lower levels are inhibited by higher ones, alerts escalate."""
        if any(one.until_us <= now_us for one in self.holding):
            self.holding = [one for one in self.holding if one.until_us > now_us]
            self.standing = self.standing_at(now_us)
        if not self._book.busy.any():
            return []
        told = self._flags(now_us, Cause.TIMER)
        for number in self._book.open_numbers():
            changes = escalated(self._book.cases[number], self._book.parameters[number], now_us)
            told += self._book.told_again(number, changes, now_us)
        return told

    def _flags(self, now_us: int, cause: Cause, by: By = NOBODY, only: tuple[str, str] | None = None) -> Told:
        hiding = self._hiders(now_us)
        told: Told = []
        for number in self._book.open_numbers():
            if only is not None and only not in self._names(number):
                continue  # what time alone moves waits for the step, and is nobody's doing
            case = self._book.cases[number]
            inhibited = is_inhibited(self._book, number, hiding)
            muted = self._is_muted(number, now_us)
            why = Cause.INHIBITED if inhibited != case.inhibited else cause
            case.inhibited = inhibited
            changes = suppressed(case, muted or inhibited, why)
            told += self._book.told_again(number, changes, now_us, by if why is cause else NOBODY)
        return told

    def _names(self, number: int) -> set[tuple[str, str]]:
        """What a suppression may call the case by."""
        book = self._book
        return {("alert", book.cases[number].alert_id), ("rule", book.entries[number].key),
                ("place", book.place(number))}

    def _is_quiet(self, number: int, now_us: int) -> bool:
        """Whether an alert that opens now is told to nobody: an operator said so, or another one says it already."""
        return self._is_muted(number, now_us) or is_inhibited(self._book, number, self._hiders(now_us))

    def _is_muted(self, number: int, now_us: int) -> bool:
        """Whether an operator has suppressed the case's alert, rule or place."""
        names = self._names(number)
        return any((one.kind, one.key) in names for one in self.holding if one.until_us > now_us)

    def _hiders(self, now_us: int) -> Hiders:
        return hiders(self._book, {one.key for one in self.holding if one.kind == "rule" and one.until_us > now_us})


def _ends(command: OperatorCommand, now_us: int) -> int | None:
    """When what a command begins is over by itself."""
    if isinstance(command, Drill):
        return now_us + DRILL_US if command.on else None
    return getattr(command, "until_us", None)


def _holds(one: Outcome, now_us: int) -> bool:
    return one.until_us is None or one.until_us > now_us


def _subject(command: OperatorCommand) -> tuple[str, str]:
    """Place and `PLAN/MEASURE` of a measure that was taken; the gate that was closed or opened."""
    if isinstance(command, MeasureTaken):
        return command.place, f"{command.plan}/{command.measure}"
    if isinstance(command, GateClosed | GateOpen):
        return command.gate, ""
    return "", ""


def _standing_order(command: OperatorCommand) -> tuple[str, bool]:
    """What a command begins (true) or ends, as `KIND/KEY`; empty for those that leave nothing standing."""
    if isinstance(command, GateClosed | GateOpen):
        return f"{GATE_ORDER}{command.gate}", isinstance(command, GateClosed)
    if isinstance(command, SensorOutOfService):
        return f"sensor/{command.sensor}", True
    if isinstance(command, Suppress | Unsuppress):
        return "/".join(_muted(command)), isinstance(command, Suppress)
    if isinstance(command, Drill):
        return f"{DRILL_ORDER}{_drilled(command)}", command.on
    return "", False


def _muted(command: Suppress | Unsuppress) -> tuple[str, str]:
    """Kind and key of what a suppression is about."""
    return next((name, value) for name in MUTED_BY if (value := getattr(command, name)) is not None)


def _drilled(command: Drill) -> str:
    return f"site/{command.site}" if command.site is not None else f"rule/{command.rule}"
