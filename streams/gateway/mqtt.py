# SPDX-License-Identifier: Apache-2.0
"""MQTT: readings of a broker, acknowledged to it only when Kafka has them.

The broker keeps a session for our client id: what comes while we are away, and what we have not acknowledged, it
sends when we are back. So nothing is lost between it and the log; what comes twice, the fold takes once.
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import NoReturn

import aiomqtt
import structlog
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from schemas.errors import RefusedError, TransientError
from streams.backoff import delay_s
from streams.door_settings import MqttSettings
from streams.gateway.door_states import DoorState
from streams.gateway.intake import Intake, whole_refusal
from streams.mqtt_client import connection
from streams.tls import client_context, failure

UNACKNOWLEDGED = 256
"""Most messages that the broker sends ahead of our acknowledgements; they go into the log together."""
MESSAGE_BYTES = 1_000_000
"""Larger messages the broker keeps to itself."""
AT_LEAST_ONCE = 1

log = structlog.get_logger(__name__)


class MqttDoor:
    """The way from a broker to the log.

    Parameters
    ----------
    settings : MqttSettings
    intake : Intake
    state : DoorState
    """

    def __init__(self, settings: MqttSettings, intake: Intake, state: DoorState) -> None:
        self._settings = settings
        self._intake = intake
        self._tls = None if settings.tls is None else client_context(settings.tls, "gateway.mqtt.tls")
        self._state = state

    async def run(self) -> NoReturn:
        """Take messages in for ever; cancel it to stop. What is not acknowledged then comes again."""
        failures = 0
        while True:
            before = self._state.messages
            try:
                async with self._client() as client:
                    await self._subscribe(client)
                    self._state.connected = True
                    self._state.succeeded()
                    log.info("MQTT connected", broker=self._settings.host, filters=len(self._settings.topics))
                    await self._take_all(client)
            except aiomqtt.MqttError as error:
                failures = 1 if self._state.messages > before else failures + 1
                self._state.failed()
                log.warning("MQTT away", broker=self._settings.host, error=_why(error), failures=failures,
                            do="is the broker running? see gateway.mqtt")
            finally:
                self._state.connected = False
            await asyncio.sleep(delay_s(failures))

    def _client(self) -> aiomqtt.Client:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.SessionExpiryInterval = self._settings.session_s
        properties.ReceiveMaximum = UNACKNOWLEDGED
        properties.MaximumPacketSize = MESSAGE_BYTES
        client = aiomqtt.Client(**connection(self._settings, self._tls), clean_start=False, properties=properties)
        _paho(client).manual_ack_set(True)
        return client

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        filters = self._settings.topics
        codes = await client.subscribe([(one, SubscribeOptions(qos=AT_LEAST_ONCE)) for one in filters])
        for wanted, code in zip(filters, codes, strict=True):
            if isinstance(code, ReasonCode) and code.is_failure:
                raise aiomqtt.MqttError(f"the broker refuses the subscription to {wanted!r}")

    async def _take_all(self, client: aiomqtt.Client) -> NoReturn:
        messages = client.messages
        while True:
            waiting = [await anext(messages)]
            while len(messages) and len(waiting) < UNACKNOWLEDGED:
                waiting.append(await anext(messages))
            await self._take(waiting)
            for message in waiting:
                _paho(client).ack(message.mid, message.qos)
            self._state.took(messages=len(waiting))
            self._state.succeeded()

    async def _take(self, waiting: Sequence[aiomqtt.Message]) -> None:
        """Return when every message is in the log or refused; all are tried again in their order."""
        failures = 0
        while True:
            failed = await self._try(waiting)
            if not failed:
                return
            failures += 1
            self._state.failed()
            log.warning("MQTT waits for the log", reason=str(failed[0]), failures=failures)
            await asyncio.sleep(delay_s(failures))

    async def _try(self, waiting: Sequence[aiomqtt.Message]) -> list[TransientError]:
        """Hand all of them in; what kept some of them from the log, for now."""
        by_source: dict[str | None, list[aiomqtt.Message]] = {}
        for message in waiting:
            by_source.setdefault(self._source(message), []).append(message)
        ends = await asyncio.gather(
            *(self._take_source(source, messages) for source, messages in by_source.items()), return_exceptions=True)
        away: list[TransientError] = []
        for end in ends:
            if isinstance(end, TransientError):
                away.append(end)
            elif end is not None:
                raise end
        return away

    async def _take_source(self, source: str | None, messages: Sequence[aiomqtt.Message]) -> None:
        bodies = [one.payload for one in messages]
        if source is not None and len(bodies) > 1 and await self._intake.take_flawless(source, bodies):
            return
        # Tasks start in the order in which they are given: so do the readings of small messages.
        ends = await asyncio.gather(*(self._take_one(source, one) for one in messages), return_exceptions=True)
        for end in ends:
            if end is not None:
                raise end

    async def _take_one(self, source: str | None, message: aiomqtt.Message) -> None:
        if source is None:
            # A filter of former settings, which the session of the broker still has.
            log.warning("MQTT message of no filter", do="give the session another client_id, or add the filter")
            return
        try:
            taken = await self._intake.take(source, message.payload, {"topic": message.topic.value})
        except RefusedError as refused:  # counted, and in the dead letters
            self._state.took([whole_refusal(refused)], messages=0)
        else:
            self._state.took(taken.refused, messages=0)

    def _source(self, message: aiomqtt.Message) -> str | None:
        for wanted, source in self._settings.topics.items():
            if message.topic.matches(wanted):
                return source
        return None


def _why(error: aiomqtt.MqttError) -> str:
    if isinstance(error.__cause__ or error.__context__, ssl.SSLError):
        return failure(error, "gateway.mqtt.tls.ca_file")
    return str(error) or type(error).__name__


def _paho(client: aiomqtt.Client) -> PahoClient:
    return client._client  # noqa: SLF001  # aiomqtt has no acknowledging by hand; a test on a real broker holds it
