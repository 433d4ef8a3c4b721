# SPDX-License-Identifier: Apache-2.0
"""Every kind of message that Drukte sends: its channel, CloudEvents type, attributes and content."""

from dataclasses import dataclass
from typing import Any

from schemas.access import ACCESS_TYPE, Access
from schemas.alert import TRANSITION_TYPE, Transition
from schemas.alert_outputs import IDEMPOTENCY_HEADER, SIGNATURE_HEADER
from schemas.baseline import BASELINES
from schemas.city_change import CityChange
from schemas.command import OUTCOME_TYPE, Command, Outcome
from schemas.context import LIVE_TYPE as CONTEXT_TYPE
from schemas.context import ContextRecord
from schemas.delivery import AlertEvent, Delivery
from schemas.health import HEALTH_SCHEMAS, PURGED_TYPE, HealthTable, Purged
from schemas.ledger import Intent, Released
from schemas.letter import Letter
from schemas.live import SCHEMAS, LiveTable
from schemas.log import ARROW, JSON, Kind, Topic
from schemas.note import NOTE_TYPE, Note
from schemas.reading import SCHEMA as READINGS
from schemas.seal import CELLS
from schemas.sighting import SHOWN_TYPE, Sighting, SightingShown

ZSTD = "application/zstd"
BYTES = "application/octet-stream"
WEBHOOK = "webhook"
"""The channel that is no topic: what `drukte deliver` posts."""
SIGNATURE_TEXT = "`t=UNIX_SECONDS,v1=HEX`: HMAC-SHA256 with the shared secret over `t`, a dot and the body as it comes."
_CALL = {
    IDEMPOTENCY_HEADER: "As `ce-id`: the same at every try.",
    SIGNATURE_HEADER: f"{SIGNATURE_TEXT} Of the try: refuse what is more than 5 minutes old.",
}
_LOG = {
    "ce_ingestedat": "When the gateway took it in; microseconds since 1970, UTC, on the deployment's clock.",
    "ce_clock": "Which clock that is: wall, simulated or data.",
    "ce_cityversion": "The version of the city file that gave the integers.",
}
_CITY_FILES = {
    "ce_cityversion": "The version that is published.",
    "ce_citysha256": "SHA-256 of the three files together, 64 hex digits.",
    "ce_effectiveat": "From when it holds; microseconds since 1970, UTC.",
}
_KEPT = {"source": "Key of the source.", "context": "What came beside the body; a JSON object of texts."}
_SEAL = {
    "ce_site": "Key of the site.",
    "ce_group": "What is sealed together: people, passages or vehicles.",
    "ce_grain": "Length of the grain in seconds.",
    "ce_start": "Begin of the grain; microseconds since 1970, UTC.",
    "ce_zonemap": "8 hex digits that name the geometry in force.",
    "ce_part": "0 at the seal, above for cells that came later.",
    "ce_sealedat": "Log time of the seal; microseconds since 1970, UTC.",
}
_SNAPSHOT = {
    "ce_partition": "Of `site-log`.",
    "ce_nextoffset": "The first message of `site-log` that is not folded in.",
    "ce_logtime": "Microseconds since 1970, UTC.",
    "ce_stateversion": "Of the state's own format.",
    "ce_cityversion": "The version of the city file in force.",
    "ce_citysha256": "Of that version, 64 hex digits.",
    "ce_digest": "Of the value, so that a damaged one is not used.",
}


@dataclass(frozen=True, slots=True)
class MessageKind:
    """One kind of message.

    Parameters
    ----------
    name : str
        In the contract; unique.
    channel : str
        A `Topic`, or `WEBHOOK`.
    type : str
        CloudEvents type without its prefix.
    summary : str
    content_type : str
    payload : type, pyarrow.Schema or None
        What the JSON is decoded to; the columns of an Arrow stream; None where the content is not described.
    attributes : dict of str to str
        Header to description, beside the four required ones.
    outbound : bool
        Meant for others than Drukte's own services: follows the NL GOV profile, and has a time.
    subject : bool
        Whether `ce-subject` names the place.
    """

    name: str
    channel: str
    type: str
    summary: str
    content_type: str
    payload: Any
    attributes: dict[str, str]
    outbound: bool = False
    subject: bool = False


def _log(kind: Kind, summary: str, content_type: str, payload: Any) -> MessageKind:
    return MessageKind(f"log-{kind}", Topic.SITE_LOG, f"{kind}.v1", summary, content_type, payload, _LOG)


def _live(table: LiveTable | HealthTable, summary: str) -> MessageKind:
    columns = SCHEMAS[table] if isinstance(table, LiveTable) else HEALTH_SCHEMAS[table]
    return MessageKind(f"live-{table}".replace("_", "-"), Topic.LIVE, f"live.{table}.v1", summary, ARROW, columns, {})


MESSAGES: tuple[MessageKind, ...] = (
    MessageKind("alert-event", WEBHOOK, TRANSITION_TYPE, "A change of an alert, posted to a signed webhook; "
                "people as bands.", JSON, AlertEvent, _CALL, outbound=True, subject=True),
    MessageKind("alert-transition", Topic.ALERTS, TRANSITION_TYPE, "A change of an alert; people as bands. "
                "Open alerts may be told again with the same id.", JSON, Transition, {}, outbound=True),
    MessageKind("alert-outcome", Topic.ALERTS, OUTCOME_TYPE, "What became of an operator's command, by each partition "
                "that folded it; a role, no free text.", JSON, Outcome, {}, outbound=True),
    MessageKind("note", Topic.NOTES, NOTE_TYPE, "Text of an operator's note, which may name people: for the writer and "
                "the page only.", JSON, Note, {}),
    MessageKind("delivery", Topic.DELIVERIES, "delivery.v1", "What became of one transition at one receiver.",
                JSON, Delivery, {}, outbound=True),
    MessageKind("dead-letter", Topic.DEAD_LETTERS, "dead-letter.v1", "What was refused, why and where; nothing of "
                "the payload.", JSON, Letter, {}, outbound=True),
    MessageKind("ledger-intent", Topic.LEDGER, "ledger.intent.v1", "A batch of the research tier is about to be "
                "drawn.", JSON, Intent, {}, outbound=True),
    MessageKind("ledger-released", Topic.LEDGER, "ledger.released.v1", "A batch of the research tier was released; "
                "a link of a hash chain, without any count.", JSON, Released, {}, outbound=True),
    _live(LiveTable.ZONE, "Closed windows of zones, as bands."),
    _live(LiveTable.GATE, "Closed windows of gates, as bands."),
    _live(LiveTable.ROAD, "Closed windows of roads, exact: public at their source."),
    _live(LiveTable.INSIDE, "People inside zones by their gates, as bands."),
    _live(LiveTable.OUTLOOK, "What is ahead of zones, roads and sites; about people made of bands and baselines."),
    _log(Kind.READINGS, "A batch of readings.", ARROW, READINGS),
    _log(Kind.TICK, "Time passes where nothing is read; no content.", ARROW, None),
    _log(Kind.COMMAND, "What operators, or services for them, want of the fold.", JSON, Command),
    _log(Kind.CITY, "From when a city version holds.", JSON, CityChange),
    _log(Kind.SIGHTING, "What a person on the ground says of a zone; a role, never a name.", JSON, Sighting),
    _log(Kind.CONTEXT, "Road works, closures and events beside the counts.", JSON, list[ContextRecord]),
    _log(Kind.BASELINE, "What places usually show at each quarter hour of the week; from published figures. A second "
         "Arrow stream may follow, with what a forecast learns from published windows.", ARROW, BASELINES),
    MessageKind("live-sighting", Topic.LIVE, SHOWN_TYPE, "A sighting beside the sensor's band; people as bands.", JSON,
                SightingShown, {}),
    _live(HealthTable.HEALTH, "States of sensors: at a change, and all of them once an hour."),
    _live(HealthTable.DAY, "Shares of a sensor's UTC day; no counts of people."),
    _live(HealthTable.INTEGRITY, "Readings that look replayed; numbers of readings, not of people."),
    MessageKind("live-purged", Topic.LIVE, PURGED_TYPE, "A sensor was forgotten: the rows of its place have to go.",
                JSON, Purged, {}),
    MessageKind("live-context", Topic.LIVE, CONTEXT_TYPE, "Road works, closures and events in their newest version.",
                JSON, list[ContextRecord], {}),
    MessageKind("dead-letter-body", Topic.DEAD_LETTER_BODIES, "dead-letter-body.v1", "A refused body in which no "
                "person can be, kept for a day to be handed in again.", BYTES, None, _KEPT),
    MessageKind("dead-letter-redone", Topic.DEAD_LETTER_BODIES, "dead-letter-redone.v1", "The body of this id was "
                "taken in; no content.", BYTES, None, {}),
    MessageKind("access", Topic.ACCESS, ACCESS_TYPE, "Somebody was shown a sensor or a dead letter; never what was "
                "seen.", JSON, Access, {}),
    MessageKind("city-version", Topic.CITY, "city.v1", "A whole city version: its three files, packed.", ZSTD, None,
                _CITY_FILES),
    MessageKind("seal", Topic.SEALS, "seal.v1", "The exact values of one sealed batch, for the writer only.", ARROW,
                CELLS, _SEAL),
    MessageKind("snapshot", Topic.SNAPSHOTS, "snapshot.v1", "The state of one partition's fold, for the worker only.",
                ZSTD, None, _SNAPSHOT),
)
