# SPDX-License-Identifier: Apache-2.0
"""CAP 1.2 out: each transition as a document, posted to receivers or kept in a feed."""

import asyncio
import random
from typing import Protocol

import structlog

from schemas.cap import MEDIA_TYPE, encode_cap
from schemas.delivery import Delivery
from streams.clock import wall_us
from streams.deliver.cap_feed import FeedFolder, Message, kept
from streams.deliver.cap_wording import CapWording, identifier, is_told
from streams.deliver.channels import Channel, LineChannel, Record, patience
from streams.deliver.line import SECOND_US, Waiting
from streams.deliver.patience import Answer
from streams.deliver.post import Caller
from streams.deliver.present import Alerts, Told
from streams.deliver.signature import HEADER, sign
from streams.deliver_settings import CapFeedSettings, CapReceiverSettings
from streams.settings import DeliverSettings

FEED = "cap-feed"
"""Name of the feed in metrics and in the log; it has no records, its files are the record."""
LOOK_AGAIN_S = 3600.0
"""How often the feed is looked through for what has become too old."""

log = structlog.get_logger(__name__)


class Documents(Protocol):
    """Makes the document of a transition."""

    def __call__(self, told: Told) -> bytes:
        """The document as XML."""


def documents(alerts: Alerts, wording: CapWording) -> Documents:
    """Documents whose references are what `alerts` knows of earlier transitions."""

    def document(told: Told) -> bytes:
        one = told.transition
        return encode_cap(wording.document(one, alerts.earlier(one.alert_id, one.seq)))

    return document


class CapChannel(LineChannel):
    """Tells one receiver the transitions as CAP documents, signed where the settings have a secret.

    An alert that is suppressed before it was told of is not; all that follows on a document is.
    """

    def __init__(
        self, receiver: CapReceiverSettings, deliver: DeliverSettings, caller: Caller, alerts: Alerts,
        document: Documents, record: Record,
    ) -> None:
        super().__init__(receiver.name, deliver, alerts, record)
        self._secret = receiver.secret
        self._caller = caller
        self._document = document

    def _wants(self, told: Told) -> bool:
        return _is_told(told, self._alerts)

    async def _send(self, waiting: Waiting) -> Answer:
        one = waiting.told.transition
        body = self._document(waiting.told)
        headers = {"Content-Type": MEDIA_TYPE, "Idempotency-Key": f"{one.alert_id}/{one.seq}"}
        if self._secret is not None:
            headers[HEADER] = sign(self._secret, body, wall_us() // SECOND_US)
        return await self._caller.post(body, headers)


class CapFeedChannel(Channel):
    """Keeps the feed: every transition that is told has its document in it, until it gives way or is too old.

    Without records every transition of topic `alerts` comes here again after a restart, and the feed is made
    anew from them and from the documents that lie there.
    """

    needs_history = True

    def __init__(
        self, feed: CapFeedSettings, deliver: DeliverSettings, sender: str, alerts: Alerts, document: Documents
    ) -> None:
        super().__init__(FEED, alerts, _no_record)
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
        messages = [self._message(told) for told in wanted]
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

    def _message(self, told: Told) -> Message:
        name = identifier(told.transition)
        return Message(name, None if self._folder.knows(name) else self._document(told))


def _is_told(told: Told, alerts: Alerts) -> bool:
    one = told.transition
    return is_told(one, alerts.earlier(one.alert_id, one.seq))


def _no_record(_: Delivery) -> None:
    return None
