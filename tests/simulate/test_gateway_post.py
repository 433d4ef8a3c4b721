# SPDX-License-Identifier: Apache-2.0
"""Posts are what the door takes; they wait as long as they are asked to, and not for ever."""

import json
from collections.abc import Iterator
from email.utils import formatdate
from itertools import pairwise

import msgspec
import pytest

from schemas.errors import FatalError, TransientError
from schemas.log import Clock, LogMessage
from schemas.reading import Metric
from streams.clock import wall_us
from streams.settings import ClockSettings
from streams.simulate import gateway_post
from streams.simulate.gateway_post import FIRST_WAIT_S, GatewayPost
from streams.simulate.run import play
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import address, road_city, running, settings_for
from tests.services.process import free_port
from tests.simulate.door import Answer, Door, door
from tests.simulate.playing import START_US, UNPACED, Kept, an_event, kept_of

__all__ = ["door"]


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def post(door: Door, waits: list[float]) -> Iterator[GatewayPost]:
    sender = GatewayPost(door.address, 120.0, waits.append)
    yield sender
    sender.close()


def some(count: int = 3) -> Kept:
    kept = kept_of(an_event(length_s=60))
    kept.readings = (kept.readings * (count // len(kept.readings) + 1))[:count]
    return kept


def test_a_real_gateway_takes_every_reading(broker: MockBroker) -> None:
    length_s = 120
    now_us = START_US + length_s * 1_000_000
    clock = ClockSettings(kind=Clock.SIMULATED, start_us=now_us, wall_start_us=wall_us())
    settings = msgspec.structs.replace(settings_for(broker.kafka), clock=clock)
    playing = an_event(length_s=length_s, city=road_city())
    with running(settings):
        sender = GatewayPost(address(settings))
        played = play(playing, [sender], None, UNPACED)
        sender.close()
    sent = sum(played.readings.values())
    assert sender.taken == sent > 0
    assert sender.refused == {}
    # One post per source and step: two cameras every 10 s, the counters once a minute.
    assert sender.posts == length_s // 10 + length_s // 60

    def arrived(found: list[LogMessage]) -> int:
        return sum(len(message.batch) for message in found if message.batch is not None)

    log = broker.decoded(lambda found: arrived(found) >= sent)
    assert arrived(log) == sent
    people = sum(
        float(message.batch.value[message.batch.metric == Metric.PEOPLE].sum())
        for message in log if message.batch is not None
    )
    assert people == sum(
        reading.value for reading in kept_of(playing).readings if reading.metric == "people"
    )


def test_the_same_body_is_sent_again_after_the_asked_time(
    door: Door, post: GatewayPost, waits: list[float]
) -> None:
    door.answers = [Answer(503, {"Retry-After": "7"}), Answer(503, {"Retry-After": "40"})]
    post.send("cameras", some().readings)
    assert waits == [7.0, 40.0]
    assert [path for path, _ in door.posts] == ["/in/cameras"] * 3
    assert len({body for _, body in door.posts}) == 1
    assert (post.posts, post.repeats, post.taken) == (1, 2, 3)


def test_a_date_may_stand_instead_of_seconds(door: Door, post: GatewayPost, waits: list[float]) -> None:
    door.answers = [
        Answer(503, {"Retry-After": formatdate(0, usegmt=True)}), Answer(503, {"Retry-After": "soon"}),
    ]
    post.send("cameras", some().readings)
    assert waits == [0.0, 2 * FIRST_WAIT_S]


def test_without_a_wish_it_waits_longer_each_time(door: Door, post: GatewayPost, waits: list[float]) -> None:
    door.answers = [Answer(503)] * 4
    post.send("cameras", some().readings)
    assert waits[0] == FIRST_WAIT_S
    assert all(later == 2 * earlier for earlier, later in pairwise(waits))


def test_in_the_end_it_gives_up(door: Door, post: GatewayPost, waits: list[float]) -> None:
    door.answers = [Answer(503, {"Retry-After": "50"})] * 10
    with pytest.raises(TransientError, match="cameras for 120 s"):
        post.send("cameras", some().readings)
    assert waits == [50.0, 50.0]


def test_a_gateway_that_is_not_there_is_waited_for_and_then_named(waits: list[float]) -> None:
    where = f"http://127.0.0.1:{free_port()}"
    post = GatewayPost(where, 3.0, waits.append)
    with pytest.raises(TransientError, match=where):
        post.send("cameras", some().readings)
    post.close()
    assert len(waits) > 1


def test_refusals_are_counted_by_reason(door: Door, post: GatewayPost) -> None:
    refused = {"readings": 1, "refused": [{"reason": "too-old", "where": "x", "detail": "", "count": 4}]}
    door.answers = [Answer(202, body=json.dumps(refused).encode())]
    post.send("cameras", some().readings)
    assert post.taken == 1
    assert post.refused == {"too-old": 4}


@pytest.mark.parametrize("answer", [Answer(404), Answer(500), Answer(202, body=b"<html>")])
def test_an_answer_that_no_gateway_gives_ends_it(door: Door, post: GatewayPost, answer: Answer) -> None:
    door.answers = [answer]
    with pytest.raises(FatalError, match="cameras"):
        post.send("cameras", some().readings)


@pytest.mark.parametrize("where", ["127.0.0.1:8480", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_refused(where: str, waits: list[float]) -> None:
    post = GatewayPost(where, 3.0, waits.append)
    with pytest.raises(FatalError, match="http://host:port"):
        post.send("cameras", some().readings)
    post.close()
    assert waits == []


def test_very_many_readings_go_in_several_posts(
    door: Door, post: GatewayPost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_post, "READINGS_OF_POST", 400)
    post.send("cameras", some(1000).readings)
    assert [len(json.loads(body)) for _, body in door.posts] == [400, 400, 200]


def test_publications_go_to_the_source_of_the_roads(door: Door, post: GatewayPost) -> None:
    post.publish(START_US, b"<x/>")
    assert door.posts == [("/in/ndw", b"<x/>")]


def test_what_is_tried_where_and_until_when_is_told_once(waits: list[float]) -> None:
    where, told = f"http://127.0.0.1:{free_port()}", list[str]()
    post = GatewayPost(where, 3.0, waits.append, told.append)
    with pytest.raises(TransientError, match=where):
        post.send("cameras", some().readings)
    post.close()
    [line] = told
    assert line.startswith(f"the gateway at {where} does not take readings of cameras (ConnectError); trying again unt")
    assert line.endswith(" (3 s)")
