# SPDX-License-Identifier: Apache-2.0
"""How an alert leaves Drukte: the headers and envelopes that `drukte deliver` sends and the contract describes."""

import msgspec

from schemas.alert import TRANSITION_TYPE, Transition
from schemas.delivery import AlertEvent
from schemas.log import JSON, SPEC_VERSION, TYPE_PREFIX
from schemas.moment import rfc3339

EVENT_TYPE = TYPE_PREFIX + TRANSITION_TYPE
EVENT_SOURCE = "urn:drukte:deliver"
"""Where the settings name no system of their own."""
URN_PATTERN = r"^urn:[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]:[A-Za-z0-9()+,.:=@;$_!*'%/~&-]+$"
SIGNATURE_HEADER = "Drukte-Signature"
IDEMPOTENCY_HEADER = "Idempotency-Key"
MQTT_CONTENT_TYPE = "application/cloudevents+json"
MQTT_QOS = 1
"""At least once."""
MQTT_TOPIC = "{prefix}/alerts/{site}/{place}/{rule}"
FEED_FILE = "feed.xml"
FEED_MEDIA_TYPE = "application/atom+xml"


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A transition as a CloudEvent in structured mode.

    `id` is `ALERT_ID/SEQ` and `time` the transition's own, so that both are the same at every try. `source` is a urn
    that names the system.
    """

    spec_version: str = msgspec.field(default=SPEC_VERSION, name="specversion")
    id: str
    source: str = EVENT_SOURCE
    type: str = EVENT_TYPE
    time: str
    subject: str
    content_type: str = msgspec.field(default=JSON, name="datacontenttype")
    data: AlertEvent


def event_identity(one: Transition) -> str:
    """`ALERT_ID/SEQ`: the same transition has the same, whoever tells it and however often."""
    return f"{one.alert_id}/{one.seq}"


def webhook_headers(one: Transition, source: str, subject: str) -> dict[str, str]:
    """HTTP headers of a webhook call: a CloudEvent in binary mode; the signature is the caller's to add.

    Parameters
    ----------
    one : Transition
    source : str
        A urn.
    subject : str
        Site and place, percent-encoded.
    """
    identity = event_identity(one)
    return {
        "Content-Type": JSON,
        IDEMPOTENCY_HEADER: identity,
        "ce-specversion": SPEC_VERSION,
        "ce-id": identity,
        "ce-source": source,
        "ce-type": EVENT_TYPE,
        "ce-time": rfc3339(one.at_us),
        "ce-subject": subject,
    }


def message_of(one: Transition, source: str, subject: str, event: AlertEvent) -> AlertMessage:
    """The same event for a broker; parameters as of `webhook_headers`."""
    return AlertMessage(id=event_identity(one), source=source, time=rfc3339(one.at_us), subject=subject, data=event)
