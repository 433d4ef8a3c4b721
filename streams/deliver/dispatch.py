# SPDX-License-Identifier: Apache-2.0
"""Messages of `alerts` to the receivers that lack them. No I/O of its own."""

from collections import Counter
from collections.abc import Iterable, Sequence

import structlog

from schemas.alert import TRANSITION_TYPE, decode_transition
from schemas.delivery import DELIVERY_TYPE, Delivery, decode_delivery
from schemas.errors import RefusedError
from schemas.log import Topic, event_type
from streams.deliver.channels import Channel
from streams.deliver.log import Read
from streams.deliver.present import Alerts, Told

log = structlog.get_logger(__name__)


def deliveries(reads: Iterable[Read]) -> list[Delivery]:
    """The records among messages of `deliveries`; what is none is logged and passed over."""
    found = []
    for read in reads:
        try:
            if event_type(read.headers) == DELIVERY_TYPE:
                found.append(decode_delivery(read.value))
                continue
        except RefusedError:
            pass
        _say_unreadable(Topic.DELIVERIES, read)
    return found


def _say_unreadable(topic: Topic, read: Read) -> None:
    log.error("cannot be read", topic=str(topic), partition=read.partition, offset=read.offset,
              size_bytes=len(read.value), what="passed over; is a newer worker or deliver writing?")


class Dispatch:
    """Gives each new transition to every receiver that has not been told of it.

    Parameters
    ----------
    alerts : Alerts
        Kept up to date here.
    channels : sequence of Channel
    recorded : iterable of Delivery
        What was settled before this process began; more may be said by `remember`.
    """

    def __init__(self, alerts: Alerts, channels: Sequence[Channel], recorded: Iterable[Delivery] = ()) -> None:
        self._alerts = alerts
        self._channels = channels
        self._recorded: set[tuple[str, str, int]] = set()
        self._newest: Counter[tuple[str, str]] = Counter()
        self.remember(recorded)

    def remember(self, recorded: Iterable[Delivery]) -> None:
        """Tell no receiver again what it was told before this process began."""
        for one in recorded:
            self._recorded.add((one.receiver, one.alert_id, one.seq))
            told = (one.receiver, one.alert_id)
            self._newest[told] = max(self._newest[told], one.seq)

    def take(self, read: Read) -> None:
        """Take one message of `alerts`; repeats and other kinds of message change nothing."""
        if event_type(read.headers) != TRANSITION_TYPE:
            return
        try:
            told = Told(decode_transition(read.value), read.appended_us)
        except RefusedError:
            _say_unreadable(Topic.ALERTS, read)  # its dead letter is the writer's
            return
        self.tell(told)

    def tell(self, told: Told) -> None:
        """Give a transition to every receiver that has not been told of it; a repeat changes nothing."""
        if not self._alerts.take(told):
            return
        one = told.transition
        outdated = self._alerts[one.alert_id].newest.transition.seq > one.seq
        for channel in self._channels:
            if (channel.name, one.alert_id, one.seq) not in self._recorded:
                later_told = self._newest[channel.name, one.alert_id] > one.seq
                channel.add(told, outdated=outdated or later_told)

    def forget_records(self) -> None:
        """Forget what was settled before: every transition of that time has been taken."""
        self._recorded.clear()
        self._newest.clear()
