# SPDX-License-Identifier: Apache-2.0
"""The watchdog within a running deliver: a silent engine, its return, a broker that is not there, a restart."""

import datetime as dt
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from schemas.alert import State
from schemas.city import City
from schemas.delivery import Delivery, Outcome
from schemas.ids import IdKind
from schemas.live import LiveTable
from schemas.log import Clock, Topic
from streams.clock import now_us, wall_us
from streams.core.layout import partition_of_site
from streams.deliver.cap_wording import CapWording
from streams.deliver.engine_wording import EngineWords
from streams.deliver.present import Told
from streams.deliver.watchdog import Watchdog
from streams.deliver.wording import Wording
from streams.deliver_settings import CapDocumentSettings
from streams.settings import (
    AlertmanagerSettings,
    ClockSettings,
    DeliverSettings,
    KafkaSettings,
    Settings,
    WatchdogSettings,
)
from tests.cities import small_city
from tests.deliver.receiver import Receiver
from tests.deliver.running import LIMIT_S, quick, running, webhook
from tests.deliver.samples import SECOND_US, START_US
from tests.gateway.mock_broker import MockBroker, nowhere
from tests.services.process import ServiceError, wait_until
from tests.writer.samples import live_message, zone_row

CITY = small_city()
PARTITION = partition_of_site(CITY.ids[IdKind.SITE]["centrum"], 4)
ZONES = CITY.ids[IdKind.ZONE]
SPEED = 60.0
"""A minute of the log in a second, so that a test need not wait for minutes."""


def fast_clock() -> ClockSettings:
    """A simulated clock that begins now."""
    return ClockSettings(kind=Clock.SIMULATED, speed=SPEED, start_us=wall_us(), wall_start_us=wall_us())


def watched(receiver: Receiver) -> DeliverSettings:
    return quick(webhooks=[webhook("desk", receiver.url)], watchdog=WatchdogSettings(silent_s=1))


class Engine:
    """Says minutes of both zones on `live` that have just closed."""

    def __init__(self, kafka: KafkaSettings, clock: ClockSettings) -> None:
        self._clock = clock
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 0, "log_level": 2})

    def say(self, plein: int) -> None:
        """The level of one of them; the other is calm."""
        start = dt.datetime.fromtimestamp(now_us(self._clock) / 1e6 - 60, dt.UTC)
        rows = [zone_row(ZONES[key], window_start=start, level=level)
                for key, level in {"plein": plein, "straat": 0}.items()]
        message = live_message(LiveTable.ZONE, *rows)
        self._producer.produce(
            Topic.LIVE.value, message.value, partition=PARTITION, headers=list(message.headers or ()))
        assert self._producer.flush(LIMIT_S) == 0


def events(receiver: Receiver) -> list[dict[str, Any]]:
    return [call.event for call in receiver.taken]


def wait_states(receiver: Receiver, *wanted: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Until the receiver was told exactly these states."""

    def told() -> bool:
        meanwhile()
        return [one["state_to"] for one in events(receiver)] == list(wanted)

    try:
        wait_until(told, LIMIT_S, f"the receiver was told {wanted}")
    except ServiceError as error:
        error.add_note(repr(events(receiver)))
        raise


def test_silence_the_return_and_what_changed(broker: MockBroker) -> None:
    clock = fast_clock()
    engine = Engine(broker.kafka, clock)
    engine.say(1)
    with Receiver() as receiver, running(broker.kafka, watched(receiver), clock):
        wait_states(receiver, "firing")
        wait_states(receiver, "firing", "recovering", "resolved", meanwhile=lambda: engine.say(3))
    silent, back, over = events(receiver)
    assert (silent["rule"], silent["site"], silent["severity"]) == ("engine-silent", "drukte", "critical")
    assert "rekent niet" in silent["summary"]
    assert "rekent weer" in back["summary"]
    assert over["changes"] == ["Plein: geel → rood"]
    assert [one["alert_id"] for one in (back, over)] == [silent["alert_id"]] * 2


def test_a_deliver_that_was_started_again_ends_what_it_had_told(broker: MockBroker) -> None:
    clock = fast_clock()
    engine = Engine(broker.kafka, clock)
    with Receiver() as receiver:
        with running(broker.kafka, watched(receiver), clock):
            wait_states(receiver, "firing")
        with running(broker.kafka, watched(receiver), clock):
            wait_states(receiver, "firing", "recovering", "resolved", meanwhile=lambda: engine.say(1))
        with running(broker.kafka, watched(receiver), clock):
            # It has ended: what follows is a new one.
            wait_states(receiver, "firing", "recovering", "resolved", "firing")
    assert {one["opened_at"] for one in events(receiver)[:3]} == {events(receiver)[0]["at"]}
    identities = [one["alert_id"] for one in events(receiver)]
    assert identities[:3] == identities[:1] * 3
    assert identities[3] != identities[0]


def settled(receiver: str, seq: int) -> Delivery:
    """A word of the watchdog that a receiver has taken."""
    at_us = START_US + seq * SECOND_US
    return Delivery(receiver=receiver, site="drukte", alert_id="e" * 16, seq=seq, outcome=Outcome.DELIVERED, attempts=1,
                    first_try_at_us=at_us, done_at_us=at_us, http_status=200)


@pytest.mark.parametrize(("recorded", "states"), [
    ([settled("desk", 3), settled("pager", 1)], [State.RESOLVED]),
    ([settled("desk", 3), settled("pager", 3)], []),
    ([settled("desk", 3), settled("gone", 1)], []),
    ([settled("desk", 1), settled("pager", 1)], [State.FIRING]),
])
def test_after_a_restart_each_receiver_hears_the_end_that_it_missed(
    recorded: list[Delivery], states: list[State]
) -> None:
    told: list[Told] = []
    clock = ClockSettings(kind=Clock.WALL)
    settings = Settings(city=Path("unused.toml"), kafka=nowhere(), clock=clock, deliver=quick())
    Watchdog(settings, CITY, EngineWords(CITY), told.append).resume(recorded, {"desk", "pager"})
    assert [(one.transition.alert_id, one.transition.state_to) for one in told] == [("e" * 16, one) for one in states]


@pytest.mark.parametrize("seqs", [[1], [1, 2], [1, 2, 3]])
def test_after_a_restart_words_have_the_times_at_which_they_were_told(seqs: list[int]) -> None:
    """A record may be of much later than its word: the receiver was away."""
    began_us = wall_us() - 3600 * SECOND_US
    at_us = {seq: began_us + seq * 60 * SECOND_US for seq in seqs}
    records = [msgspec.structs.replace(settled("desk", seq), at_us=at_us[seq]) for seq in seqs]
    records.append(msgspec.structs.replace(records[0], receiver="pager"))
    told: list[Told] = []
    settings = Settings(city=Path("unused.toml"), kafka=nowhere(), clock=ClockSettings(kind=Clock.WALL),
                        deliver=quick())
    Watchdog(settings, CITY, EngineWords(CITY), told.append).resume(records, {"desk", "pager"})
    [one] = [one.transition for one in told]
    assert (one.seq, one.at_us, one.opened_at_us) == (3 if 3 in seqs else 1, at_us.get(3, at_us[1]), at_us[1])
    document = CapWording(CITY, Wording(CITY), CapDocumentSettings(sender="drukte@example.org")).document(one, [])
    opening = [("drukte-" + "e" * 16 + "-1", at_us[1])]
    assert [(found.identifier, found.sent_us) for found in document.references] == (opening if 3 in seqs else [])


def test_alerts_of_a_site_with_the_watchdogs_own_key_are_none_of_its_own() -> None:
    sites = {**CITY.file.sites, "drukte": CITY.file.sites["centrum"]}
    city = City(file=msgspec.structs.replace(CITY.file, sites=sites), ids=CITY.ids, roads=CITY.roads, sha256="")
    told: list[Told] = []
    clock = ClockSettings(kind=Clock.WALL)
    settings = Settings(city=Path("unused.toml"), kafka=nowhere(), clock=clock, deliver=quick())
    Watchdog(settings, city, EngineWords(city), told.append).resume([settled("desk", 1)], {"desk"})
    assert told == []


def test_a_broker_that_was_never_there_is_silence_too() -> None:
    with Receiver() as receiver, running(nowhere(), watched(receiver), fast_clock()):
        wait_states(receiver, "firing")


def test_it_can_be_switched_off_and_the_heartbeat_on(broker: MockBroker) -> None:
    beats = threading.Event()

    def answer(number: int, _: bytes) -> int:
        if number >= 2:
            beats.set()
        return 200

    with Receiver(answer, signed=False) as alertmanager:
        deliver = quick(alertmanager=AlertmanagerSettings(url=alertmanager.url.removesuffix("/hook")), resend_s=0.1,
                        watchdog=WatchdogSettings(on=False, heartbeat=True))
        with running(broker.kafka, deliver, fast_clock()):
            assert beats.wait(LIMIT_S)
    for call in alertmanager.taken:
        [posted] = msgspec.json.decode(call.body)
        assert (posted["labels"]["alertname"], posted["labels"]["source"]) == ("DrukteHeartbeat", "drukte-watchdog")
        assert posted["endsAt"] > posted["startsAt"]
