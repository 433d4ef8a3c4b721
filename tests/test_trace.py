# SPDX-License-Identifier: Apache-2.0
"""`drukte trace`: what operations may see of one sensor, from a broker in memory."""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from schemas.city import City, OutOfService, SensorStatus
from schemas.city_timeline import Timeline
from schemas.errors import FatalError, TransientError
from schemas.health import HEALTH_SCHEMA, PURGED_TYPE, HealthTable, Purged, SensorState, encode_purged
from schemas.ids import IdKind
from schemas.letter import Letter, encode_letter, letter_headers, message_letter
from schemas.live import LiveTable, Status, encode_rows
from schemas.log import ARROW, JSON, Topic, event_headers
from schemas.refusal import Reason
from streams.cli import app
from streams.clock import wall_us
from streams.settings import KafkaSettings, Settings
from streams.trace import follow
from streams.trace.events import Event
from streams.trace.following import Following
from streams.trace.subject import Head, Subject, find_subject
from streams.writer.rows import Message
from tests.cities import small_city, small_roads
from tests.gateway.mock_broker import MockBroker, nowhere
from tests.real.kafka_service import MakeTopics
from tests.serve.running import send
from tests.services.process import wait_until
from tests.writer.samples import MINUTE, NOON, gate_row, live_headers, live_message, road_row, zone_row

LIMIT_S = 30.0
PARTITIONS = 4
NOON_US = round(NOON.timestamp()) * 1_000_000
MINUTE_US = 60_000_000
CITY = small_city(small_roads())
ROAD = "RWS01_MONIBAS_0120vwg0001ra/lane1"


def subject(key: str = "cam-plein", city: City = CITY, now_us: int = NOON_US) -> Subject:
    return find_subject(Timeline.of(city), now_us, key, PARTITIONS)


def changed(key: str, **changes: Any) -> City:
    sensors = dict(CITY.file.sensors)
    sensors[key] = msgspec.structs.replace(sensors[key], **changes)
    return small_city(small_roads(), sensors=sensors)


def letter(**changes: Any) -> Letter:
    known = Letter(reason=Reason.BAD_VALUE, where="cam-plein", detail="look at the sensor", count=3, source="cameras",
                   size=100, at_us=NOON_US)
    return msgspec.structs.replace(known, **changes)


def letter_message(one: Letter) -> Message:
    return Message(Topic.DEAD_LETTERS, 0, 0, letter_headers("urn:drukte:gateway", "1", one), encode_letter(one))


def health_message(state: SensorState, at: datetime = NOON, sensor: str = "cam-plein", partition: int = 1) -> Message:
    rows = pa.RecordBatch.from_pylist(
        [{"sensor": CITY.ids[IdKind.SENSOR][sensor], "at": at, "state": state, "since": at}], schema=HEALTH_SCHEMA)
    headers = event_headers(f"live.{HealthTable.HEALTH}.v1", "urn:drukte:worker", "1", ARROW)
    return Message(Topic.LIVE, partition, 0, headers, encode_rows(rows))


def told(key: str, *messages: Message, city: City = CITY, now_us: int = NOON_US + 2 * MINUTE_US) -> list[Event]:
    """What is told of messages of the past, an hour back."""
    following = Following(subject(key, city, now_us), now_us - 60 * MINUTE_US)
    for message in messages:
        assert following.take(message, NOON_US + 65_000_000) == []
    return following.caught_up(now_us)


def rows(events: Sequence[Event]) -> list[Event]:
    return [one for one in events if one.kind == "row"]


def why(events: Sequence[Event]) -> str:
    return " | ".join(one.says for one in events if one.kind == "why")


def test_the_head_says_what_the_city_file_says() -> None:
    head = subject().head
    assert (head.place_kind, head.place, head.site, head.source) == ("zone", "plein", "centrum", "cameras")
    assert (head.start, head.end, head.status, head.window_s) == ("2026-01-01", "2027-12-31", "active", 60)
    assert [(one.metric, one.interval_s, one.allowed_delay_s, one.counts) for one in head.measures] == [
        ("people", 10, 10, True)]
    assert "else 10 s after its end (slowest: cam-plein)" in head.waits_for
    road = subject(ROAD).head
    assert (road.place_kind, road.place, road.supplier) == ("road", "RWS01_MONIBAS_0120vwg0001ra (anyVehicle)", "NDW")
    assert "all that 2 sensors should report" in road.waits_for


@pytest.mark.parametrize(("key", "near"), [
    ("cam-plain", "did you mean cam-plein"), ("CAM-STRAAT-9", "did you mean cam-straat"),
    ("x", r"under \[sensors\]"),
])
def test_a_wrong_key_names_the_nearest(key: str, near: str) -> None:
    with pytest.raises(FatalError, match=near):
        subject(key)


def test_a_vendors_name_leads_to_the_key() -> None:
    with pytest.raises(FatalError, match="did you mean cam-plein"):
        subject("00-4711", changed("cam-plein", vendor_id="00-4711"))


def test_rows_of_its_place_are_told_once_and_in_order() -> None:
    events = told(
        "cam-plein", live_message(LiveTable.ZONE, zone_row(1, 1, 20), zone_row(2, 1, 95), partition=1),
        live_message(LiveTable.ZONE, zone_row(1, 0, 15), partition=1),
        live_message(LiveTable.ZONE, zone_row(1, 1, 25), partition=1),  # a repeat by a restarted worker
        live_message(LiveTable.ZONE, zone_row(1, 2, 80), partition=2),  # not where its site is
    )
    assert [(one.at_us, one.values["people_low"], one.values["people_high"]) for one in rows(events)] == [
        (NOON_US + MINUTE_US, 15, 19), (NOON_US + 2 * MINUTE_US, 20, 24)]
    assert "people 15–19" in events[0].says
    assert events[0].after_s == 5.0
    assert why(events) == ""


def test_a_gate_and_a_road_have_rows_of_their_own() -> None:
    shown = rows(told("teller-plein-straat", live_message(LiveTable.GATE, gate_row(1), gate_row(2), partition=1)))
    assert ["withheld" in one.says for one in shown] == [True]
    number = subject(ROAD).place_number
    partition = subject(ROAD).partition
    shown = rows(told(ROAD, live_message(
        LiveTable.ROAD, road_row(number), road_row(number, vehicle_class="car"), road_row(number, revision=1,
                                                                                          vehicles=13.0),
        partition=partition)))
    assert [one.values["vehicles"] for one in shown] == [12.0, 13.0]
    assert "88 km/h" in shown[0].says


@pytest.mark.parametrize(("changes", "of"), [
    ({}, "sensor"), ({"where": "sensor number 1"}, "sensor"), ({"where": "message 3 cam-plein"}, "sensor"),
    ({"where": "the whole body", "reason": Reason.MALFORMED}, "source"),
    ({"where": "cam-straat"}, None), ({"where": "cam-straat", "reason": Reason.UNKNOWN_METRIC}, None),
    ({"where": "the whole body", "reason": Reason.MALFORMED, "source": "counters"}, None),
    ({"source": "counters", "reason": Reason.WRONG_SOURCE}, "sensor"),
    ({"at_us": NOON_US - 90 * MINUTE_US}, None),
])
def test_letters_that_are_about_the_sensor(changes: dict[str, Any], of: str | None) -> None:
    found = [one for one in told("cam-plein", letter_message(letter(**changes))) if one.kind == "refused"]
    assert [one.values["of"] for one in found] == ([] if of is None else [of])
    assert [one.values["count"] for one in found] == [3] * len(found)


@pytest.mark.parametrize(("partition", "shown"), [(1, 1), (2, 0)])
def test_what_its_partition_of_the_log_could_not_fold_is_told(partition: int, shown: int) -> None:
    one = message_letter(Reason.CITY_VERSION, "skipped", "worker", (Topic.SITE_LOG, partition, 7), 10, 1)
    found = [event for event in told("cam-plein", letter_message(one)) if event.kind == "refused"]
    assert len(found) == shown
    assert all("city-version" in event.says for event in found)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30)), min_size=1, max_size=20))
def test_refusals_of_a_sensor_that_tells_every_passage_are_bands_of_whole_minutes(
        sent: list[tuple[int, int]]) -> None:
    measures = {name: msgspec.structs.replace(one, on_event=True, heartbeat_s=60.0)
                for name, one in CITY.file.sensors["teller-straat-uit"].measures.items()}
    following = Following(subject("teller-straat-uit", changed("teller-straat-uit", measures=measures)), NOON_US)
    following.caught_up(NOON_US)
    for minute, count in sent:
        one = letter(where="teller-straat-uit", source="counters", count=count, at_us=NOON_US + minute * MINUTE_US + 1)
        assert following.take(letter_message(one), NOON_US) == []
    last = max(minute for minute, _ in sent)
    early = following.tick(NOON_US + (last + 1) * MINUTE_US)
    assert not any(one.at_us > NOON_US + last * MINUTE_US for one in early if one.kind == "refused")
    found = [one for one in early + following.tick(NOON_US + (last + 2) * MINUTE_US) if one.kind == "refused"]
    totals = {minute: sum(count for at, count in sent if at == minute) for minute, _ in sent}
    assert len(found) == len(totals)
    for event, (_, total) in zip(found, sorted(totals.items()), strict=True):
        assert event.values["low"] <= total <= event.values["high"]
        assert event.values["high"] - event.values["low"] >= 4
        assert "count" not in event.values


@pytest.mark.parametrize(("city", "said"), [
    (changed("cam-plein", status=SensorStatus.TRIAL), "on trial"),
    (changed("cam-plein", end=NOON.date() - timedelta(days=1)), "ended on 2026-05-31"),
    (changed("cam-plein", start=NOON.date() + timedelta(days=1)), "begin on 2026-06-02"),
    (changed("cam-plein", out_of_service=[OutOfService(from_=NOON - MINUTE, reason="mast is down")]),
     "out of service until further notice"),
])
def test_why_nothing_comes_by_the_city_file(city: City, said: str) -> None:
    assert said in why(told("cam-plein", city=city))


@pytest.mark.parametrize(("messages", "said"), [
    ([], "nor of any other in partition 1"),
    ([live_message(LiveTable.ZONE, zone_row(2), partition=1)], "though others of partition 1 come"),
    ([live_message(LiveTable.ZONE, zone_row(1, 0, None), partition=1)], "has no value"),
    ([live_message(LiveTable.ZONE, zone_row(1, 0, None), partition=1)], "look at the sender"),
    ([live_message(LiveTable.ZONE, zone_row(1), partition=1), health_message(SensorState.SILENT)], "does so no more"),
    ([live_message(LiveTable.ZONE, zone_row(1, 0, None), partition=1), letter_message(letter())],
     "something of it was refused lately: bad-value"),
])
def test_why_nothing_comes_by_the_topics(messages: list[Message], said: str) -> None:
    assert said in why(told("cam-plein", *messages))


def test_a_sensor_of_another_version_is_told_so() -> None:
    later = changed("cam-plein")
    sensors = {key: one for key, one in CITY.file.sensors.items() if key != "cam-straat"}
    now = msgspec.structs.replace(later.file, sensors=sensors, version=2)
    timeline = Timeline((0, NOON_US), (CITY, City(now, later.ids, later.roads, later.sha256)))
    found = find_subject(timeline, NOON_US + 1, "cam-straat", PARTITIONS)
    assert (found.head.city_version, found.head.version_in_force) == (1, 2)
    following = Following(found, NOON_US)
    assert "has no such sensor" in why(following.caught_up(NOON_US + 1))


def test_reasons_are_told_when_they_change() -> None:
    following = Following(subject(), NOON_US)
    assert len(following.caught_up(NOON_US)) == 1
    assert following.tick(NOON_US + 1) == []
    assert len(following.take(live_message(LiveTable.ZONE, zone_row(1), partition=1), NOON_US + MINUTE_US)) == 1
    assert [one.kind for one in following.tick(NOON_US + MINUTE_US)] == ["well"]
    assert [one.kind for one in following.take(health_message(SensorState.STUCK), NOON_US)] == ["health"]
    assert "left out" in why(following.tick(NOON_US + MINUTE_US))


def test_what_a_purge_took_away_is_not_told() -> None:
    purged = encode_purged(Purged(sensor="cam-plein", kind="zone", place=1, at_us=NOON_US + MINUTE_US))
    message = Message(Topic.LIVE, 1, 0, event_headers(PURGED_TYPE, "urn:drukte:worker", "1", JSON), purged)
    before = live_message(LiveTable.ZONE, zone_row(1, 0), partition=1)
    after = live_message(LiveTable.ZONE, zone_row(1, 1), partition=1)
    events = told("cam-plein", before, after, message, before)
    assert [one.at_us for one in rows(events)] == [NOON_US + 2 * MINUTE_US]
    assert "it was purged" in why(events)


@given(st.binary(max_size=64), st.sampled_from(list(LiveTable)))
def test_what_cannot_be_read_is_said_without_its_content(value: bytes, table: LiveTable) -> None:
    message = Message(Topic.LIVE, 1, 5, live_headers(table), value)
    for one in told("cam-plein", message):
        assert one.kind in ("unreadable", "why")
        assert one.kind == "why" or "live[1]@5" in one.says


# The command, on a broker.

def present_row(**changes: Any) -> Message:
    """A row of the minute that has just ended on this machine's clock."""
    start = datetime.now(UTC).replace(second=0, microsecond=0) - MINUTE
    return live_message(LiveTable.ZONE, zone_row(1, 0, 35, window_start=start, **changes), partition=1)


def run(broker: MockBroker, folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.setattr("streams.city_files.load_city", lambda _: CITY)
    settings = folder / "drukte.toml"
    settings.write_text(
        f'city = "city.toml"\n[kafka]\nbootstrap = "{broker.kafka.bootstrap}"\npartitions = 4\nmock = true\n')
    return CliRunner().invoke(app, ["trace", *words, "--settings", str(settings)])


def test_the_command_shows_head_and_past_and_notes_the_access(
        broker: MockBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    send(broker, present_row(), letter_message(letter(at_us=wall_us())))
    ended = run(broker, tmp_path, monkeypatch, "cam-plein", "--for", "0", "--json", "--role", "operator")
    assert ended.exit_code == 0, ended.output
    head, *events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (head["kind"], head["sensor"]) == ("sensor", "cam-plein")
    assert [(one["kind"], one["values"].get("people_low")) for one in events] == [("row", 35), ("refused", None)]
    assert "who=operator" in ended.stderr
    assert "sensor=cam-plein" in ended.stderr

    text = run(broker, tmp_path, monkeypatch, "cam-plein", "--for", "0")
    assert "people 35–39" in text.stdout
    assert "allowed delay 10 s" in text.stdout
    assert "bad-value: 3 at cam-plein" in text.stdout


def test_each_use_is_one_access(broker: MockBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as logged:
        assert run(broker, tmp_path, monkeypatch, "cam-plein", "--for", "0").exit_code == 0
        assert run(broker, tmp_path, monkeypatch, "no-such-one", "--for", "0").exit_code == 1
    assert [(one["event"], one["sensor"]) for one in logged if one["event"] == "access"] == [("access", "cam-plein")]


@pytest.mark.parametrize("words", [("--since", "soon"), ("--since", "73h"), ("--role", "Jan Jansen")])
def test_what_makes_no_sense_is_refused(
        broker: MockBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]) -> None:
    assert run(broker, tmp_path, monkeypatch, "cam-plein", "--for", "0", *words).exit_code == 2


def test_rows_are_told_as_they_come(broker: MockBroker) -> None:
    shown: list[Head | Event] = []
    stop = threading.Event()
    settings = Settings(city=Path("unused.toml"), kafka=broker.kafka)
    wish = follow.Wish("cam-plein", 600_000_000)
    thread = threading.Thread(target=follow.trace, args=(settings, CITY, wish, lambda _: None, shown.append, stop))
    thread.start()
    try:
        wait_until(lambda: any(isinstance(one, Event) and one.kind == "why" for one in shown), LIMIT_S, "nothing comes")
        send(broker, present_row(status=Status.PARTIAL, coverage=0.5))
        wait_until(lambda: any(isinstance(one, Event) and one.kind == "well" for one in shown), LIMIT_S, "a row came")
    finally:
        stop.set()
        thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert [one.kind for one in shown if isinstance(one, Event)] == ["why", "row", "well"]
    assert isinstance(shown[0], Head)


def test_a_broker_that_is_away_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "ANSWER_LIMIT_S", 0.5)
    settings = Settings(city=Path("unused.toml"), kafka=nowhere())
    with pytest.raises(TransientError, match="is the broker running"):
        follow.trace(settings, CITY, follow.Wish("cam-plein", 0), lambda _: None, lambda _: None, threading.Event())


@pytest.mark.real
def test_a_real_broker_is_read_from_the_time_on(kafka_bootstrap: str, make_topics: MakeTopics) -> None:
    make_topics(Topic.LIVE.value, Topic.DEAD_LETTERS.value, Topic.CITY.value, partitions=PARTITIONS)
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    now_ms = wall_us() // 1000
    # What was said three hours ago is not even looked at; else its state would show.
    sent = [(health_message(SensorState.STUCK), now_ms - 3 * 3_600_000), (present_row(), now_ms - 60_000)]
    for one, stamp_ms in sent:
        producer.produce(one.topic, one.value, partition=one.partition, headers=list(one.headers or ()),
                         timestamp=stamp_ms)
    assert producer.flush(LIMIT_S) == 0
    settings = Settings(city=Path("unused.toml"), kafka=KafkaSettings(bootstrap=kafka_bootstrap, partitions=PARTITIONS))
    shown: list[Head | Event] = []
    follow.trace(settings, CITY, follow.Wish("cam-plein", 600_000_000, 0), lambda _: None, shown.append,
                 threading.Event())
    assert [one.kind for one in shown if isinstance(one, Event)] == ["row"]
