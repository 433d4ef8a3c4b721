# SPDX-License-Identifier: Apache-2.0
"""The Faust application: messages of `site-log` in, effects out, one partition at a time in offset order."""

import asyncio
import time
import traceback
from dataclasses import replace
from functools import partial
from typing import Any

import faust
import structlog
from faust.types import TP
from yarl import URL

from schemas.city import City
from schemas.command import Adopt
from schemas.errors import DrukteError, FatalError, RefusedError
from schemas.log import Kind, LogMessage, Topic, decode_log
from streams.settings import Settings
from streams.topics import MESSAGE_BYTES, SNAPSHOT_BYTES
from streams.worker.adoption import Adopter
from streams.worker.credentials import broker_credentials
from streams.worker.effects import Outgoing, dead_letter, in_messages, outgoing
from streams.worker.folds import Fold, Folds
from streams.worker.gaps import Gap, gap_letter, log_time_text
from streams.worker.lean import QuietMonitor, Untouched
from streams.worker.no_tables import FolderlessApp, NoTables
from streams.worker.offsets import OwnOffsetsTransport
from streams.worker.publish import Publisher
from streams.worker.restore import Restorer

IDLE_S = 1.0
"""How often Faust looks whether it is to stop while no message comes."""
AT_ONCE_S = 0.02
"""After so long effects, heartbeats and snapshots have their turn: messages that pass much time take long."""
BUFFER_BUNDLES = 4
"""Read ahead of the fold; a bundle is what one fetch brought of a partition, some `MESSAGE_BYTES` at most."""
MOCK_SESSION_S = 6.0
"""The mock cluster lets a new member wait that long."""
SEND_S = 120.0
"""An effect that the broker has not taken by then ends the process."""
WATCH_S = 30.0
NEVER_S = 10 * 365 * 86_400.0
"""For Faust's own complaints about commits: this worker makes none."""

log = structlog.get_logger(__name__)


def make_app(settings: Settings, city: City, folds: Folds, instance: str) -> faust.App:
    """The application, not started.

    Parameters
    ----------
    settings : Settings
    city : City
    folds : Folds
        Empty; the application fills it as it gets partitions.
    instance : str
        Static member id: the same worker, restarted in time, gets its partitions back without a rebalance.
    """
    kafka = settings.kafka
    urls = [URL(f"kafka://{address.strip()}") for address in kafka.bootstrap.split(",")]
    # zstd: aiokafka's lz4 compresses at its slowest level, 30 times slower and larger.
    app = FolderlessApp(
        "drukte-worker", broker=urls, broker_credentials=broker_credentials(kafka),
        store="memory://",
        key_serializer="raw", value_serializer="raw",
        consumer_group_instance_id=instance, consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MESSAGE_BYTES,
        broker_session_timeout=MOCK_SESSION_S if kafka.mock else settings.worker.session_s, broker_request_timeout=40.0,
        broker_heartbeat_interval=2.0 if kafka.mock else 1.0,
        broker_commit_livelock_soft_timeout=NEVER_S, stream_processing_timeout=NEVER_S,
        stream_wait_empty=False, stream_buffer_maxsize=BUFFER_BUNDLES,
        producer_linger=0.005, producer_max_batch_size=65_536, producer_max_request_size=SNAPSHOT_BYTES,
        producer_compression_type="zstd", producer_request_timeout=SEND_S,
        topic_allow_declare=False, topic_disable_leader=True,
        web_enabled=False, web_tables_enabled=False, worker_redirect_stdouts=False, autodiscover=False,
        Monitor=QuietMonitor, TableManager=NoTables,
    )
    app.transport = OwnOffsetsTransport(urls, app, folds, Restorer(kafka, folds.cities), Adopter(settings, city))
    worker = FoldingWorker(app, folds)
    site_log = app.topic(Topic.SITE_LOG.value, schema=Untouched())
    app.agent(site_log, name="fold")(worker.fold)
    app.on_partitions_revoked.connect(worker.on_revoked, weak=False)
    app.timer(WATCH_S, name="watch")(worker.watch)
    publisher = Publisher(app, folds, kafka.partitions)
    app.timer(settings.worker.snapshot_s, name="snapshots")(publisher.publish_due)

    app.on_before_shutdown.connect(publisher.on_before_shutdown, weak=False)
    return app


class FoldingWorker:
    """What happens to messages and to effects.

    Parameters
    ----------
    app : faust.App
    folds : Folds
    """

    def __init__(self, app: faust.App, folds: Folds) -> None:
        self._app = app
        self._folds = folds
        self._crashes: set[asyncio.Task[None]] = set()
        self._watched: dict[int, int] = {}
        self.counters = folds.counters

    async def fold(self, stream: Any) -> None:
        """The agent. Nothing leaves it but by ending the process: Faust would drop the batch and go on."""
        async for events in stream.noack_take(1, within=IDLE_S):
            failure = await self._failure_of(events[0].message)
            if failure is not None:
                log.critical("worker ends", reason=str(failure))
                await self._app.crash(failure)
                await asyncio.Event().wait()

    async def _failure_of(self, bundle: Any) -> DrukteError | None:
        record = bundle.value[0]
        try:
            began_s = time.monotonic()
            for record in bundle.value:
                await self._take(record, bundle.generation_id)
                if time.monotonic() - began_s >= AT_ONCE_S:
                    await asyncio.sleep(0)
                    began_s = time.monotonic()
        except DrukteError as error:
            return error
        except Exception as error:  # noqa: BLE001  # whatever it is, the process has to end
            # Its text may hold a value that nobody is to see: the kind and the place have to do.
            frames = traceback.extract_tb(error.__traceback__)[-4:]
            lines = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
            place = f"{record.topic}[{record.partition}]@{record.offset}"
            return FatalError(f"{place}: {type(error).__name__} at {lines}; this is a bug")
        return None

    async def on_revoked(self, app: Any, /, *revoked: Any, **_: Any) -> None:
        """Forget what may soon be another worker's; if it comes back it is folded anew."""
        del app
        for tp in revoked[0]:
            self._folds.drop(tp.partition)

    async def watch(self) -> None:
        """End the process when messages wait and none was folded in since the last look."""
        folds = [] if self._app.rebalancing else self._folds.held()
        if not folds:
            self._watched.clear()
            return
        partitions = {TP(Topic.SITE_LOG.value, fold.number): fold for fold in folds}
        ends = await self._app.consumer.highwaters(*partitions)
        for tp, fold in partitions.items():
            if ends[tp] > fold.next_offset == self._watched.get(fold.number):
                await self._app.crash(FatalError(
                    f"{tp.topic}[{tp.partition}] has stood at {fold.next_offset} of {ends[tp]} for "
                    f"{WATCH_S:g} s: the consumer is stuck; restart"
                ))
        self._watched = {fold.number: fold.next_offset for fold in folds}

    async def _take(self, record: Any, generation: int) -> None:
        fold = self._folds.get(record.partition)
        if fold is None or generation != self._app.consumer_generation_id:
            # From before a rebalance; whoever holds the partition now reads it again.
            self.counters["stale"] += 1
            return
        if record.offset < fold.next_offset:
            self.counters["repeated"] += 1
            return
        if record.offset > fold.next_offset:
            await self._check_log_begins_at(fold, record.offset)
        size = len(record.value or b"")
        place = (record.topic, fold.number, record.offset)
        append_us = record.timestamp * 1000
        try:
            decoded = await self._resolved(decode_log(record.headers, record.value))
            if self._folds.get(fold.number) is not fold:
                self.counters["stale"] += 1  # taken away while its city version was read
                return
            self._folds.place_in_time(fold, decoded, append_us)
            effects = fold.state.step(_not_of_another_start(fold, record.offset, decoded), append_us)
        except RefusedError as refused:
            self.counters["refused"] += 1
            log.warning("message refused", reason=str(refused.reason), partition=fold.number,
                        offset=record.offset, size=size)
            letters = [dead_letter(refused, place, size, append_us)]
        else:
            letters = [
                outgoing(effect, fold.number, record.offset, position)
                for position, effect in enumerate(in_messages(effects))
            ]
            if (gap := fold.gap) is not None:
                letters.append(self._passed(gap, fold, append_us))
        fold.advance(record.offset, len(letters))
        for letter in letters:
            await self._send(letter, fold, record.offset)

    async def _resolved(self, message: LogMessage) -> LogMessage:
        """With the content of the city version that the message is about, if it is."""
        if message.change is None:
            return message
        return await asyncio.to_thread(self._folds.cities.resolved, message)

    async def _check_log_begins_at(self, fold: Fold, offset: int) -> None:
        """A hole is allowed only before the first message, where the log itself was cut meanwhile."""
        if fold.untouched:
            tp = TP(Topic.SITE_LOG.value, fold.number)
            earliest = await self._app.consumer.earliest_offsets(tp)
            if offset <= earliest[tp]:
                fold.skip_to(offset)
                return
        raise FatalError(
            f"{Topic.SITE_LOG}[{fold.number}]: offset {offset} came where {fold.next_offset} was due; "
            "messages are missing: the process ends and a restart folds the log anew"
        )

    def _passed(self, gap: Gap, fold: Fold, append_us: int) -> Outgoing:
        """Tell of a hole that log time has now passed, once."""
        fold.gap = None
        self.counters["lost"] += gap.messages
        until_us = fold.state.log_time_us
        log.error("messages were lost", place=gap.place, messages=gap.messages,
                  log_time_from=log_time_text(gap.from_us), log_time_until=log_time_text(until_us),
                  what="they aged out of the log before they were folded; the windows in it are told as missing")
        return gap_letter(gap, until_us, append_us)

    async def _send(self, letter: Outgoing, fold: Fold, offset: int) -> None:
        sent = await self._app.producer.send(
            letter.topic.value, letter.key, letter.value, letter.partition, None, letter.headers
        )
        asyncio.ensure_future(sent).add_done_callback(partial(self._sent, fold, offset))

    def _sent(self, fold: Fold, offset: int, sent: asyncio.Future[Any]) -> None:
        if sent.cancelled():
            return  # it stays unacknowledged: no later snapshot is told
        error = sent.exception()
        if error is None:
            fold.unacknowledged.acknowledge(offset)
        else:
            kind = type(error).__name__
            failure = FatalError(f"an effect could not be sent ({kind}); is the broker running?")
            log.critical("worker ends", reason=str(failure))
            task = asyncio.ensure_future(self._app.crash(failure))
            self._crashes.add(task)
            task.add_done_callback(self._crashes.discard)


def _not_of_another_start(fold: Fold, offset: int, decoded: LogMessage) -> LogMessage:
    """Of an adoption that an earlier cold start appended only the time counts: what came of it stands in ours."""
    if fold.adopts_at is None or offset >= fold.adopts_at or not isinstance(decoded.command, Adopt):
        return decoded
    return replace(decoded, kind=Kind.TICK, command=None)
