# SPDX-License-Identifier: Apache-2.0
"""When a cold start hands over open alerts, and which; the topics are real ones, in memory."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import State, Transition, encode_transition
from schemas.command import Adopt
from schemas.errors import TransientError
from schemas.ids import IdKind
from schemas.log import Clock, Kind, LogMessage, Topic, encode_log
from streams.core.alerting import FIRST_OPEN
from streams.core.layout import partition_of_site
from streams.settings import ClockSettings, KafkaSettings, Settings
from streams.topics import MOCK_PARTITIONS
from streams.worker import adoption
from streams.worker.adoption import Adopter, open_alerts
from streams.worker.extent import Extent
from tests.cities import small_city
from tests.gateway.mock_broker import MockBroker, log_message, nowhere
from tests.writer.samples import NOON, alert_headers, transition

CITY = small_city()
NUMBER = partition_of_site(CITY.ids[IdKind.SITE]["centrum"], MOCK_PARTITIONS)
NOON_US = round(NOON.timestamp()) * 1_000_000
CLOCK = ClockSettings(kind=Clock.SIMULATED, start_us=NOON_US, wall_start_us=0)


def adopter(kafka: KafkaSettings) -> Adopter:
    return Adopter(Settings(city=Path("unused.toml"), kafka=kafka, clock=CLOCK), CITY)


def tell(broker: MockBroker, *found: Transition) -> None:
    for one in found:
        broker.producer.produce(Topic.ALERTS.value, encode_transition(one), one.site.encode(),
                                headers=list(alert_headers()))
    broker.producer.produce(Topic.ALERTS.value, b"poison", headers=list(alert_headers()))
    broker.producer.flush(5)


def write_log(broker: MockBroker, *at_us: int) -> Extent:
    broker.producer.produce(Topic.SITE_LOG.value, b"poison", partition=NUMBER)
    for one in at_us:
        headers, value = encode_log(LogMessage(Kind.TICK, one, Clock.SIMULATED, 1, "gateway", "x/1"))
        broker.producer.produce(Topic.SITE_LOG.value, value, partition=NUMBER, headers=list(headers))
    broker.producer.flush(5)
    return Extent(0, len(at_us) + 1)


def handed(broker: MockBroker, offset: int) -> LogMessage:
    [command] = [one for one in broker.read(Topic.SITE_LOG, lambda found: any(m.offset() == offset for m in found))
                 if one.offset() == offset and one.partition() == NUMBER]
    return log_message(command)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6), st.sampled_from([*State][2:]))))
def test_open_is_what_its_last_transition_leaves_open(told: list[tuple[str, int, State]]) -> None:
    unique = {(alert, seq): transition(alert, seq, state_to=state) for alert, seq, state in told}
    found = open_alerts(list(unique.values()))
    for alert in "abc":
        last = max((one for (key, _), one in unique.items() if key == alert), key=lambda one: one.seq, default=None)
        assert (last in found) == (last is not None and last.state_to in FIRST_OPEN)


def test_alerts_from_before_the_log_are_handed_over_at_the_age_of_its_newest_message(broker: MockBroker) -> None:
    closed = transition("closed", 2, state_to=State.RESOLVED)
    tell(broker, transition("open", 1), transition("closed", 1), transition("open", 2, level_to=3), closed,
         transition("elsewhere", 1, site="nergens"))
    extent = write_log(broker, NOON_US + 60_000_000, NOON_US + 90_000_000)
    offsets = adopter(broker.kafka).adopt({NUMBER: extent, (NUMBER + 1) % MOCK_PARTITIONS: Extent(0, 0)})
    assert offsets == {NUMBER: extent.end}
    message = handed(broker, extent.end)
    assert message.command == Adopt(alerts=[transition("open", 2, level_to=3)])
    assert (message.kind, message.ingested_at_us) == (Kind.COMMAND, NOON_US + 90_000_000)


def test_what_the_log_itself_will_tell_again_is_not_handed_over(broker: MockBroker) -> None:
    tell(broker, transition("open", 1))
    assert adopter(broker.kafka).adopt({NUMBER: write_log(broker, NOON_US - 1, NOON_US + 5)}) == {}


def test_where_the_log_was_cut_an_adoption_comes_also_without_open_alerts(broker: MockBroker) -> None:
    write_log(broker, NOON_US, NOON_US + 5)
    offsets = adopter(broker.kafka).adopt({NUMBER: Extent(1, 3)})
    assert handed(broker, offsets[NUMBER]).command == Adopt(alerts=[])


def test_a_first_start_writes_nothing(broker: MockBroker) -> None:
    assert adopter(broker.kafka).adopt({number: Extent(0, 0) for number in range(MOCK_PARTITIONS)}) == {}
    assert adopter(nowhere()).adopt({}) == {}


def test_without_an_answer_nobody_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "LIMIT_S", 0.3)
    with pytest.raises(TransientError):
        adopter(nowhere()).adopt({NUMBER: Extent(0, 0)})
