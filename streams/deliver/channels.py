# SPDX-License-Identifier: Apache-2.0
"""The tasks that talk to receivers, one each: a slow or dead receiver delays nobody but itself."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from urllib.parse import quote

import msgspec
import structlog

from schemas.alert_outputs import SIGNATURE_HEADER, webhook_headers
from schemas.alertmanager import encode_alerts
from schemas.delivery import Delivery, Outcome
from schemas.log import JSON
from streams.clock import wall_us
from streams.deliver.answer import Answer, Patience
from streams.deliver.line import SECOND_US, Line, Waiting
from streams.deliver.post import Caller
from streams.deliver.present import Alert, Alerts, Told
from streams.deliver.rounds import Rounds
from streams.deliver.signature import sign
from streams.deliver.wording import Wording
from streams.settings import DeliverSettings, WebhookSettings

ALERTMANAGER = "alertmanager"
"""Name of Alertmanager among the receivers."""
_REFUSALS = {400, 422}
"""Alertmanager means the alerts themselves; any other 4xx is about its address or its door."""

log = structlog.get_logger(__name__)
Record = Callable[[Delivery], None]


def patience(deliver: DeliverSettings) -> Patience:
    """How often and how long a receiver is tried, by the settings."""
    return Patience(
        deliver.first_delay_s, deliver.longest_delay_s, deliver.limit_h * 3600, deliver.stale_s
    )


class Channel(ABC):
    """A receiver's task; it sleeps until something is due or new.

    Parameters
    ----------
    name : str
        The receiver's, in records and in the log.
    alerts : Alerts
        What is so now; filled by whoever calls `add`.
    record : callable
        Takes every finished delivery.

    Attributes
    ----------
    needs_history : bool
        Whether it may only begin when all alerts are known; the others can tell that the broker is away at the start.
    """

    needs_history = False

    def __init__(self, name: str, alerts: Alerts, record: Record) -> None:
        self.name = name
        self._alerts = alerts
        self._record = record
        self._news = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failed calls in a row; 0 = the receiver took the last one."""
        return self._failures

    @abstractmethod
    def __len__(self) -> int:
        """How many transitions wait for the receiver."""

    @abstractmethod
    def add(self, told: Told, *, outdated: bool) -> None:
        """Take a transition that this receiver has not been told of."""

    @abstractmethod
    async def _serve(self) -> float | None:
        """Do what is due; after how many seconds to look again, None = when there is news."""

    async def run(self) -> None:
        """Serve until `stop`."""
        while not self._stopping.is_set():
            self._news.clear()
            wait_s = await self._serve()
            if self._stopping.is_set():
                break
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """End `run` after the call that is under way, if any."""
        self._stopping.set()
        self._news.set()

    def _settle(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            self._record(delivery)
            say = log.error if delivery.outcome is Outcome.FAILED else log.info
            say("delivery", receiver=self.name, alert=delivery.alert_id, seq=delivery.seq,
                outcome=str(delivery.outcome), attempts=delivery.attempts, http_status=delivery.http_status)

    def _heard(self, answer: Answer) -> None:
        if answer.taken:
            if self._failures:
                log.info("receiver is back", receiver=self.name, failures=self._failures)
            self._failures = 0
            return
        self._failures += 1
        log.warning("receiver did not take it", receiver=self.name, http_status=answer.status,
                    error=answer.error, failures_in_a_row=self._failures)


class AlertmanagerChannel(Channel):
    """Tells Alertmanager the present state of all alerts, at every change and every `resend_s`."""

    def __init__(
        self, deliver: DeliverSettings, caller: Caller, alerts: Alerts, wording: Wording, record: Record
    ) -> None:
        super().__init__(ALERTMANAGER, alerts, record)
        self._resend_s = deliver.resend_s
        self._patience = patience(deliver)
        self._caller = caller
        self._wording = wording
        self._rounds = Rounds(ALERTMANAGER, alerts, self._patience, deliver.resolve_for_s)
        self._next_try_us = 0

    def __len__(self) -> int:
        """As `Channel.__len__`."""
        return len(self._rounds)

    def add(self, told: Told, *, outdated: bool) -> None:
        """Take a transition; what is outdated is seen by the round itself."""
        del outdated
        self._rounds.add(told)
        self._news.set()

    async def _serve(self) -> float | None:
        now_us = wall_us()
        if wait_s := self._patience.wait_s(self._next_try_us, now_us):  # news while the wait after a failure runs
            return wait_s
        this = self._rounds.begin(now_us)
        self._settle(this.settled)
        answer = await self._tell(this.alerts)
        if answer.taken:
            self._next_try_us = 0
            return self._resend_s
        delay_s = self._patience.delay_s(self._failures, random.random())  # noqa: S311  no secret
        delay_s = min(delay_s, self._resend_s)
        self._next_try_us = wall_us() + round(delay_s * SECOND_US)
        return delay_s

    async def _tell(self, alerts: list[Alert]) -> Answer:
        if not alerts:
            return Answer(200)
        answer = await self._post(alerts)
        if answer.status not in _REFUSALS or len(alerts) == 1:
            return answer
        # One of them is bad: each goes alone, so that the others do not suffer.
        for alert in alerts:
            answer = await self._post([alert])
            if not answer.taken:
                return answer
        return answer

    async def _post(self, alerts: list[Alert]) -> Answer:
        body = encode_alerts([self._wording.posted(alert) for alert in alerts])
        answer = await self._caller.post(body, {"Content-Type": JSON})
        refused = answer.status in _REFUSALS
        if len(alerts) > 1 and refused:
            return answer
        self._heard(answer)
        if answer.taken or refused:
            self._settle(self._rounds.answered(alerts, answer, wall_us()))
        return Answer(200) if refused else answer


class LineChannel(Channel):
    """Tells one receiver every transition, an alert's in their order; a failed one is tried again."""

    def __init__(self, name: str, deliver: DeliverSettings, alerts: Alerts, record: Record) -> None:
        super().__init__(name, alerts, record)
        self._line = Line(name, patience(deliver), deliver.queue_limit)

    def __len__(self) -> int:
        """As `Channel.__len__`."""
        return len(self._line)

    def add(self, told: Told, *, outdated: bool) -> None:
        """Take a transition."""
        now_us = wall_us()
        if self._wants(told):
            self._settle(self._line.add(told, now_us, outdated=outdated))
        else:
            self._settle([self._line.passed_over(told, now_us)])
        self._news.set()

    def _wants(self, told: Told) -> bool:
        """Whether the receiver is to hear of it at all."""
        del told
        return True

    async def _serve(self) -> float | None:
        waiting, settled = self._line.take(wall_us())
        self._settle(settled)
        if waiting is not None:
            answer = await self._send(waiting)
            self._heard(answer)
            jitter = random.random()  # noqa: S311  no secret
            delivery = self._line.answered(waiting, answer, wall_us(), jitter)
            self._settle([] if delivery is None else [delivery])
        return self._line.wait_s(wall_us())

    @abstractmethod
    async def _send(self, waiting: Waiting) -> Answer:
        """Tell the receiver; whatever goes wrong is an answer."""


class WebhookChannel(LineChannel):
    """Tells one webhook every transition, or those from an escalation on, signed."""

    def __init__(
        self, webhook: WebhookSettings, deliver: DeliverSettings, caller: Caller, alerts: Alerts,
        wording: Wording, record: Record,
    ) -> None:
        super().__init__(webhook.name, deliver, alerts, record)
        self._secret = webhook.secret
        self._source = deliver.event_source
        self._only_escalated = webhook.only_escalated
        self._caller = caller
        self._wording = wording

    def _wants(self, told: Told) -> bool:
        one = told.transition
        if one.escalated or not self._only_escalated:
            return True
        return any(old.escalated for old in self._alerts.earlier(one.alert_id, one.seq))

    async def _send(self, waiting: Waiting) -> Answer:
        one = waiting.told.transition
        starts_us = self._alerts[one.alert_id].starts_us
        event = self._wording.event(waiting.told, starts_us, late=waiting.late)
        body = msgspec.json.encode(event)
        headers = webhook_headers(one, self._source, quote(f"{one.site}/{one.place}"))
        headers[SIGNATURE_HEADER] = sign(self._secret, body, wall_us() // SECOND_US)
        return await self._caller.post(body, headers)
