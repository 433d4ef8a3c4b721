# SPDX-License-Identifier: Apache-2.0
"""Alerts to an MQTT broker: each transition once it is known, the present state of each alert kept there.

The kept (retained) message of `PREFIX/alerts/SITE/PLACE/RULE` is the newest transition of the newest alert of
that rule and place. It is told again after every connection, since a broker may have lost what it kept, and it
is taken away some time after the alert's end.
"""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import aiomqtt
import msgspec
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from schemas.alert_outputs import MQTT_CONTENT_TYPE, MQTT_QOS, MQTT_TOPIC, message_of
from schemas.delivery import Delivery
from streams.clock import wall_us
from streams.deliver.answer import Answer
from streams.deliver.channels import LineChannel, Record, patience
from streams.deliver.line import SECOND_US, Waiting
from streams.deliver.present import Alert, Alerts, Told
from streams.deliver.wording import Wording
from streams.deliver_settings import AlertMqttSettings
from streams.mqtt_client import connection
from streams.settings import DeliverSettings
from streams.tls import client_context

MQTT = "mqtt"
"""Name of the broker among the receivers."""
_SECTION = "deliver.mqtt.tls"

log = structlog.get_logger(__name__)


class NotTakenError(aiomqtt.MqttError):
    """The broker has the message and does not take it; the connection stands."""


class _Client(aiomqtt.Client):
    """A client that also knows whether the broker refused what it acknowledged."""

    refusal: str = ""

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        # The library drops the reason: without it a publication that is not allowed would count as taken.
        self.refusal = str(reason_code) if reason_code.is_failure else ""
        super()._on_publish(client, userdata, mid, reason_code, properties)


class MqttLink:
    """One connection to the broker, made when it is needed.

    Parameters
    ----------
    settings : AlertMqttSettings
    deliver : DeliverSettings
        Its time-outs.

    Raises
    ------
    FatalError
        A certificate file cannot be used.
    """

    def __init__(self, settings: AlertMqttSettings, deliver: DeliverSettings) -> None:
        self._settings = settings
        self._connect_s, self._read_s = deliver.connect_s, deliver.read_s
        self._tls = None if settings.tls is None else client_context(settings.tls, _SECTION)
        self._client: _Client | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._watch is not None and not self._watch.done()

    async def connect(self, lost: asyncio.Event) -> None:
        """Connect anew; `lost` is set when the connection ends. Raises `aiomqtt.MqttError`."""
        await self.close()
        client = _Client(**connection(self._settings, self._tls), timeout=self._connect_s)
        await client.__aenter__()
        self._client = client
        self._watch = asyncio.create_task(_watched(client, lost), name="mqtt connection")

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish and wait for the broker's word.

        Raises
        ------
        NotTakenError
            It refuses.
        aiomqtt.MqttError
            The connection does not stand, or no word came in time.
        """
        if self._client is None:
            raise aiomqtt.MqttError("not connected")
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.ContentType = MQTT_CONTENT_TYPE
        self._client.refusal = ""
        await self._client.publish(
            topic, payload, qos=MQTT_QOS, retain=retain, properties=properties, timeout=self._read_s
        )
        if self._client.refusal:
            raise NotTakenError(f"refused: {self._client.refusal}")

    async def close(self) -> None:
        """Leave the broker, if connected."""
        client, watch = self._client, self._watch
        self._client = self._watch = None
        if watch is not None:
            watch.cancel()
            await asyncio.wait({watch})
        if client is not None:
            with contextlib.suppress(aiomqtt.MqttError):  # it is gone already
                await client.__aexit__(None, None, None)


class MqttChannel(LineChannel):
    """Tells one broker every transition and keeps the present state there.

    Parameters
    ----------
    settings : AlertMqttSettings
    deliver : DeliverSettings
    alerts : Alerts
    wording : Wording
    record : callable
    """

    needs_history = True

    def __init__(
        self, settings: AlertMqttSettings, deliver: DeliverSettings, alerts: Alerts, wording: Wording, record: Record
    ) -> None:
        super().__init__(MQTT, deliver, alerts, record)
        self._prefix = settings.prefix.rstrip("/")
        self._source = deliver.event_source
        self._clear_after_us = round(settings.clear_after_h * 3600 * SECOND_US)
        self._patience = patience(deliver)
        self._wording = wording
        self._link = MqttLink(settings, deliver)
        self._waiting: defaultdict[str, set[int]] = defaultdict(set)
        self._cleared: set[str] = set()
        self._next_try_us = 0

    def add(self, told: Told, *, outdated: bool) -> None:
        """Take a transition."""
        self._waiting[told.transition.alert_id].add(told.transition.seq)
        super().add(told, outdated=outdated)

    async def run(self) -> None:
        """As `Channel.run`; leaves the broker at its end."""
        try:
            await super().run()
        finally:
            await self._link.close()

    def _settle(self, deliveries: Iterable[Delivery]) -> None:
        settled = [msgspec.structs.replace(one, http_status=None) for one in deliveries]
        super()._settle(settled)
        for one in settled:
            self._waiting[one.alert_id].discard(one.seq)
            if not self._waiting[one.alert_id]:
                del self._waiting[one.alert_id]

    async def _serve(self) -> float | None:
        waits = [await super()._serve(), await self._kept_up()]
        return min((wait_s for wait_s in waits if wait_s is not None), default=None)

    async def _send(self, waiting: Waiting) -> Answer:
        one = waiting.told.transition
        try:
            if not self._link.up:
                await self._connected()
            alert = self._alerts[one.alert_id]
            # A late word of a former alert must not take the place of the present one.
            retain = self._alerts.is_current(one.alert_id) and not self._is_over(alert, wall_us())
            await self._link.publish(self._topic(alert), self._payload(waiting.told, late=waiting.late), retain=retain)
        except NotTakenError as error:
            return Answer(None, str(error))
        except aiomqtt.MqttError as error:
            await self._link.close()
            return Answer(None, str(error) or type(error).__name__)
        return Answer(200)

    async def _kept_up(self) -> float | None:
        """Connect where nothing had to be sent, and take away what is over; when to look again."""
        now_us = wall_us()
        if wait_s := self._patience.wait_s(self._next_try_us, now_us):
            return wait_s
        if not self._link.up and len(self):
            return None  # what waits connects when it is due
        try:
            if not self._link.up:
                await self._connected()
                self._heard(Answer(200))
            await self._clear(now_us)
        except aiomqtt.MqttError as error:
            await self._link.close()
            self._heard(Answer(None, str(error) or type(error).__name__))
            jitter = random.random()  # noqa: S311  no secret
            delay_s = self._patience.delay_s(self._failures, jitter)
            self._next_try_us = now_us + round(delay_s * SECOND_US)
            return delay_s
        self._next_try_us = 0
        ends = [alert.ends_us for alert in self._alerts.current() if self._topic(alert) not in self._cleared]
        due_us = min((end_us for end_us in ends if end_us is not None), default=None)
        return None if due_us is None else max(0.0, (due_us + self._clear_after_us - wall_us()) / SECOND_US)

    async def _connected(self) -> None:
        """Connect, and tell again what the broker should keep and has been told."""
        await self._link.connect(self._news)
        log.info("MQTT connected", receiver=self.name)
        now_us = wall_us()
        for alert in list(self._alerts.current()):
            told = alert.newest
            if not self._is_over(alert, now_us) and told.transition.alert_id not in self._waiting:
                await self._keep(alert, self._payload(told, late=False))

    async def _keep(self, alert: Alert, payload: bytes) -> None:
        """Make the broker keep this; what it refuses is passed over, so that the other topics do not suffer."""
        try:
            await self._link.publish(self._topic(alert), payload, retain=True)
        except NotTakenError as error:
            log.warning("MQTT broker keeps no state", receiver=self.name, alert=alert.newest.transition.alert_id,
                        error=str(error), do="may we publish below deliver.mqtt.prefix?")

    async def _clear(self, now_us: int) -> None:
        over = set()
        for alert in list(self._alerts.current()):
            topic = self._topic(alert)
            if self._is_over(alert, now_us):
                over.add(topic)
                if topic not in self._cleared:
                    await self._keep(alert, b"")
                    self._cleared.add(topic)
        self._cleared &= over

    def _is_over(self, alert: Alert, now_us: int) -> bool:
        return alert.ends_us is not None and now_us - alert.ends_us >= self._clear_after_us

    def _topic(self, alert: Alert) -> str:
        one = alert.newest.transition
        site, place, rule = (quote(key, safe="") for key in (one.site, one.place, one.rule))
        return MQTT_TOPIC.format(prefix=self._prefix, site=site, place=place, rule=rule)

    def _payload(self, told: Told, *, late: bool) -> bytes:
        one = told.transition
        event = self._wording.event(told, self._alerts[one.alert_id].starts_us, late=late)
        return msgspec.json.encode(message_of(one, self._source, quote(f"{one.site}/{one.place}"), event))


async def _watched(client: aiomqtt.Client, lost: asyncio.Event) -> None:
    """Until the connection ends: nothing is subscribed, so nothing else comes."""
    with contextlib.suppress(aiomqtt.MqttError):
        async for _ in client.messages:
            pass
    lost.set()
