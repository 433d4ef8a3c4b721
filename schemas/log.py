# SPDX-License-Identifier: Apache-2.0
"""Messages of the topics: their kinds, CloudEvents headers and topic names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from schemas.baseline import BaselineRows, decode_baseline, encode_baseline
from schemas.city import City
from schemas.city_change import CityChange, decode_change, encode_change
from schemas.command import Command, decode_command, encode_command
from schemas.context import ContextRecord, decode_context, encode_context
from schemas.errors import RefusedError
from schemas.moment import rfc3339
from schemas.reading import Batch, decode_batch, encode_batch
from schemas.refusal import Reason
from schemas.sighting import Sighting, decode_sighting, encode_sighting


class Topic(StrEnum):
    """Topic names; who may read which stands in docs/privacy.md."""

    SITE_LOG = "site-log"
    SNAPSHOTS = "snapshots"
    LIVE = "live"
    ALERTS = "alerts"
    NOTES = "notes"
    DELIVERIES = "deliveries"
    SEALS = "seals"
    LEDGER = "ledger"
    CITY = "city"
    DEAD_LETTERS = "dead-letters"
    DEAD_LETTER_BODIES = "dead-letter-bodies"
    ACCESS = "access"


class Kind(StrEnum):
    """What a message of `site-log` is."""

    READINGS = "readings"
    TICK = "tick"
    COMMAND = "command"
    CITY = "city"
    SIGHTING = "sighting"
    CONTEXT = "context"
    BASELINE = "baseline"


class Clock(StrEnum):
    """Where the time stamps of the log come from; one for a whole deployment."""

    WALL = "wall"
    SIMULATED = "simulated"
    DATA = "data"


TYPE_PREFIX = "nl.drukte."
"""CloudEvents types are `nl.drukte.KIND.v1`."""
SPEC_VERSION = "1.0"
ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"

Headers = list[tuple[str, bytes]]
ReadHeaders = Iterable[tuple[str, bytes | None]]
"""As Kafka gives them back: somebody else's may be null."""


@dataclass(frozen=True, slots=True)
class LogMessage:
    """One message of `site-log`.

    Parameters
    ----------
    kind : Kind
    ingested_at_us : int
        When the gateway took it in, on the deployment's clock; microseconds since 1970, UTC.
    clock : Clock
    city_version : int
        The version of the city file that gave the integers of the batch.
    source : str
        Key of the source, or the gateway's name for a tick.
    id : str
        Unique within `source`; CloudEvents asks for it, the fold does not use it.
    batch : Batch or None
        The readings of kind READINGS, else None.
    command : Command or None
        Of kind COMMAND.
    change : CityChange or None
        Of kind CITY.
    city : City or None
        The content of that version; not in the message: whoever folds it in adds it from topic `city`.
    sighting : Sighting or None
        Of kind SIGHTING.
    context : sequence of ContextRecord or None
        Of kind CONTEXT.
    baseline : BaselineRows or None
        Of kind BASELINE.
    """

    kind: Kind
    ingested_at_us: int
    clock: Clock
    city_version: int
    source: str
    id: str
    batch: Batch | None = None
    command: Command | None = None
    change: CityChange | None = None
    city: City | None = None
    sighting: Sighting | None = None
    context: Sequence[ContextRecord] | None = None
    baseline: BaselineRows | None = None


def event_headers(
    event_type: str, source: str, event_id: str, content_type: str, at_us: int | None = None
) -> Headers:
    """CloudEvents 1.0 attributes in Kafka's binary mode.

    Parameters
    ----------
    event_type : str
        Without prefix: `live.zone.v1`.
    source : str
        A urn.
    event_id : str
        The same whoever says it again.
    content_type : str
    at_us : int, optional
        `time`, which events that leave Drukte need: of the event and not of the sending, so that a repeat has the
        same; microseconds since 1970, UTC.
    """
    headers = [
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", (TYPE_PREFIX + event_type).encode()),
        ("content-type", content_type.encode()),
    ]
    if at_us is not None:
        headers.append(("ce_time", rfc3339(at_us).encode()))
    return headers


def event_type(headers: ReadHeaders | None) -> str:
    """The `ce_type` of a message without its prefix, or an empty text when there is none of ours."""
    for name, value in headers or ():
        if name == "ce_type" and value is not None:
            text = value.decode(errors="replace")
            return text.removeprefix(TYPE_PREFIX) if text.startswith(TYPE_PREFIX) else ""
    return ""


def encode_log(message: LogMessage) -> tuple[Headers, bytes]:
    """Headers and value of a `site-log` message."""
    content = JSON if message.kind in (Kind.COMMAND, Kind.CITY, Kind.SIGHTING, Kind.CONTEXT) else ARROW
    headers = event_headers(f"{message.kind}.v1", f"urn:drukte:source:{message.source}", message.id, content)
    headers += [
        ("ce_ingestedat", str(message.ingested_at_us).encode()),
        ("ce_clock", message.clock.encode()),
        ("ce_cityversion", str(message.city_version).encode()),
    ]
    return headers, _body(message)


def _body(message: LogMessage) -> bytes:
    if message.batch is not None:
        return encode_batch(message.batch)
    if message.command is not None:
        return encode_command(message.command)
    if message.sighting is not None:
        return encode_sighting(message.sighting)
    if message.context is not None:
        return encode_context(message.context)
    if message.baseline is not None:
        return encode_baseline(message.baseline)
    return b"" if message.change is None else encode_change(message.change)


_KINDS = {f"{TYPE_PREFIX}{kind}.v1".encode(): kind for kind in Kind}
_CLOCKS = {clock.encode(): clock for clock in Clock}


def decode_log(headers: ReadHeaders | None, value: bytes | None) -> LogMessage:
    """Read what `encode_log` wrote.

    Raises
    ------
    RefusedError
        `unknown-kind` for another kind or version, `malformed` for missing headers or a bad batch.
    """
    given = {name: value for name, value in headers or () if value is not None}
    kind = _KINDS.get(given.get("ce_type", b""))
    if kind is None:
        raise RefusedError(
            Reason.UNKNOWN_KIND,
            f"message type {given.get('ce_type', b'')!r} is not known here; known: "
            f"{', '.join(f'{TYPE_PREFIX}{known}.v1' for known in Kind)}. Is a newer gateway writing?",
        )
    try:
        ingested_at_us = int(given["ce_ingestedat"])
        city_version = int(given["ce_cityversion"])
        clock = _CLOCKS.get(given["ce_clock"]) or Clock(given["ce_clock"].decode())
        source = given["ce_source"].decode().removeprefix("urn:drukte:source:")
        event_id = given["ce_id"].decode()
    except KeyError as error:
        raise RefusedError(Reason.MALFORMED, f"message lacks header {error}") from None
    except ValueError as error:
        raise RefusedError(Reason.MALFORMED, f"message has a bad header: {error}") from None
    body = value or b""
    if kind is Kind.READINGS:  # nearly all of them
        return LogMessage(Kind.READINGS, ingested_at_us, clock, city_version, source, event_id, decode_batch(body))
    return LogMessage(
        kind, ingested_at_us, clock, city_version, source, event_id,
        command=decode_command(body) if kind is Kind.COMMAND else None,
        change=decode_change(body) if kind is Kind.CITY else None,
        sighting=decode_sighting(body) if kind is Kind.SIGHTING else None,
        context=decode_context(body) if kind is Kind.CONTEXT else None,
        baseline=decode_baseline(body) if kind is Kind.BASELINE else None,
    )
