# SPDX-License-Identifier: Apache-2.0
"""CAP 1.2 out: each transition as a document, posted to receivers or kept in a feed."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from schemas.alert_outputs import IDEMPOTENCY_HEADER, SIGNATURE_HEADER, event_identity
from schemas.cap import MEDIA_TYPE, encode_cap
from schemas.delivery import Delivery
from streams.clock import wall_us
from streams.deliver.answer import Answer
from streams.deliver.cap_feed import FeedFolder, Message, kept
from streams.deliver.cap_renewal import standing_renewals
from streams.deliver.cap_wording import CapWording, identifier, is_told
from streams.deliver.channels import Channel, LineChannel, Record, patience
from streams.deliver.line import SECOND_US, Waiting
from streams.deliver.post import Caller
from streams.deliver.present import Alerts, Told
from streams.deliver.signature import sign
from streams.deliver_settings import CapFeedSettings, CapReceiverSettings
from streams.settings import DeliverSettings

FEED = "cap-feed"
"""Name of the feed in metrics and in the log; it has no records, its files are the record."""
LOOK_AGAIN_S = 60.0
"""How often is looked for what has to be renewed and, in the feed, for what has become too old."""

log = structlog.get_logger(__name__)


class Documents(Protocol):
    """Makes the document of a transition, or of its renewal at a moment."""

    def __call__(self, told: Told, renewed_us: int | None = None) -> bytes:
        """The document as XML."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Which open alerts have to be told again.

    Parameters
    ----------
    alerts : Alerts
    expires_us : int
        How long after it was sent a document expires.
    now_us : callable
        The deployment's present moment; None while not all alerts are known, or where it has none.
    """

    alerts: Alerts
    expires_us: int
    now_us: Callable[[], int | None]

    def renewals(self) -> list[tuple[Told, int]]:
        """The newest transition of each such alert, with the moment of its renewal."""
        now_us = self.now_us()
        found = [] if now_us is None else standing_renewals(self.alerts, now_us, self.expires_us)
        return [(told, moment_us) for told, moment_us in found if _is_told(told, self.alerts)]


def documents(alerts: Alerts, wording: CapWording) -> Documents:
    """Documents whose references are what `alerts` knows of earlier transitions."""

    def document(told: Told, renewed_us: int | None = None) -> bytes:
        one = told.transition
        return encode_cap(wording.document(one, alerts.earlier(one.alert_id, one.seq), renewed_us))

    return document


class CapChannel(LineChannel):
    """Tells one receiver the transitions as CAP documents, signed where the settings have a secret.

    An alert that is suppressed before it was told of is not; all that follows on a document is. Renewals have no
    records: after a restart the last one is told again under the same key.
    """

    def __init__(
        self, receiver: CapReceiverSettings, deliver: DeliverSettings, caller: Caller, standing: Standing,
        document: Documents, record: Record,
    ) -> None:
        super().__init__(receiver.name, deliver, standing.alerts, record)
        self._standing = standing
        self._patience = patience(deliver)
        self._renewed_us: dict[str, int] = {}
        self._refused: Counter[str] = Counter()
        self._renew_at_s = 0.0
        self._secret = receiver.secret
        self._caller = caller
        self._document = document

    def _wants(self, told: Told) -> bool:
        return _is_told(told, self._alerts)

    async def _serve(self) -> float | None:
        waits = [await super()._serve(), await self._renew()]
        return min((wait_s for wait_s in waits if wait_s is not None), default=None)

    async def _renew(self) -> float:
        """Tell again what stands and would expire; in how many seconds to look again."""
        wait_s = self._renew_at_s - time.monotonic()
        if wait_s > 0:
            return wait_s
        for told, moment_us in self._unrenewed():
            if self._stopping.is_set() or self._is_news_due():
                return 0.0  # an alarm waits for no renewal
            alert_id = told.transition.alert_id
            answer = await self._post(told, moment_us)
            self._heard(answer)
            if not (answer.taken or answer.final):
                self._refused[alert_id] += 1
                delay_s = self._patience.delay_s(self._failures, random.random())  # noqa: S311  no secret
                self._renew_at_s = time.monotonic() + delay_s
                return delay_s
            self._renewed_us[alert_id] = moment_us
            del self._refused[alert_id]
            log.info("renewed", receiver=self.name, alert=alert_id, seq=told.transition.seq, http_status=answer.status)
        return LOOK_AGAIN_S

    def _unrenewed(self) -> list[tuple[Told, int]]:
        """What to tell again now; the document that was refused most often last, so that no other waits for it."""
        found = {told.transition.alert_id: (told, moment_us) for told, moment_us in self._standing.renewals()}
        self._renewed_us = {alert_id: self._renewed_us.get(alert_id, 0) for alert_id in found}
        self._refused = Counter({alert_id: self._refused[alert_id] for alert_id in found})
        # A transition that waits is told first; a clock that was set back brings no older document.
        due = [alert_id for alert_id, (_, moment_us) in found.items()
               if not self._line.holds(alert_id) and self._renewed_us[alert_id] < moment_us]
        return [found[alert_id] for alert_id in sorted(due, key=self._refused.__getitem__)]

    def _is_news_due(self) -> bool:
        return self._line.wait_s(wall_us()) == 0

    async def _send(self, waiting: Waiting) -> Answer:
        return await self._post(waiting.told, None)

    async def _post(self, told: Told, renewed_us: int | None) -> Answer:
        body = self._document(told, renewed_us)
        renewal = "" if renewed_us is None else f"/r{renewed_us // SECOND_US}"
        headers = {"Content-Type": MEDIA_TYPE, IDEMPOTENCY_HEADER: event_identity(told.transition) + renewal}
        if self._secret is not None:
            headers[SIGNATURE_HEADER] = sign(self._secret, body, wall_us() // SECOND_US)
        return await self._caller.post(body, headers)


class CapFeedChannel(Channel):
    """Keeps the feed: every transition that is told has its document in it, until it gives way or is too old.

    Without records every transition of topic `alerts` comes here again after a restart, and the feed is made
    anew from them and from the documents that lie there.
    """

    needs_history = True

    def __init__(
        self, feed: CapFeedSettings, deliver: DeliverSettings, sender: str, standing: Standing, document: Documents
    ) -> None:
        super().__init__(FEED, standing.alerts, _no_record)
        self._standing = standing
        self._settings = feed
        self._patience = patience(deliver)
        self._document = document
        self._folder = FeedFolder(feed.folder, sender, feed.url)
        self._told: dict[tuple[str, int], Told] = {}
        self._unwritten: set[tuple[str, int]] = set()

    def __len__(self) -> int:
        """As `Channel.__len__`."""
        return len(self._unwritten)

    def add(self, told: Told, *, outdated: bool) -> None:
        """Take a transition, in any order."""
        del outdated
        key = told.transition.alert_id, told.transition.seq
        self._told[key] = told
        self._unwritten.add(key)
        self._news.set()

    async def _serve(self) -> float | None:
        now_us = wall_us()
        keep_us = round(self._settings.keep_h * 3600 * SECOND_US)
        known = [told for told in self._told.values() if _is_told(told, self._alerts)]
        wanted = kept(known, now_us - keep_us, self._settings.length)
        taken = set(self._unwritten)
        messages = self._messages(wanted)
        try:
            await asyncio.to_thread(self._folder.write, messages)
        except OSError as error:
            self._failures += 1
            log.warning("CAP feed not written", reason=error.strerror or type(error).__name__,
                        failures_in_a_row=self._failures, do="mend the disk or the permissions of deliver.cap_feed")
            jitter = random.random()  # noqa: S311  no secret
            return self._patience.delay_s(self._failures, jitter)
        self._failures = 0
        self._unwritten -= taken
        stay = {(told.transition.alert_id, told.transition.seq) for told in wanted}
        self._told = {key: told for key, told in self._told.items() if key in stay or key in self._unwritten}
        return LOOK_AGAIN_S

    def _messages(self, wanted: Sequence[Told]) -> list[Message]:
        """Transitions and the newest renewal of each open alert, newest first."""
        dated = [(told.transition.at_us, told, None) for told in wanted]
        renewed = [(moment_us, told, moment_us) for told, moment_us in self._standing.renewals()]
        found = sorted([*renewed, *dated], key=lambda one: one[0], reverse=True)
        return [self._message(told, renewed_us) for _, told, renewed_us in found]

    def _message(self, told: Told, renewed_us: int | None) -> Message:
        name = identifier(told.transition, renewed_us)
        return Message(name, None if self._folder.knows(name) else self._document(told, renewed_us))


def _is_told(told: Told, alerts: Alerts) -> bool:
    one = told.transition
    return is_told(one, alerts.earlier(one.alert_id, one.seq))


def _no_record(_: Delivery) -> None:
    return None
