# SPDX-License-Identifier: Apache-2.0
"""Deliver as a process: what was told before is read back, then every receiver has a task of its own."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TypeVar

import structlog

from schemas.city import City
from schemas.delivery import Delivery
from schemas.errors import FatalError, TransientError
from schemas.log import Clock, Topic
from streams import metrics
from streams.backoff import StoppedError, retried
from streams.cities import Cities
from streams.clock import now_us, wall_us
from streams.deliver.cap_channel import FEED, CapChannel, CapFeedChannel, Standing, documents
from streams.deliver.cap_wording import CapWording
from streams.deliver.channels import ALERTMANAGER, AlertmanagerChannel, Channel, WebhookChannel
from streams.deliver.dispatch import Dispatch, deliveries
from streams.deliver.log import TopicReader
from streams.deliver.mqtt_channel import MQTT, MqttChannel
from streams.deliver.post import Caller
from streams.deliver.present import Alerts
from streams.deliver.record import Recorder
from streams.deliver.watchdog import Heartbeat, Watchdog
from streams.deliver.wording import Wording
from streams.kafka_client import check_admitted
from streams.metrics import Figure
from streams.settings import DeliverSettings, KafkaSettings, Settings
from streams.topics import ensure_topics

POLL_S = 0.2
CITY_S = 2.0
"""How often topic `city` and the clock are looked at, and for how long it is read."""
STOP_S = 5.0
"""How long a stopping process waits for calls under way, and again for the broker."""
FORGET_AFTER_S = 8 * 86_400
"""A closed alert is forgotten after a day more than its topic keeps it."""
FORGET_EVERY_S = 3600.0

log = structlog.get_logger(__name__)
T = TypeVar("T")


def run_deliver(settings: Settings, city: City, stop: threading.Event | None = None) -> None:
    """Tell alerts until `stop` is set. One process for a deployment: a second would tell everything twice.

    Parameters
    ----------
    settings : Settings
    city : City
        Names of places and levels.
    stop : threading.Event, optional
        Without one SIGTERM and SIGINT stop it; it must then run in the main thread.

    Raises
    ------
    FatalError
        The settings name no receiver or one twice, the topics are not as planned, or the broker refuses.
    """
    check_receivers(settings.deliver)
    if stop is None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, partial(_set, stop))
    check_admitted(settings.kafka)
    asyncio.run(_Deliver(settings, city, stop).run())


def _set(stop: threading.Event, *_: object) -> None:
    stop.set()


def check_receivers(deliver: DeliverSettings) -> None:
    """Raise `FatalError` where the settings name no receiver, two of one name, or CAP without a sender."""
    names = [webhook.name for webhook in deliver.webhooks] + [receiver.name for receiver in deliver.cap]
    if not names and deliver.alertmanager is None and deliver.cap_feed is None and deliver.mqtt is None:
        raise FatalError(
            "drukte.toml: [deliver] names no receiver; add [deliver.alertmanager], [[deliver.webhooks]], "
            "[[deliver.cap]], [deliver.cap_feed] or [deliver.mqtt]"
        )
    taken = {ALERTMANAGER, FEED, MQTT}
    if len({*names, *taken}) < len(names) + len(taken):
        raise FatalError(
            "drukte.toml: deliver.webhooks and deliver.cap: each needs a name of its own, and "
            f"{ALERTMANAGER!r}, {FEED!r} and {MQTT!r} are taken"
        )
    if deliver.cap_document is None and (deliver.cap or deliver.cap_feed is not None):
        raise FatalError(
            "drukte.toml: deliver.cap and deliver.cap_feed need a section [deliver.cap_document] with "
            'sender = "NAME@ORGANISATION"'
        )


class _Deliver:
    def __init__(self, settings: Settings, city: City, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._alerts = Alerts()
        self._cities = Cities(city, settings.kafka)
        self._city = city
        deliver = settings.deliver
        self._wording = Wording(city, deliver.alert_url)
        self._cap = None if deliver.cap_document is None else CapWording(
            city, self._wording, deliver.cap_document, deliver.alert_url)
        self._recorder = Recorder(settings.kafka)
        self._forget_at_s = time.monotonic() + FORGET_EVERY_S
        self._told: Sequence[Channel] = ()
        self._messages = 0
        self._known = asyncio.Event()
        self._heartbeat: Heartbeat | None = None

    def figures(self) -> Iterator[Figure]:
        """The metrics of this moment."""
        yield Figure(metrics.MESSAGES, self._messages)
        yield Figure(metrics.WAITING, len(self._recorder), "records")
        for channel in self._told:
            yield Figure(metrics.WAITING, len(channel), f"receiver {channel.name}")
            yield Figure(metrics.RECEIVER_FAILURES, channel.failures, channel.name)

    async def run(self) -> None:
        with metrics.metrics_endpoint(self._settings.metrics, metrics.Process.DELIVER, self.figures):
            await self._run()

    async def _run(self) -> None:
        reader = TopicReader(self._settings.kafka, Topic.ALERTS)
        try:
            async with AsyncExitStack() as stack:
                await self._serve(reader, await self._channels(stack))
        except StoppedError:
            log.info("stopped while waiting for the broker")
        finally:
            left = await asyncio.to_thread(self._recorder.close, STOP_S)
            await asyncio.to_thread(reader.close)
            if left:
                log.error("records not written", records=left,
                          what="after the next start receivers are told these again under the same key")
            log.info("deliver stopped")

    async def _channels(self, stack: AsyncExitStack) -> list[Channel]:
        deliver, record = self._settings.deliver, self._recorder.record
        found: list[Channel] = []
        if deliver.alertmanager is not None:
            caller = await stack.enter_async_context(_caller(
                deliver, _alerts_url(deliver.alertmanager.url), deliver.alertmanager.ca_file))
            found.append(AlertmanagerChannel(deliver, caller, self._alerts, self._wording, record))
            if deliver.watchdog.heartbeat:
                self._heartbeat = Heartbeat(caller, deliver.resend_s)
        for webhook in deliver.webhooks:
            caller = await stack.enter_async_context(_caller(deliver, webhook.url, webhook.ca_file))
            found.append(WebhookChannel(webhook, deliver, caller, self._alerts, self._wording, record))
        if self._cap is not None and deliver.cap_document is not None:
            found += await self._cap_channels(stack, self._cap, deliver.cap_document.sender)
        if deliver.mqtt is not None:
            found.append(MqttChannel(deliver.mqtt, deliver, self._alerts, self._wording, record))
        return found

    async def _cap_channels(self, stack: AsyncExitStack, wording: CapWording, sender: str) -> list[Channel]:
        deliver, document = self._settings.deliver, documents(self._alerts, wording)
        standing = Standing(self._alerts, wording.expires_us, self._present_us)
        found: list[Channel] = []
        for receiver in deliver.cap:
            caller = await stack.enter_async_context(_caller(deliver, receiver.url, receiver.ca_file))
            found.append(CapChannel(receiver, deliver, caller, standing, document, self._recorder.record))
        if deliver.cap_feed is not None:
            found.append(CapFeedChannel(deliver.cap_feed, deliver, sender, standing, document))
        return found

    def _present_us(self) -> int | None:
        """The deployment's moment, once all alerts are known; a clock of recorded data has none."""
        clock = self._settings.clock
        return now_us(clock) if self._known.is_set() and clock.kind is not Clock.DATA else None

    async def _serve(self, reader: TopicReader, channels: Sequence[Channel]) -> None:
        self._told = channels
        dispatch = Dispatch(self._alerts, channels)
        self._watchdog = Watchdog(self._settings, self._city, self._wording.engine, dispatch.tell)
        await self._run_tasks(reader, dispatch, channels)

    async def _read_back(self, reader: TopicReader, dispatch: Dispatch) -> None:
        """Take in what is so already; whatever needs that begins afterwards."""
        kafka, stopped = self._settings.kafka, self._stop.is_set
        await self._retried(lambda: ensure_topics(kafka, STOP_S))
        recorded = await self._retried(lambda: _read_deliveries(kafka, stopped))
        history = await self._retried(lambda: list(reader.read_to_end(stopped)))
        if stopped():
            raise StoppedError  # what was read may not be all
        dispatch.remember(recorded)
        for read in history:
            dispatch.take(read)
        self._watchdog.resume(recorded, {channel.name for channel in self._told})
        self._messages = len(history)
        dispatch.forget_records()
        log.info("delivering", receivers=[channel.name for channel in self._told], alerts_known=len(self._alerts))
        self._known.set()

    async def _run_tasks(self, reader: TopicReader, dispatch: Dispatch, channels: Sequence[Channel]) -> None:
        following = asyncio.create_task(self._follow(reader, dispatch), name="alerts")
        serving = [
            asyncio.create_task(self._follow_city(), name="city"), asyncio.create_task(self._watch(), name="watchdog")]
        serving += [asyncio.create_task(self._run_channel(channel), name=channel.name) for channel in channels]
        try:
            await asyncio.wait({following, *serving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            for channel in channels:
                channel.stop()
            self._known.set()
            _, late = await asyncio.wait({following, *serving}, timeout=STOP_S)
            for task in late:
                log.warning("call given up", receiver=task.get_name(),
                            what="it may have arrived; after the next start it is told again under the same key")
                task.cancel()
            ended = await asyncio.gather(following, *serving, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _run_channel(self, channel: Channel) -> None:
        if channel.needs_history:
            await self._known.wait()
        await channel.run()

    async def _watch(self) -> None:
        stopped = self._stop.is_set
        watching = [self._watchdog.run(stopped)]
        if self._heartbeat is not None:
            watching.append(self._heartbeat.run(stopped, self._stop.wait))
        await asyncio.gather(*watching)
        await asyncio.to_thread(self._stop.wait)

    async def _follow(self, reader: TopicReader, dispatch: Dispatch) -> None:
        await self._read_back(reader, dispatch)
        while not self._stop.is_set():
            for read in await asyncio.to_thread(reader.poll, POLL_S):
                dispatch.take(read)
                self._messages += 1
            self._recorder.poll()
            if time.monotonic() > self._forget_at_s:
                self._forget_at_s = time.monotonic() + FORGET_EVERY_S
                self._alerts.forget_closed(wall_us() - FORGET_AFTER_S * 1_000_000)

    async def _follow_city(self) -> None:
        await self._known.wait()
        while not self._stop.is_set():
            try:
                await asyncio.to_thread(self._cities.refresh, CITY_S)
            except TransientError as error:
                log.warning("city versions not read", error=str(error))
            present = self._cities.present(self._settings.clock)
            if present is not self._city:
                log.info("city version in force", version=present.version)
                self._city = present
                self._wording.take_over(present)
                self._watchdog.take_over(present)
                if self._cap is not None:
                    self._cap.take_over(present)
            await asyncio.to_thread(self._stop.wait, CITY_S)

    async def _retried(self, action: Callable[[], T]) -> T:
        return await asyncio.to_thread(retried, action, self._stop)


def _caller(deliver: DeliverSettings, url: str, ca_file: str | None) -> Caller:
    return Caller(url, deliver.connect_s, deliver.read_s, ca_file)


def _alerts_url(url: str) -> str:
    return url.rstrip("/") + "/api/v2/alerts"


def _read_deliveries(kafka: KafkaSettings, stopped: Callable[[], bool]) -> list[Delivery]:
    reader = TopicReader(kafka, Topic.DELIVERIES)
    try:
        return deliveries(reader.read_to_end(stopped))
    finally:
        reader.close()
