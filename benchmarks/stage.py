# SPDX-License-Identifier: Apache-2.0
"""What a benchmark runs on: a broker, a database, and programs of Drukte as processes, all on loopback."""

import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks.city import write_city
from benchmarks.feed import Sent
from benchmarks.process import Note, Order, read_notes
from schemas.city import City
from schemas.log import Topic
from streams.settings import KafkaSettings
from streams.storage import migrate
from streams.topics import MESSAGE_BYTES, ensure_topics
from tests.services.cache import kafka_dir, timescale_dir
from tests.services.kafka import KafkaServer
from tests.services.process import Process, ServiceError, free_port, wait_until
from tests.services.timescale import TimescaleServer

LIMIT_S = 300.0
"""No single measurement takes longer; what does has failed."""
LEADERLESS = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE,
              KafkaError.UNKNOWN_TOPIC_OR_PART)
TOPIC_LIMIT_S = 60.0
TICKS_A_S = os.sysconf("SC_CLK_TCK")


class NotRunError(Exception):
    """A benchmark cannot be had here; the text says why."""


class Stage:
    """A broker and, where one is asked for, a database; stopped at the end.

    Parameters
    ----------
    say : callable
        Told what is going on.
    bootstrap, database_uri : str, optional
        Services that run already and are left running.
    """

    def __init__(self, say: Callable[[str], None], bootstrap: str = "", database_uri: str = "") -> None:
        self.say = say
        self._stack = ExitStack()
        self._bootstrap = bootstrap
        self._database_uri = database_uri
        self._folder: Path | None = None
        self._numbers = iter(range(1_000_000))

    def __enter__(self) -> Self:
        folder = tempfile.TemporaryDirectory(prefix="drukte-bench-", ignore_cleanup_errors=True)
        self._folder = Path(self._stack.enter_context(folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def folder(self, name: str) -> Path:
        """A new empty folder."""
        assert self._folder is not None  # noqa: S101  # the stage was entered
        made = self._folder / f"{next(self._numbers)}-{name}"
        made.mkdir()
        return made

    @property
    def bootstrap(self) -> str:
        """Address of the broker, started when first asked for; raises `NotRunError` where none is installed."""
        if not self._bootstrap:
            if not kafka_dir().is_dir():
                raise NotRunError("Kafka is not installed: `make services`")
            self.say("starting Kafka")
            server = KafkaServer(kafka_dir(), self.folder("kafka"), options=())
            self._stack.callback(server.stop)
            server.start()
            self._bootstrap = server.bootstrap
        return self._bootstrap

    @property
    def database_uri(self) -> str:
        """Address of a TimescaleDB, likewise."""
        if not self._database_uri:
            if not timescale_dir().is_dir() or os.geteuid() != 0:
                raise NotRunError("TimescaleDB is not installed, or this is not root: `make services`")
            self.say("starting TimescaleDB")
            server = TimescaleServer(timescale_dir(), self.folder("timescale"))
            self._stack.callback(server.stop)
            server.start()
            self._database_uri = server.uri
        return self._database_uri

    def fresh_database(self) -> str:
        """Address of a new database with Drukte's tables; it goes with its server."""
        name = f"bench_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.database_uri, autocommit=True) as session:
            session.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        uri = make_conninfo(self.database_uri, dbname=name)
        migrate(uri)
        return uri

    def deployment(self, name: str, city_toml: str, partitions: int, settings: str = "") -> "Deployment":
        """A deployment with topics of its own making; earlier ones of this broker are gone.

        Parameters
        ----------
        name : str
        city_toml : str
        partitions : int
        settings : str
            Further tables of `drukte.toml`.
        """
        self.say(f"{name}: city and topics")
        kafka = KafkaSettings(bootstrap=self.bootstrap, partitions=partitions)
        delete_topics(self.bootstrap, [topic.value for topic in Topic])
        wait_until(lambda: _made(kafka), TOPIC_LIMIT_S, "the topics are made")
        folder = self.folder(name.replace(" ", "-"))
        city = write_city(folder / "city.toml", city_toml)
        (folder / "drukte.toml").write_text(
            f'city = "city.toml"\n[kafka]\nbootstrap = "{self.bootstrap}"\npartitions = {partitions}\n{settings}')
        return Deployment(self, folder, city, kafka)


def _made(kafka: KafkaSettings) -> bool:
    try:
        ensure_topics(kafka)
    except Exception as error:  # the broker still deletes the old ones
        if "deletion" in str(error) or "TOPIC_ALREADY_EXISTS" in str(error) or "partitions" in str(error):
            return False
        raise
    return True


def delete_topics(bootstrap: str, names: list[str]) -> None:
    """Delete those of the topics that are there, and wait until they are gone."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})

    def there() -> list[str]:
        return sorted(client.list_topics(timeout=30).topics.keys() & set(names))

    for done in client.delete_topics(found, operation_timeout=30).values() if (found := there()) else ():
        try:
            done.result()
        except KafkaException as error:
            if error.args[0].name() != "UNKNOWN_TOPIC_OR_PART":
                raise
    wait_until(lambda: not there(), TOPIC_LIMIT_S, "old topics are gone")


@dataclass(slots=True)
class Running:
    """One process of a deployment."""

    process: Process
    notes_path: Path
    notes: dict[str, Note] = field(default_factory=dict)

    def wait_noted(self, what: str = "last", limit_s: float = LIMIT_S) -> dict[str, Note]:
        """Wait until it has noted something; all notes. Raises `ServiceError` when it ends before or is late."""
        def noted() -> bool:
            self.notes = read_notes(self.notes_path)
            if what not in self.notes and not alive(self.process.pid):
                raise ServiceError(f"it has ended: {self.process.log_tail()}")
            return what in self.notes
        try:
            wait_until(noted, limit_s, f"{what} is noted")
        except ServiceError as error:
            error.add_note(self.process.log_tail())
            raise
        return self.notes

    def says(self, text: str, limit_s: float = LIMIT_S, times: int = 1) -> None:
        """Wait until its log holds a text so many times."""
        wait_until(lambda: self.process.log.read_text(errors="replace").count(text) >= times, limit_s,
                   f"{self.process.log.name} says {text!r}")


class Deployment:
    """Programs of one `drukte.toml`.

    Parameters
    ----------
    stage : Stage
    folder : Path
        Holds `drukte.toml`.
    city : City
    kafka : KafkaSettings
    """

    def __init__(self, stage: Stage, folder: Path, city: City, kafka: KafkaSettings) -> None:
        self._stage = stage
        self._started = 0
        self.folder = folder
        self.city = city
        self.kafka = kafka

    @contextmanager
    def program(
        self, name: str, *arguments: str, expected: int | None = None, profile: bool = False
    ) -> Iterator[Running]:
        """`drukte NAME` as long as the block lasts; with `expected` messages it notes its times."""
        running = self.start(name, *arguments, expected=expected, profile=profile)
        try:
            yield running
        except BaseException as error:
            error.add_note(f"--- {name}\n{running.process.log_tail()}")
            raise
        finally:
            running.process.stop()

    @contextmanager
    def command(self, name: str, command: list[str], *arguments: str) -> Iterator[Running]:
        """`COMMAND NAME --settings ... ARGUMENTS` as long as the block lasts."""
        running = self._start(name, command, arguments)
        try:
            yield running
        finally:
            running.process.stop()

    def start(self, name: str, *arguments: str, expected: int | None = None, profile: bool = False) -> Running:
        """`drukte NAME`, to be stopped by whoever asks."""
        watched = [sys.executable, "-m", "streams.cli"]
        if expected is not None:
            order = Order(notes=str(self._notes_path()), expected=expected, profile=profile)
            watched = [sys.executable, "-m", "benchmarks.process", msgspec.json.encode(order).decode()]
        return self._start(name, watched, arguments)

    def _notes_path(self) -> Path:
        return self.folder / f"{self._started}.notes"

    def _start(self, name: str, command: list[str], arguments: Sequence[str]) -> Running:
        notes = self._notes_path()
        log = self.folder / f"{name}-{self._started}.log"
        self._started += 1
        whole = ["setpriv", "--pdeathsig=KILL", *command, name, "--settings", str(self.folder / "drukte.toml"),
                 *arguments]
        return Running(Process(whole, log), notes)

    def forget_snapshots(self) -> None:
        """Make `snapshots` anew, and what workers say: the next one folds the log from its beginning."""
        self.remake(Topic.SNAPSHOTS, Topic.LIVE, Topic.ALERTS)

    def remake(self, *topics: Topic) -> None:
        """Make topics anew, empty."""
        delete_topics(self.kafka.bootstrap, [topic.value for topic in topics])
        wait_until(lambda: _made(self.kafka), TOPIC_LIMIT_S, "the topics are made")

    def fill(self, messages: Iterator[Sent], topic: Topic = Topic.SITE_LOG) -> int:
        """Write messages, all at once; how many."""
        producer = quick_producer(self.kafka.bootstrap)
        count = 0
        for partition, headers, value in messages:
            produce(producer, topic.value, value, partition, headers=headers)
            count += 1
        if producer.flush(60):
            raise ServiceError(f"{len(producer)} messages of {topic} were not delivered")
        return count


def quick_producer(bootstrap: str) -> Producer:
    """A producer for filling topics."""
    return Producer({
        "bootstrap.servers": bootstrap, "linger.ms": 20, "batch.size": 1_000_000, "compression.type": "lz4",
        "message.max.bytes": MESSAGE_BYTES, "queue.buffering.max.messages": 1_000_000, "enable.idempotence": True,
    })


def produce(producer: Producer, topic: str, value: bytes, partition: int, **more: object) -> None:
    """Queue a message, waiting for room."""
    while True:
        try:
            producer.produce(topic, value, partition=partition, **more)  # type: ignore[arg-type]
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


class Tail:
    """Every message of some topics, from their beginnings or from now on."""

    def __init__(self, kafka: KafkaSettings, *topics: Topic, from_end: bool = False) -> None:
        self._consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "bench-tail",
                                   "enable.auto.commit": False, "fetch.wait.max.ms": 20, "log_level": 2})
        places = [TopicPartition(topic.value, number) for topic in topics for number in range(kafka.partitions)]
        for place in places:
            place.offset = self._limits(place)[1 if from_end else 0]
        self._consumer.assign(places)
        self.messages: list[tuple[int, Message]] = []
        """With the wall clock in ns at which each was seen."""

    def _limits(self, place: TopicPartition) -> tuple[int, int]:
        """First and next offset; a partition that was just made has no leader for a moment."""
        found: list[tuple[int, int]] = []

        def answered() -> bool:
            try:
                found.append(self._consumer.get_watermark_offsets(place, timeout=30))
            except KafkaException as error:
                if error.args[0].code() not in LEADERLESS:
                    raise
            return bool(found)
        wait_until(answered, TOPIC_LIMIT_S, f"{place.topic}[{place.partition}] has a leader")
        return found[0]

    def listen(self, within_s: float = 0.02) -> list[tuple[int, Message]]:
        """What has come since the last call."""
        found = [message for message in self._consumer.consume(10_000, within_s) if message.error() is None]
        new = [(time.time_ns(), message) for message in found]
        self.messages += new
        return new

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not waited for yet does not."""
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def cpu_s(pid: int) -> float:
    """User and system time of a process with all its threads; raises `OSError` when it has ended."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_A_S


def rss_mb(pid: int) -> float:
    """Resident memory now, MB; raises `OSError` when it has ended."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()


def delete_group(bootstrap: str, group: str) -> bool:
    """Delete a consumer group; false while it has members."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    for deleted in client.delete_consumer_groups([group]).values():
        try:
            deleted.result()
        except KafkaException as error:
            return bool(error.args[0].name() == "GROUP_ID_NOT_FOUND")
    return True


def gateway_settings(source: str, topic: str, *, group: str = "bench-gateway", oldest_s: float = 1e9) -> str:
    """Tables of `drukte.toml` for a gateway that reads `topic`."""
    return (f"[gateway]\nport = {free_port()}\noldest_s = {oldest_s}\nskew_s = {oldest_s}\n"
            f'[gateway.edge]\ntopic = "{topic}"\nsource = "{source}"\ngroup = "{group}"\n')
