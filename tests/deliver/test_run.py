# SPDX-License-Identifier: Apache-2.0
"""Deliver between a broker of its own and real HTTP receivers."""

import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.delivery import Outcome
from schemas.errors import FatalError, WrongUseError
from schemas.event_profile import HTTP_PREFIX, attributes_of, profile_faults
from schemas.log import JSON, event_headers
from streams.deliver.run import check_receivers
from streams.deliver.wording import Wording
from streams.settings import AlertmanagerSettings, DeliverSettings, WebhookSettings, load_settings
from tests.deliver.receiver import SECRET, Receiver
from tests.deliver.running import LIMIT_S, Alerts, quick, recorded, running, wait_recorded, webhook
from tests.gateway.mock_broker import MockBroker, nowhere
from tests.services.process import free_port, wait_until
from tests.writer.samples import transition

IDS = [f"{number:016x}" for number in range(4)]


def in_turn(seqs: int) -> list[tuple[str, int]]:
    return [(alert_id, seq) for seq in range(1, seqs + 1) for alert_id in IDS]


def test_a_webhook_that_fails_nine_times_of_ten_gets_all_once_and_in_order(broker: MockBroker) -> None:
    with Receiver(lambda number, _: 200 if number % 10 == 9 else (503, 429, 500, 408)[number % 4]) as desk:
        with running(broker.kafka, quick(webhooks=[webhook("desk", desk.url)])):
            alerts = Alerts(broker.kafka)
            alerts.send(*(transition(alert_id, seq) for alert_id, seq in in_turn(3)))
            wait_recorded(broker.kafka, {("desk", *one): Outcome.DELIVERED for one in in_turn(3)})
        assert Counter(call.key for call in desk.taken) == Counter(f"{one}/{seq}" for one, seq in in_turn(3))
        for alert_id in IDS:
            seqs = [call.event["seq"] for call in desk.taken if call.event["alert_id"] == alert_id]
            assert all(before < after for before, after in pairwise(seqs))
        assert len(desk.calls) >= 10 * len(in_turn(3))


def test_a_call_says_what_it_is(broker: MockBroker) -> None:
    with Receiver() as desk, running(broker.kafka, quick(webhooks=[webhook("desk", desk.url)])):
        Alerts(broker.kafka).send(transition(IDS[0]))
        wait_until(lambda: len(desk.taken) == 1, LIMIT_S, "one call")
    [call] = desk.calls
    assert (call.headers["ce-id"], call.key) == (f"{IDS[0]}/1", f"{IDS[0]}/1")
    assert (call.headers["ce-specversion"], call.headers["ce-type"]) == ("1.0", "nl.drukte.alert.transition.v1")
    assert (call.headers["ce-source"], call.headers["ce-subject"]) == ("urn:drukte:deliver", "centrum/plein")
    assert call.headers["content-type"] == JSON
    attributes = attributes_of([(name, value.encode()) for name, value in call.headers.items()], HTTP_PREFIX)
    assert profile_faults(attributes, call.body) == []
    assert attributes["time"] == call.event["at"]
    event = call.event
    assert (event["people"], event["people_low"], event["people_high"]) == ("340-344", 340, 344)
    assert (event["level"], event["late"], event["exercise"], event["ends_at"]) == ("oranje", False, False, None)


def test_a_dead_and_a_hanging_receiver_delay_only_themselves(broker: MockBroker) -> None:
    held = time.monotonic() + LIMIT_S

    def hang(_: int, body: bytes) -> int:
        wait_until(lambda: bool(healthy.taken) or time.monotonic() > held, LIMIT_S, f"others heard of {len(body)}")
        return 503

    dead = f"http://127.0.0.1:{free_port()}/"
    with Receiver() as healthy, Receiver(hang) as hanging:
        hooks = [webhook("dead", dead), webhook("hanging", hanging.url), webhook("healthy", healthy.url)]
        with running(broker.kafka, quick(webhooks=hooks)):
            Alerts(broker.kafka).send(transition(IDS[0]), transition(IDS[0], 2))
            wait_recorded(broker.kafka, {("healthy", IDS[0], seq): Outcome.DELIVERED for seq in (1, 2)})


def test_what_is_old_at_the_first_try_is_told_as_the_present_state(broker: MockBroker) -> None:
    hour_ago_ms = round((time.time() - 3600) * 1000)
    alerts = Alerts(broker.kafka)
    alerts.send(transition(IDS[0], 1), transition(IDS[0], 2), transition(IDS[0], 3), at_ms=hour_ago_ms)
    alerts.send(transition(IDS[1], 1))
    with Receiver() as desk, running(broker.kafka, quick(webhooks=[webhook("desk", desk.url)])):
        wait_recorded(broker.kafka, {
            ("desk", IDS[0], 1): Outcome.SKIPPED_STALE, ("desk", IDS[0], 2): Outcome.SKIPPED_STALE,
            ("desk", IDS[0], 3): Outcome.DELIVERED, ("desk", IDS[1], 1): Outcome.DELIVERED,
        })
    assert sorted((call.key, call.event["late"]) for call in desk.calls) == [
        (f"{IDS[0]}/3", True), (f"{IDS[1]}/1", False)
    ]


def test_a_refusal_is_final_and_a_repeat_is_no_news(broker: MockBroker) -> None:
    alerts = Alerts(broker.kafka)
    alerts.send(transition(IDS[0], 1), transition(IDS[0], 1), transition(IDS[0], 2), transition(IDS[0], 1))
    alerts.send(transition(IDS[1], 2))
    with (
        Receiver(lambda _, body: 403 if b'"seq":1' in body else 200) as desk,
        running(broker.kafka, quick(webhooks=[webhook("desk", desk.url)])),
    ):
        wait_recorded(broker.kafka, {
            ("desk", IDS[0], 1): Outcome.FAILED, ("desk", IDS[0], 2): Outcome.DELIVERED,
            ("desk", IDS[1], 2): Outcome.DELIVERED,
        })
    assert len(desk.calls) == 3


def test_a_wrong_secret_is_refused_by_the_receiver(broker: MockBroker) -> None:
    with Receiver() as desk:
        hook = webhook("desk", desk.url, "another secret than theirs")
        with running(broker.kafka, quick(webhooks=[hook])):
            Alerts(broker.kafka).send(transition(IDS[0]))
            wait_recorded(broker.kafka, {("desk", IDS[0], 1): Outcome.FAILED})
    assert [call.status for call in desk.calls] == [401]


def test_what_cannot_be_read_is_passed_over_and_not_shown(
    broker: MockBroker, capfd: pytest.CaptureFixture[str]
) -> None:
    with Receiver() as desk, running(broker.kafka, quick(webhooks=[webhook("desk", desk.url)])):
        alerts = Alerts(broker.kafka)
        alerts.send_raw(b'{"kenteken": 1}', event_headers("alert.transition.v1", "test", "1", JSON))
        alerts.send_raw(b'{"kenteken": 2}', event_headers("outcome.v1", "test", "2", JSON))
        alerts.send(transition(IDS[0]))
        wait_recorded(broker.kafka, {("desk", IDS[0], 1): Outcome.DELIVERED})
    told = "".join(capfd.readouterr())
    assert "cannot be read" in told
    assert "kenteken" not in told
    assert (SECRET in told, desk.url in told) == (False, False)


def test_a_restart_tells_nothing_twice_and_loses_nothing(broker: MockBroker) -> None:
    alerts = Alerts(broker.kafka)
    with Receiver(lambda number, _: 200 if number < 2 else 503) as desk:
        deliver = quick(webhooks=[webhook("desk", desk.url)])
        with running(broker.kafka, deliver):
            alerts.send(transition(IDS[0], 1), transition(IDS[0], 2), transition(IDS[0], 3))
            wait_until(lambda: len(desk.calls) > 4, LIMIT_S, "two taken, the third refused some times")
    assert recorded(broker.kafka) == {("desk", IDS[0], seq): Outcome.DELIVERED for seq in (1, 2)}
    alerts.send(transition(IDS[1], 1))
    with Receiver() as desk:
        with running(broker.kafka, quick(webhooks=[webhook("desk", desk.url)])):
            wait_recorded(broker.kafka, {
                ("desk", IDS[0], 1): Outcome.DELIVERED, ("desk", IDS[0], 2): Outcome.DELIVERED,
                ("desk", IDS[0], 3): Outcome.DELIVERED, ("desk", IDS[1], 1): Outcome.DELIVERED,
            })
        assert sorted(call.key for call in desk.calls) == [f"{IDS[0]}/3", f"{IDS[1]}/1"]


def test_an_alert_that_alertmanager_refuses_does_not_keep_the_others_back(broker: MockBroker) -> None:
    def refuse_one(_: int, body: bytes) -> int:
        return 400 if b'"place":"straat"' in body else 200

    alerts = Alerts(broker.kafka)
    alerts.send(transition(IDS[0]), transition(IDS[1], place="straat"))
    with Receiver(refuse_one, signed=False) as stand_in:
        deliver = quick(alertmanager=AlertmanagerSettings(url=stand_in.url), resend_s=0.05)
        with running(broker.kafka, deliver):
            wait_recorded(broker.kafka, {
                ("alertmanager", IDS[0], 1): Outcome.DELIVERED, ("alertmanager", IDS[1], 1): Outcome.FAILED,
            })
            told_again = len(stand_in.calls) + 3
            wait_until(lambda: len(stand_in.calls) >= told_again, LIMIT_S, "it is told again")
    assert [call.status for call in stand_in.calls[-3:]] == [200, 200, 200]


def test_an_alertmanager_whose_door_is_shut_is_tried_again(broker: MockBroker) -> None:
    Alerts(broker.kafka).send(transition(IDS[0]))
    with (
        Receiver(lambda number, _: 403 if number < 3 else 200, signed=False) as stand_in,
        running(broker.kafka, quick(alertmanager=AlertmanagerSettings(url=stand_in.url))),
    ):
        wait_recorded(broker.kafka, {("alertmanager", IDS[0], 1): Outcome.DELIVERED})


def test_a_bug_ends_the_process_instead_of_one_receiver(
    broker: MockBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Wording, "event", None)
    Alerts(broker.kafka).send(transition(IDS[0]))
    with pytest.raises(TypeError), running(broker.kafka, quick(webhooks=[webhook("desk", "http://a/")])) as thread:
        wait_until(lambda: not thread.is_alive(), LIMIT_S, "it ends by itself")


def test_it_stops_while_the_broker_is_away() -> None:
    with running(nowhere(), quick(webhooks=[webhook("desk", "http://127.0.0.1:1/")])) as thread:
        assert thread.is_alive()


@pytest.mark.parametrize(("deliver", "named"), [
    (DeliverSettings(), "no receiver"),
    (quick(webhooks=[webhook("desk", "http://a/"), webhook("desk", "http://b/")]), "name of its own"),
    (quick(webhooks=[webhook("alertmanager", "http://a/")]), "alertmanager"),
])
def test_settings_that_make_no_sense_end_it(deliver: DeliverSettings, named: str) -> None:
    with pytest.raises(FatalError, match=named):
        check_receivers(deliver)


def test_the_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "drukte.toml"
    path.write_text(f"""\
city = "klein.toml"
[deliver.alertmanager]
[[deliver.webhooks]]
name = "desk"
url = "https://desk.example/hook"
secret = "{SECRET}"
""")
    deliver = load_settings(path).deliver
    assert deliver.alertmanager == AlertmanagerSettings(url="http://127.0.0.1:9093")
    assert [hook.name for hook in deliver.webhooks] == ["desk"]
    check_receivers(deliver)
    path.write_text('city = "a"\n[[deliver.webhooks]]\nname = "desk"\nurl = "https://a/"\nsecret = "short"\n')
    with pytest.raises(WrongUseError, match="secret") as refused:
        load_settings(path)
    assert "short" not in str(refused.value)


def test_a_webhook_for_escalations_hears_of_an_alert_from_the_first_one_on(broker: MockBroker) -> None:
    life = [transition(IDS[0], 1), transition(IDS[0], 2, escalated=True),
            transition(IDS[0], 3, acknowledged=True), transition(IDS[1], 1)]
    alerts = Alerts(broker.kafka)
    with Receiver() as chief, Receiver() as desk:
        hooks = [
            WebhookSettings(name="chief", url=chief.url, secret=SECRET, only_escalated=True), webhook("desk", desk.url),
        ]
        everything = {("desk", one.alert_id, one.seq): Outcome.DELIVERED for one in life} | {
            ("chief", IDS[0], 1): Outcome.NOT_WANTED, ("chief", IDS[0], 2): Outcome.DELIVERED,
            ("chief", IDS[0], 3): Outcome.DELIVERED, ("chief", IDS[1], 1): Outcome.NOT_WANTED,
        }
        with running(broker.kafka, quick(webhooks=hooks)):
            alerts.send(*life)
            wait_recorded(broker.kafka, everything)
        # What was not wanted is not told after a restart either.
        with running(broker.kafka, quick(webhooks=hooks)):
            alerts.send(transition(IDS[0], 4))
            wait_recorded(broker.kafka, everything | {
                ("chief", IDS[0], 4): Outcome.DELIVERED, ("desk", IDS[0], 4): Outcome.DELIVERED})
    assert [call.key for call in chief.taken] == [f"{IDS[0]}/{seq}" for seq in (2, 3, 4)]
    assert [call.event["escalated"] for call in chief.taken] == [True, False, False]
    assert [call.event["acknowledged"] for call in desk.taken if call.key == f"{IDS[0]}/3"] == [True]
