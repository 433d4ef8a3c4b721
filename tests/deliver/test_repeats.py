# SPDX-License-Identifier: Apache-2.0
"""An open alert is said again every hour: nothing new, and what keeps it known for as long as it is open."""

from schemas.alert import State
from schemas.delivery import Outcome
from tests.deliver.receiver import Receiver
from tests.deliver.running import Alerts, quick, running, wait_recorded, webhook
from tests.gateway.mock_broker import MockBroker
from tests.services.process import wait_until
from tests.writer.samples import transition

ALERT = "00112233aabbccdd"


def test_of_an_alert_whose_opening_aged_out_the_repeats_are_enough(broker: MockBroker) -> None:
    alerts = Alerts(broker.kafka)
    repeat = transition(ALERT, 3, level_from=2, level_to=3, state_from=State.FIRING)
    for _ in range(3):
        alerts.send(repeat)
    wanted = {("meldkamer", ALERT, 3): Outcome.DELIVERED}
    with Receiver() as receiver:
        deliver = quick(webhooks=[webhook("meldkamer", receiver.url)])
        with running(broker.kafka, deliver):
            wait_recorded(broker.kafka, wanted)
            alerts.send(repeat)
            alerts.send(transition("ffff", 1, place="straat"))
            wait_until(lambda: len(receiver.taken) == 2, 30.0, "the other alert is told")
        with running(broker.kafka, deliver):
            alerts.send(repeat)
            alerts.send(transition("ffff", 2, place="straat", state_to=State.RESOLVED))
            wait_until(lambda: len(receiver.taken) == 3, 30.0, "its end is told")
        assert [call.key for call in receiver.taken] == [f"{ALERT}/3", "ffff/1", "ffff/2"]
