# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from confluent_kafka import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.ids import IdKind
from schemas.letter import Letter
from schemas.log import Kind, LogMessage, Topic
from schemas.reading import Metric
from schemas.refusal import Reason
from streams.gateway import door
from tests.gateway.mock_broker import MockBroker, nowhere
from tests.gateway.publications import road_publication
from tests.gateway.running import BODY_LIMIT, road_city, running, settings_for

CITY = road_city()
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def shared_broker() -> MockBroker:
    return MockBroker()


@pytest.fixture(scope="module")
def client(shared_broker: MockBroker) -> Iterator[httpx.Client]:
    with running(settings_for(shared_broker.kafka)) as client:
        yield client


def _reading(**changes: object) -> dict[str, object]:
    at = _now().isoformat()
    return {"sensor": "cam-plein", "metric": "people", "from": at, "to": at, "value": 12, **changes}


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _unique() -> dt.datetime:
    """A time that no other reading of these tests has."""
    return _now() - dt.timedelta(seconds=next(_numbers))


_numbers = iter(range(1, 10_000))


def _values(broker: MockBroker, begin: dt.datetime) -> list[float]:
    begin_us = round(begin.timestamp() * 1_000_000)

    def found(messages: list[LogMessage]) -> list[float]:
        return [
            float(value) for one in messages if one.batch is not None
            for value, at in zip(one.batch.value, one.batch.begin, strict=True) if at == begin_us
        ]

    return found(broker.decoded(lambda messages: bool(found(messages))))


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert "Traceback" not in answer.text
    return document


def test_an_accepted_reading_is_in_the_log(client: httpx.Client, shared_broker: MockBroker) -> None:
    at = _unique()
    answer = client.post("/in/cameras", json=[
        _reading(**{"from": at.isoformat(), "to": at.isoformat()}), _reading(sensor="nobody"),
        _reading(value=-5),
    ])
    assert answer.status_code == 202
    document = answer.json()
    assert document["readings"] == 1
    assert {(one["reason"], one["count"]) for one in document["refused"]} == {
        (Reason.UNKNOWN_SENSOR, 1), (Reason.BAD_VALUE, 1)
    }
    assert all(one["where"] and one["detail"] for one in document["refused"])
    assert _values(shared_broker, at) == [12.0]


def test_a_message_stands_in_the_partition_of_its_site(
    client: httpx.Client, shared_broker: MockBroker
) -> None:
    assert client.post("/in/cameras", json=_reading()).status_code == 202
    number = CITY.ids[IdKind.SENSOR]["cam-plein"]
    partition = CITY.ids[IdKind.SITE]["centrum"] % 4
    found = shared_broker.read(Topic.SITE_LOG, lambda found: any(
        (one.value() or b"") and one.partition() == partition for one in found
    ))
    with_readings = {one.partition() for one in found if one.value()}
    assert with_readings <= {partition, CITY.ids[IdKind.SITE]["roads-16-91"] % 4}
    assert any(
        number in one.batch.sensor for one in shared_broker.decoded(bool) if one.batch is not None
    )


def test_lines_and_gzip_are_read(client: httpx.Client, shared_broker: MockBroker) -> None:
    at = _unique()
    lines = "\n".join(
        json.dumps(_reading(**{"from": at.isoformat(), "to": at.isoformat(), "value": value}))
        for value in (1, 2)
    )
    answer = client.post(
        "/in/cameras", content=gzip.compress(lines.encode()), headers={"Content-Encoding": "gzip"}
    )
    assert (answer.status_code, answer.json()["readings"]) == (202, 2)
    assert _values(shared_broker, at) == [1.0, 2.0]


def test_a_datex_source_reads_xml(client: httpx.Client, shared_broker: MockBroker) -> None:
    at = (_now() - dt.timedelta(minutes=5)).replace(second=0, microsecond=0)
    answer = client.post("/in/ndw", content=road_publication(at))
    assert answer.status_code == 202, answer.text
    assert answer.json() == {"readings": 1, "refused": []}
    assert _values(shared_broker, at) == [840.0]
    message = next(
        one for one in shared_broker.decoded(bool) if one.batch is not None and one.source == "ndw"
    )
    assert message.batch is not None
    assert message.batch.metric.tolist() == [Metric.VEHICLES]


def test_an_unknown_source_is_not_found(client: httpx.Client) -> None:
    assert "source" in _problem(client.post("/in/nobody", json=_reading()), 404)["detail"]


@pytest.mark.parametrize("path", ["/", "/in", "/in/cameras/more", "/in/cameras%2Fmore", "/schema"])
def test_other_paths_are_not_found(client: httpx.Client, path: str) -> None:
    _problem(client.post(path, json=_reading()), 404)


def test_other_methods_are_not_allowed(client: httpx.Client) -> None:
    answer = client.get("/in/cameras")
    _problem(answer, 405)
    assert "POST" in answer.headers["allow"]


def test_a_trailing_slash_changes_nothing(client: httpx.Client) -> None:
    assert client.post("/in/cameras/", json=_reading()).status_code == 202


def test_too_large_bodies_are_refused(client: httpx.Client) -> None:
    _problem(client.post("/in/cameras", content=b"[" + b" " * BODY_LIMIT), 413)
    chunks = (b" " * 1_000 for _ in range(BODY_LIMIT // 1_000 + 1))
    _problem(client.post("/in/cameras", content=chunks), 413)


def test_a_gzip_bomb_is_refused(client: httpx.Client) -> None:
    bomb = gzip.compress(b" " * 2_000_000)
    assert len(bomb) < BODY_LIMIT
    for source in ("cameras", "ndw"):
        answer = client.post(f"/in/{source}", content=bomb, headers={"Content-Encoding": "gzip"})
        assert _problem(answer, 413)["refused"][0]["reason"] == Reason.TOO_LARGE


@pytest.mark.parametrize(("source", "body"), [
    ("cameras", b""), ("cameras", b"{"), ("cameras", b"<xml/>"), ("cameras", gzip.compress(b"[]" * 99, mtime=0)[:-9]),
    ("ndw", b""), ("ndw", b"{}"), ("ndw", b"<a><b></a>"), ("ndw", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
])
def test_malformed_bodies_are_bad_requests(client: httpx.Client, source: str, body: bytes) -> None:
    document = _problem(client.post(f"/in/{source}", content=body), 400)
    assert document["readings"] == 0
    assert document["refused"][0]["reason"] in (Reason.MALFORMED, Reason.FORBIDDEN_XML)


def test_other_encodings_are_not_supported(client: httpx.Client) -> None:
    _problem(client.post("/in/cameras", content=b"x", headers={"Content-Encoding": "br"}), 415)


def test_a_body_of_which_nothing_is_accepted_is_unprocessable(client: httpx.Client) -> None:
    late = (_now() + dt.timedelta(hours=1)).isoformat()
    document = _problem(client.post("/in/cameras", json=[
        _reading(**{"from": late, "to": late}), _reading(metric="in"),
    ]), 422)
    assert document["readings"] == 0
    assert {one["reason"] for one in document["refused"]} == {Reason.IN_FUTURE, Reason.UNKNOWN_METRIC}


def test_an_empty_list_is_taken_in(client: httpx.Client) -> None:
    answer = client.post("/in/cameras", content=b"[]")
    assert (answer.status_code, answer.json()) == (202, {"readings": 0, "refused": []})


def test_refusals_become_dead_letters_without_payload(
    client: httpx.Client, shared_broker: MockBroker
) -> None:
    body = json.dumps([_reading(sensor="hidden-sensor-of-its-own-length", value=4711)]).encode()
    _problem(client.post("/in/cameras", content=body), 422)

    def of_this_body(found: list[Message]) -> list[Letter]:
        letters = [msgspec.json.decode(one.value() or b"", type=Letter) for one in found]
        return [one for one in letters if one.size == len(body)]

    found = shared_broker.read(Topic.DEAD_LETTERS, lambda found: bool(of_this_body(found)))
    letter, = of_this_body(found)
    assert (letter.reason, letter.count, letter.source) == (Reason.UNKNOWN_SENSOR, 1, "cameras")
    assert letter.where
    assert letter.detail
    assert all(b"4711" not in (one.value() or b"") for one in found)


def test_a_message_about_a_person_is_refused_whole_and_leaves_only_a_count(
    client: httpx.Client, shared_broker: MockBroker
) -> None:
    body = [_reading(), _reading(mac_address="02:00:5e:10:00:00")]
    before = client.get("/health").json()
    document = _problem(client.post("/in/cameras", json=body), 422)
    assert document["refused"][0]["reason"] == Reason.PERSON_LEVEL
    after = client.get("/health").json()
    assert after["person_level"]["cameras"]["macaddress"] == 1 + before["person_level"].get(
        "cameras", {}).get("macaddress", 0)
    assert after["readings"] == before["readings"]
    assert "02:00:5e" not in json.dumps([document, after])
    # A refusal that comes after it shows that the letters before it have been written.
    client.post("/in/counters", content=b"the end")
    letters = shared_broker.read(Topic.DEAD_LETTERS, lambda found: any(
        b"counters" in (one.value() or b"") for one in found
    ))
    assert all(b"02:00:5e" not in (one.value() or b"") for one in letters)
    assert all(b"person-level" not in (one.value() or b"") for one in letters)


def test_health_says_that_the_broker_is_there(client: httpx.Client) -> None:
    document = client.get("/health").json()
    assert document["status"] == "ok"
    assert document["ticks"] > 0


def test_silence_becomes_ticks(client: httpx.Client, shared_broker: MockBroker) -> None:
    assert client.get("/health").status_code == 200
    found = shared_broker.read(Topic.SITE_LOG, lambda found: len({one.partition() for one in found}) == 4)
    assert {one.partition() for one in found} == {0, 1, 2, 3}
    assert any(one.kind is Kind.TICK for one in shared_broker.decoded(bool))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(st.binary(max_size=300), st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["sensor", "metric", "from", "to", "value", "quality", "x"]), inner, max_size=6
        ),
    ).map(lambda document: json.dumps(document).encode())),
    source=st.sampled_from(["cameras", "ndw"]),
    encoding=st.sampled_from(["identity", "gzip"]),
)
def test_garbage_is_refused_and_never_breaks_the_gateway(
    client: httpx.Client, body: bytes, source: str, encoding: str
) -> None:
    answer = client.post(f"/in/{source}", content=body, headers={"Content-Encoding": encoding})
    assert answer.status_code in (202, 400, 422)
    if answer.status_code == 202:
        assert answer.json() == {"readings": 0, "refused": []}


def test_without_a_broker_senders_are_told_to_come_back() -> None:
    with running(settings_for(nowhere()), delivery_s=0.3, status=503) as client:
        assert client.get("/health").json()["status"] == "broker-away"
        answers: list[httpx.Response] = []
        threads = [
            threading.Thread(target=lambda: answers.append(client.post("/in/cameras", json=_reading())))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 5
        for answer in answers:
            assert "repeats are harmless" in _problem(answer, 503)["detail"]
            assert int(answer.headers["retry-after"]) > 0


def test_a_body_that_never_ends_is_given_up(
    shared_broker: MockBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "BODY_S", 0.1)
    wanted = settings_for(shared_broker.kafka)
    with running(wanted), socket.create_connection((wanted.gateway.host, wanted.gateway.port), 10) as sender:
        sender.sendall(b"POST /in/cameras HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[")
        assert sender.recv(100).startswith(b"HTTP/1.1 408 ")


def test_stopping_does_not_wait_for_a_body(shared_broker: MockBroker) -> None:
    wanted = settings_for(shared_broker.kafka)
    with running(wanted) as client:
        sender = socket.create_connection((wanted.gateway.host, wanted.gateway.port), 10)
        sender.sendall(b"POST /in/cameras HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[")
        assert client.get("/health").status_code == 200
    with sender:
        assert sender.recv(100).startswith(b"HTTP/1.1 503 ")


def test_too_many_bodies_at_once_are_put_off(
    shared_broker: MockBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "BODIES_BYTES", BODY_LIMIT)
    wanted = settings_for(shared_broker.kafka)
    with running(wanted) as client, socket.create_connection(
        (wanted.gateway.host, wanted.gateway.port), 10
    ) as sender:
        sender.sendall(
            f"POST /in/cameras HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_LIMIT}\r\n\r\n[".encode()
        )
        answer = client.post("/in/cameras", json=_reading())
        while answer.status_code == 202:  # the other one has not been seen yet
            answer = client.post("/in/cameras", json=_reading())
        _problem(answer, 503)
