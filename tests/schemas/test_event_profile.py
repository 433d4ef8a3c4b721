# SPDX-License-Identifier: Apache-2.0
"""Outbound events against the NL GOV profile for CloudEvents 1.1."""

import ast
from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from schemas.access import Access, Looked, encode_access
from schemas.alert import Cause, State, Transition
from schemas.city_change import CityChange
from schemas.city_version import CityVersion, encode_city
from schemas.command import Adopt, Done
from schemas.command import Outcome as OutcomeOfCommand
from schemas.contract_messages import MESSAGES, WEBHOOK, MessageKind
from schemas.delivery import DELIVERY_TYPE, Delivery, Outcome, encode_delivery
from schemas.event_profile import HTTP_PREFIX, LIMIT_BYTES, attributes_of, profile_faults
from schemas.health import HEALTH_SCHEMAS, Purged
from schemas.kept_body import KeptBody, kept_headers, redone_headers
from schemas.ledger import Intent, Released, encode_ledger
from schemas.letter import encode_letter, letter_headers, message_letter
from schemas.live import SCHEMAS, LiveTable
from schemas.log import JSON, TYPE_PREFIX, Clock, Headers, Kind, LogMessage, Topic, encode_log, event_headers
from schemas.note import Note, encode_note
from schemas.reading import Batch
from schemas.sighting import Disagreement, Role, Said, Sighting, SightingShown
from schemas.snapshot import SnapshotHead, encode_snapshot
from streams.core.effect import Effect, HealthRows, LiveContext, LiveRows
from streams.deliver.record import SOURCE as DELIVER
from streams.worker.effects import outgoing
from tests.conftest import ROOT
from tests.writer.seals import people_seal

Message = tuple[str, Headers, bytes]
"""Topic, headers, value."""

TRANSITION = Transition(
    alert_id="0123456789abcdef", seq=2, site="centrum", place="plein", rule="rood", severity="critical",
    measure="people", unit="persons", level_from=2, level_to=3, state_from=State.PENDING, state_to=State.FIRING,
    stale=False, window_start_us=0, window_end_us=60_000_000, people_low=400, people_high=404, percent_low=100.0,
    percent_high=101.0, coverage=1.0, profile="nl-evenement", city_version=1, cause=Cause.THRESHOLD, opened_at_us=0,
    at_us=60_000_000,
)
RELEASED = Released(
    batch_key="centrum/people/900/0/ab12cd34/0", partition=0, link=1, target="research.cell", window_start_us=0,
    window_end_us=900_000_000, zone_map="ab12cd34", metric="people", unit="person-seconds", mechanism="gaussian",
    sigma=5.0, sensitivity=1.0, rho=0.02, cells=3, sealed_at_us=1, released_at_us=2, policy_version="1",
    policy_hash="0" * 64, code_hash="0" * 64, previous_hash="0" * 64,
).sealed()


LETTER = message_letter("malformed", "mend it", "writer", ("alerts", 0, 1), 7, 99)
SOURCE = "urn:drukte:test"


def log_message(kind: Kind) -> Message:
    content: dict[Kind, dict[str, Any]] = {
        Kind.READINGS: {"batch": Batch.empty()}, Kind.COMMAND: {"command": Adopt(alerts=[TRANSITION])},
        Kind.CITY: {"change": CityChange(version=1, sha256="0" * 64, effective_at_us=0)},
        Kind.SIGHTING: {"sighting": Sighting(zone="plein", role=Role.STEWARD, at_us=1, percent=40)},
        Kind.CONTEXT: {"context": ()},
    }
    return Topic.SITE_LOG, *encode_log(LogMessage(kind, 1, Clock.WALL, 1, "cameras", "1", **content.get(kind, {})))


def sent(effect: Effect) -> Message:
    made = outgoing(effect, 0, 17, 0)
    return made.topic, made.headers, made.value


def city() -> Message:
    change = CityChange(version=1, sha256="0" * 64, effective_at_us=0)
    return Topic.CITY, *encode_city(CityVersion(change, b"", "", None))[1:]


def delivery() -> Message:
    made = Delivery(receiver="wall", site="centrum", alert_id="0123456789abcdef", seq=2, outcome=Outcome.DELIVERED,
                    attempts=1, first_try_at_us=0, done_at_us=1, http_status=200)
    headers = event_headers(DELIVERY_TYPE, DELIVER, "wall/0123456789abcdef/2", JSON, made.done_at_us)
    return Topic.DELIVERIES, headers, encode_delivery(made)


def live(table: LiveTable) -> Message:
    return sent(LiveRows(table, pa.RecordBatch.from_pylist([], schema=SCHEMAS[table])))


def messages() -> Iterator[Message]:
    """One of every kind that the services make, by the code that makes it."""
    yield from map(log_message, Kind)
    yield from map(live, LiveTable)
    yield sent(TRANSITION)
    yield sent(people_seal([1.0]))
    yield sent(LiveContext(()))
    for table, schema in HEALTH_SCHEMAS.items():
        yield sent(HealthRows(table, pa.RecordBatch.from_pylist([], schema=schema)))
    yield sent(Purged(sensor="camera", kind="zone", place=1, at_us=1))
    yield sent(SightingShown(
        site="centrum", zone="plein", at_us=1, role=Role.STEWARD, said=Said.COUNT, people_low=10, people_high=14,
        sensor_low=None, sensor_high=None, disagreement=Disagreement.NO_SENSOR, window_start_us=0, revision=0))
    yield city()
    yield Topic.SNAPSHOTS, *encode_snapshot(SOURCE, SnapshotHead(0, 1, 0, 1, 1, "0" * 64), b"state")
    yield delivery()
    yield Topic.DEAD_LETTERS, letter_headers(SOURCE, "alerts/0/1", LETTER), encode_letter(LETTER)
    yield Topic.LEDGER, *encode_ledger(SOURCE, Intent(batch_key="a/b", partition=0, at_us=1))
    yield Topic.LEDGER, *encode_ledger(SOURCE, RELEASED)
    yield Topic.DEAD_LETTER_BODIES, kept_headers(KeptBody("0" * 16, "cameras", b"[]", {})), b"[]"
    yield Topic.DEAD_LETTER_BODIES, redone_headers("0" * 16), b""
    yield sent(OutcomeOfCommand(
        command_id="c-1", command="acknowledge", done=Done.DONE, reason="", alert_id="0123456789abcdef", seq=2,
        site="centrum", role="operator", at_us=1))
    yield Topic.NOTES, *encode_note(Note(id="n-1", site="centrum", role="operator", at_us=1, text="Poort 3 is krap."))
    yield Topic.ACCESS, *encode_access(Access(id="0" * 32, at_us=1, who="operator", looked=Looked.TRACE, subject="cam"))


MADE = {(str(topic), dict(headers)["ce_type"].decode()): (headers, value) for topic, headers, value in messages()}
"""By topic and CloudEvents type."""
MAKERS = {
    "schemas/access.py", "schemas/log.py", "schemas/ledger.py", "schemas/kept_body.py", "schemas/city_version.py",
    "schemas/letter.py", "schemas/note.py", "schemas/seal.py", "schemas/snapshot.py", "streams/worker/effects.py",
    "streams/deliver/record.py",
}
"""Every module that makes headers: a new one belongs into `messages` too."""
ON_TOPICS = [one for one in MESSAGES if one.channel != WEBHOOK]


def test_every_module_that_makes_events_is_walked_here() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("schemas", "streams") for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "event_headers"
    }
    assert found == MAKERS


def test_the_contract_names_exactly_what_is_made() -> None:
    assert {(one.channel, TYPE_PREFIX + one.type) for one in ON_TOPICS} == set(MADE)
    assert {one.channel for one in ON_TOPICS} == set(Topic)


@pytest.mark.parametrize("one", ON_TOPICS, ids=lambda one: one.name)
def test_a_message_has_the_headers_of_its_contract(one: MessageKind) -> None:
    headers, _ = MADE[one.channel, TYPE_PREFIX + one.type]
    required = {"ce_specversion", "ce_id", "ce_source", "ce_type", "content-type"}
    time = {"ce_time"} if one.outbound else set()
    assert {name for name, _ in headers} == required | time | set(one.attributes)
    assert dict(headers)["content-type"].decode() == one.content_type


@pytest.mark.parametrize("one", [one for one in ON_TOPICS if one.outbound], ids=lambda one: one.name)
def test_an_outbound_event_follows_the_profile(one: MessageKind) -> None:
    headers, value = MADE[one.channel, TYPE_PREFIX + one.type]
    assert profile_faults(attributes_of(headers), value) == []
    assert msgspec.json.decode(value, type=one.payload) is not None


def test_everything_about_alerts_and_the_ledger_is_outbound() -> None:
    topics = {Topic.ALERTS, Topic.DELIVERIES, Topic.DEAD_LETTERS, Topic.LEDGER}
    assert {one.channel for one in ON_TOPICS if one.outbound} == topics


GOOD = attributes_of(MADE[Topic.ALERTS, "nl.drukte.alert.transition.v1"][0])


@pytest.mark.parametrize(("changes", "said"), [
    ({"id": ""}, "`id` is missing"),
    ({"time": ""}, "`time` is missing"),
    ({"specversion": "0.3"}, "`specversion`"),
    ({"source": "https://example.org/data/1"}, "`source` is no urn"),
    ({"source": "urn:x:y"}, "`source` is no urn"),
    ({"type": "Nl.Drukte.alert.v1"}, "reverse domain"),
    ({"type": "nl.drukte.alert.transition"}, "version number"),
    ({"type": "nl.drukte.v1.alert.v1"}, "version number"),
    ({"type": "nl.drukte.alert.v01"}, "version number"),
    ({"cityVersion": "1"}, "attribute name"),
    ({"averyveryverylongname": "1"}, "attribute name"),
    ({"mac": "1"}, "describes one person or device"),
    ({"time": "2026-03-01 12:00"}, "`time`"),
    ({"sequence": "7"}, "`sequence`"),
    ({"datacontenttype": "application/zstd"}, "not said to be JSON"),
])
def test_what_breaks_the_profile_is_named(changes: dict[str, str], said: str) -> None:
    assert profile_faults(GOOD, b"{}") == []
    faults = profile_faults(GOOD | changes, b"{}")
    assert len(faults) == 1
    assert said in faults[0]


@pytest.mark.parametrize("data", [b"", b"{", b"\xff"])
def test_data_have_to_be_json(data: bytes) -> None:
    assert profile_faults(GOOD, data) == ["data are no JSON"]


def test_an_event_is_at_most_64_kb_with_its_attributes() -> None:
    room = LIMIT_BYTES - sum(len(name) + len(value) for name, value in GOOD.items())
    fits = b'"' + b"x" * (room - 2) + b'"'
    assert profile_faults(GOOD, fits) == []
    assert "more than 65536" in profile_faults(GOOD, fits + b" ")[0]


def test_attributes_of_http_are_read_without_case_and_without_others() -> None:
    headers = [("CE-Id", b"1"), ("Content-Type", b"application/json"), ("Idempotency-Key", b"1"), ("ce-time", None)]
    assert attributes_of(headers, HTTP_PREFIX) == {"id": "1", "datacontenttype": "application/json"}
