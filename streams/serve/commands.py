# SPDX-License-Identifier: Apache-2.0
"""Operators' commands come in: who may give one, whose partition judges it, and the fold's answer as the outcome."""

import uuid
from collections.abc import Callable, Mapping
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

import msgspec
import structlog

from schemas.city import City
from schemas.command import Done, MeasureTaken, OperatorCommand, Outcome, SensorOutOfService, kind_of, tag_of
from schemas.errors import TransientError
from schemas.ids import IdKind
from schemas.log import Kind, LogMessage, Topic, encode_log
from schemas.note import LONGEST, Note, encode_note
from schemas.rules import EVERYWHERE
from streams.clock import now_us
from streams.core.cards import site_of
from streams.core.layout import partition_of_site
from streams.gateway.producer import LogProducer
from streams.http_problem import Problem
from streams.serve.board import Board
from streams.serve.posts import check_json, check_role, fits_role, unfit
from streams.settings import Settings

BODY_BYTES = 16_384
OUTCOME_S = 2.0
"""How long the fold's answer is waited for."""
RETRY_S = 5
SOURCE = "serve"
OPERATOR_COMMANDS: dict[str, type[Any]] = {
    tag_of(one): one for one in OperatorCommand.__args__
}
"""By their tag; services' own commands are not taken here."""

log = structlog.get_logger(__name__)


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: `done` says that the fold did it; else the command is in the log and nobody has judged it yet."""

    id: str
    command: str
    done: bool
    what: str
    outcome: Outcome | None = None


class CommandDesk:
    """Takes commands for the city in force; bound to the event loop that it is made in.

    Parameters
    ----------
    settings : Settings
    city : callable
        The version in force.
    board : Board
        Knows the alerts' sites and hears the fold's answers.
    is_current : callable
        Whether the board has read what there is.
    """

    def __init__(self, settings: Settings, city: Callable[[], City], board: Board,
                 is_current: Callable[[], bool]) -> None:
        self._settings, self._city = settings, city
        self._board, self._is_current = board, is_current
        self._tokens = settings.serve.command_tokens
        self._producer = LogProducer(settings.kafka)

    def close(self, timeout_s: float) -> None:
        """Deliver what is queued. Blocks."""
        self._producer.close(timeout_s)

    def may_read_notes(self, headers: Mapping[str, str]) -> bool:
        """Whether who asks may give any command, and so may read what operators wrote."""
        return fits_role(self._settings, self._tokens, None, headers)

    async def take(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Take one command; returns with the fold's answer, or after a moment without it.

        A command with an id that was given before gets the same answer, and is done once.

        Raises
        ------
        Problem
            With a status and what to do; 409 where the fold refused it.
        """
        check_json(headers.get("content-type", ""))
        self._check_allowed(headers, None)
        command, text = _decoded(body)
        self._check_allowed(headers, command.role)
        site = self._site(command)
        partitions = self._partitions(site)
        outcome = self._board.outcomes.answer(command.id, partitions)
        if outcome is None:
            await self._send(command, site, text, partitions)
            outcome = await self._board.outcomes.wait(command.id, partitions, OUTCOME_S)
        return _receipt(command, outcome)

    def _check_allowed(self, headers: Mapping[str, str], role: str | None) -> None:
        check_role(self._settings, self._tokens, role, headers,
                   "no role may give commands here; see serve.command_tokens")

    def _site(self, command: OperatorCommand) -> str:
        """The site whose partition judges it; `*` where every partition does."""
        alert = getattr(command, "alert", None)
        if alert is not None:
            return self._alert_site(alert)
        rule, site = getattr(command, "rule", None), getattr(command, "site", None)
        if rule is not None:
            if rule not in self._city().file.rules:
                raise unfit("the city file has no such rule")
            return EVERYWHERE
        if site is not None:
            return str(site)
        return self._place_site(command)

    def _alert_site(self, identity: str) -> str:
        known = self._board.alerts.get(identity)
        if known is not None:
            return known.last.site
        if not self._is_current():
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the alerts are still being read; give it again",
                          headers={"Retry-After": str(RETRY_S)})
        raise Problem(HTTPStatus.NOT_FOUND, "no alert of this id is known here; `GET /api/alerts` lists them")

    def _place_site(self, command: OperatorCommand) -> str:
        city = self._city()
        if isinstance(command, SensorOutOfService):
            sensor = city.file.sensors.get(command.sensor)
            if sensor is None:
                raise unfit("the city file has no such sensor")
            return site_of(city, sensor.zone or sensor.gate or "")
        if isinstance(command, MeasureTaken):
            plan = city.file.plans.get(command.plan)
            if plan is None or command.measure not in plan.measures:
                raise unfit("the city file has no such plan or measure")
        key = next(str(value) for name in ("place", "zone", "gate") if (value := getattr(command, name, None)))
        site = site_of(city, key)
        if not site:
            raise unfit("the city file has no such place")
        return site

    def _partitions(self, site: str) -> list[int]:
        count = self._settings.kafka.partitions
        if site == EVERYWHERE:
            return list(range(count))
        number = self._city().ids[IdKind.SITE].get(site)
        if number is None:
            raise unfit("the city file has no such site")
        return [partition_of_site(number, count)]

    async def _send(self, command: OperatorCommand, site: str, text: str, partitions: list[int]) -> None:
        clock, city = self._settings.clock, self._city()
        at_us = now_us(clock)
        message = LogMessage(Kind.COMMAND, at_us, clock.kind, city.version, SOURCE, command.id, command=command)
        headers, value = encode_log(message)
        try:
            if command.note_id is not None:
                # First: whoever sees the command's effect finds the note.
                note = Note(id=command.note_id, site=site, role=command.role, at_us=at_us, text=text,
                            alert_id=getattr(command, "alert", None) or "")
                note_headers, note_value = encode_note(note)
                await self._producer.send(Topic.NOTES, note_value, note_headers, key=site.encode())
            for sent in [self._producer.send(Topic.SITE_LOG, value, headers, partition=one) for one in partitions]:
                await sent
        except TransientError as away:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{away}; give it again with the same id",
                          headers={"Retry-After": str(RETRY_S)}, id=command.id) from None
        # Neither figures nor text: an operator's number of people is exact.
        log.info("command", command=kind_of(command), role=command.role, id=command.id, site=site)


def _decoded(body: bytes) -> tuple[OperatorCommand, str]:
    """The command and the text of its note, or an empty one."""
    if len(body) > BODY_BYTES:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a command has at most {BODY_BYTES} bytes")
    try:
        told = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "no command: not a JSON object") from None
    kind = told.pop("type", None)
    if not isinstance(kind, str) or kind not in OPERATOR_COMMANDS:
        raise Problem(HTTPStatus.BAD_REQUEST, f"no command: `type` is one of {', '.join(OPERATOR_COMMANDS)}")
    text = told.pop("note", "")
    if not isinstance(text, str) or len(text) > LONGEST or "note_id" in told:
        raise _malformed(kind)
    told.setdefault("id", uuid.uuid4().hex)
    if text.strip():
        # A repeat of the command has the same note.
        told["note_id"] = blake2b(str(told["id"]).encode(), digest_size=16).hexdigest()
    try:
        command: OperatorCommand = msgspec.convert(told, OPERATOR_COMMANDS[kind])
    except (msgspec.ValidationError, ValueError):
        # The library's text may repeat a field that describes somebody.
        raise _malformed(kind) from None
    return command, text.strip()


def _malformed(kind: str) -> Problem:
    fields = (field.name for field in msgspec.structs.fields(OPERATOR_COMMANDS[kind]) if field.name != "note_id")
    return Problem(HTTPStatus.BAD_REQUEST, f"no command `{kind}`: it has {', '.join(fields)}, and `note` of at most "
                   f"{LONGEST} characters; roles are lower case, times microseconds since 1970, UTC")


def _receipt(command: OperatorCommand, outcome: Outcome | None) -> Receipt:
    if outcome is None:
        what = "the command is in the log; no worker has answered yet: ask again with the same id"
        return Receipt(id=command.id, command=kind_of(command), done=False, what=what)
    if outcome.done is Done.REFUSED:
        raise Problem(HTTPStatus.CONFLICT, outcome.reason, id=command.id, outcome=msgspec.to_builtins(outcome))
    return Receipt(id=command.id, command=kind_of(command), done=True, what="done", outcome=outcome)
