# SPDX-License-Identifier: Apache-2.0
"""State and events over HTTP, from a real peer of Kafka's protocol."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from schemas.errors import FatalError
from schemas.live import LiveTable
from schemas.log import Clock, Topic
from streams.serve import hub, show, tail
from streams.serve.run import run_serve
from streams.settings import ClockSettings
from streams.writer.rows import Message
from tests.conftest import ROOT
from tests.gateway.mock_broker import MockBroker, nowhere
from tests.serve.running import LIMIT_S, page_city, running, send, settings_for, watching, zones
from tests.services.process import leashed, wait_until
from tests.writer.samples import alert_message, live_message, transition, zone_row


def test_the_state_holds_what_came_before_the_start(broker: MockBroker) -> None:
    send(
        broker, live_message(LiveTable.ZONE, zone_row(1, 0, 310, level=1)), alert_message(transition()),
        live_message(LiveTable.ZONE, zone_row(2, 0, 20), partition=3),
    )
    with running(settings_for(broker.kafka)) as client:
        answer = client.get("/v1/state")
    document = answer.json()
    assert document["stream"] == "ok"
    assert {key: zone["word"] for key, zone in zones(document).items()} == {"plein": "geel", "straat": "groen"}
    assert zones(document)["plein"]["people"]["text"] == "310–314"
    assert [alert["place"] for alert in document["alerts"]] == ["plein"]
    assert answer.headers["api-version"]


def test_it_reads_back_no_further_than_it_must(broker: MockBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tail.BACK, Topic.LIVE, 3)
    send(broker, *(live_message(LiveTable.ZONE, zone_row(1, minute, 10 + minute)) for minute in range(10)))
    with running(settings_for(broker.kafka)) as client:
        assert zones(client.get("/v1/state").json())["plein"]["people"]["low"] == 19
        assert client.get("/health").json()["messages"] == 3


def test_a_change_arrives_as_an_event_and_a_reconnect_begins_with_everything(broker: MockBroker) -> None:
    send(broker, live_message(LiveTable.ZONE, zone_row(1, 0, 10), zone_row(2, 0, 20)))
    with running(settings_for(broker.kafka)) as client:
        with watching(client) as events:
            first_id, kind, document = events.next("state", "change")
            assert kind == "state"
            assert set(zones(document)) == {"plein", "straat"}
            # The repeat says nothing; the new window does.
            send(broker, live_message(LiveTable.ZONE, zone_row(1, 0, 10)))
            send(broker, live_message(LiveTable.ZONE, zone_row(2, 1, 30)))
            change_id, kind, document = events.next("state", "change")
            assert kind == "change"
            assert {key: zone["people"]["low"] for key, zone in zones(document).items()} == {"straat": 30}
            send(broker, alert_message(transition()))
            _, kind, document = events.next("state", "change")
            assert (kind, [alert["rule"] for alert in document["alerts"]]) == ("change", ["oranje"])
        assert change_id != first_id
        with watching(client, {"Last-Event-ID": change_id}) as events:
            _, kind, document = events.next("state", "change")
        assert kind == "state"
        assert {key: zone["people"]["low"] for key, zone in zones(document).items()} == {"plein": 10, "straat": 30}
        assert len(document["alerts"]) == 1


def test_the_time_is_told_while_nothing_happens(broker: MockBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "PULSE_S", 0.1)
    with running(settings_for(broker.kafka)) as client, client.stream("GET", "/events") as response:
        lines = iter(response.iter_lines())
        assert any(line.startswith(":") for line in lines)
        assert next(lines).startswith("id: ")
        assert next(lines) == "event: clock"
        document = msgspec.json.decode(next(lines).removeprefix("data: "))
        assert (document["stream"], document["zones"], document["alerts"]) == ("ok", [], [])


def test_a_message_that_cannot_be_read_is_counted_and_the_flow_goes_on(broker: MockBroker) -> None:
    with running(settings_for(broker.kafka)) as client, watching(client) as events:
        events.next("state")
        broken = live_message(LiveTable.ZONE, zone_row(1))
        send(broker, Message(broken.topic, 0, 0, broken.headers, b"no Arrow"), broken)
        _, _, document = events.next("change")
        assert set(zones(document)) == {"plein"}
        assert client.get("/health").json()["refused"] == {"malformed": 1}


def test_a_broker_that_goes_away_is_told(broker: MockBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "SILENCE_S", 0.2)
    monkeypatch.setattr(tail, "PROBE_LIMIT_S", 0.5)
    send(broker, live_message(LiveTable.ZONE, zone_row(1, 0, 10)))
    with running(settings_for(broker.kafka)) as client, watching(client) as events:
        assert events.next("state")[2]["stream"] == "ok"
        broker.close()
        _, _, document = events.next("state")
        assert document["stream"] == "away"
        # What was known is still there.
        assert zones(document)["plein"]["people"]["low"] == 10
        assert client.get("/health").status_code == 503


def test_without_a_broker_the_page_is_there_and_says_so() -> None:
    with running(settings_for(nowhere()), status=503) as client:
        wait_until(lambda: client.get("/v1/state").json()["stream"] == "away", LIMIT_S, "the broker is missed")
        assert client.get("/").status_code == 200


def test_nothing_is_stored_at_the_reader_and_nothing_foreign_is_loaded(broker: MockBroker) -> None:
    with running(settings_for(broker.kafka)) as client:
        for path in ("/", "/page.js", "/page.css", "/v1/state", "/health", "/nowhere"):
            answer = client.get(path)
            assert "set-cookie" not in answer.headers
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-type"].count("charset") <= 1
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"
        assert client.get("/nowhere").json()["status"] == 404
        assert client.post("/v1/state").status_code == 405
        assert "://" not in client.get("/").text
        assert "://" not in client.get("/page.css").text


def test_a_watcher_that_does_not_read_is_let_go(broker: MockBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "QUEUE_EVENTS", 4)
    monkeypatch.setattr(show, "PULSE_S", 0.0)
    # Every event carries so much that the buffers between the two are soon full.
    monkeypatch.setattr(show.Show, "_event", lambda *_: b"event: clock\ndata: " + b"x" * 500_000 + b"\n\n")
    settings = settings_for(broker.kafka)
    with running(settings) as client, socket.create_connection((settings.serve.host, settings.serve.port)) as idle:
        idle.sendall(b"GET /events HTTP/1.1\r\nHost: page\r\n\r\n")
        wait_until(lambda: client.get("/health").json()["let_go"] == 1, LIMIT_S, "the idle watcher is let go")
        assert client.get("/health").json()["watchers"] == 0


def test_more_watchers_than_there_is_room_for_are_told_to_come_back(
    broker: MockBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "WATCHERS", 1)
    with running(settings_for(broker.kafka)) as client, watching(client) as events:
        events.next("state")
        refused = client.get("/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")


def test_a_watcher_that_leaves_is_forgotten(broker: MockBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "PULSE_S", 0.1)
    with running(settings_for(broker.kafka)) as client:
        with watching(client) as events:
            events.next("state")
            assert client.get("/health").json()["watchers"] == 1
        wait_until(lambda: client.get("/health").json()["watchers"] == 0, LIMIT_S, "the watcher is forgotten")


def test_a_taken_address_and_a_clock_of_the_data_are_fatal() -> None:
    settings = settings_for(nowhere())
    with (
        socket.create_server((settings.serve.host, settings.serve.port)),
        pytest.raises(FatalError, match=r"serve\.port"),
    ):
        run_serve(settings, page_city(), threading.Event())
    with pytest.raises(FatalError, match="replay"):
        run_serve(msgspec.structs.replace(settings, clock=ClockSettings(kind=Clock.DATA)), page_city())


def test_a_signal_ends_the_process_cleanly_also_without_a_broker(tmp_path: Path) -> None:
    settings = settings_for(nowhere())
    city = ROOT / "infra" / "cities" / "den-haag" / "den-haag.toml"
    (tmp_path / "drukte.toml").write_text(
        f'city = "{city}"\n[kafka]\nbootstrap = "{settings.kafka.bootstrap}"\n[serve]\nport = {settings.serve.port}\n'
    )
    command = leashed([sys.executable, "-m", "streams.cli", "serve", "--settings", tmp_path / "drukte.toml"])
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            wait_until(lambda: _listens(settings.serve.port) or process.poll() is not None, LIMIT_S, "it listens")
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert f"http://127.0.0.1:{settings.serve.port}/" in said
    assert "serve stopped" in said
    assert "Traceback" not in said


def test_a_dead_database_cannot_darken_the_page_since_it_knows_none() -> None:
    asked = "import streams.serve.run, sys; print(sorted({'psycopg', 'streams.storage'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
