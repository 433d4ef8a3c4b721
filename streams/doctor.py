# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a deployment: one check after the other, each with a time limit, none changes anything."""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

import msgspec
import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition
from psycopg import errors, sql

from schemas.city import City
from schemas.errors import DrukteError, TransientError
from schemas.ids import IdKind
from schemas.live import LiveTable
from schemas.log import Clock, Topic
from streams import door_health, losses, storage
from streams.city_files import load_city
from streams.core.layout import partition_of_site
from streams.findings import Finding as Finding  # also read from here
from streams.findings import Grade as Grade  # also read from here
from streams.findings import bad, ok, warn, warn_of
from streams.kafka_client import connection
from streams.scorecard import integrity_events
from streams.settings import DEFAULT_PATH, KafkaSettings, Settings, load_settings
from streams.topics import topic_faults
from streams.writer.rows import TOPICS

CHECK_S = 12.0
"""A check that has no answer by then is given up."""
CALL_S = 3.0
"""For one question to the broker or the database."""
MOVES_WITHIN_S = 5.0
"""A gateway sends a tick a second to a silent partition; a writer that runs writes within this time."""
ROWS_WITHIN_S = 300.0
"""A row of a minute is out after the largest allowed delay (150 s for roads) and some patience."""
BEHIND_MESSAGES = 1_000
LIVE_H = 72.0
LIVE_SLACK_H = 8.0
"""A chunk of 6 hours goes when all of it is too old; the timer runs every hour."""
SENSORS_SHOWN = 5

Place = tuple[str, int]


def examine(settings_path: Path | None) -> Iterator[Finding]:
    """Run all checks; each finding comes as soon as it is known.

    A check whose ground is missing (no broker, no database) says that it was not made, as a warning.

    Parameters
    ----------
    settings_path : Path, optional
        As `streams.settings.load_settings` takes it.
    """
    read: list[Settings] = []

    def settings_are_sound() -> Finding:
        read.append(load_settings(settings_path))
        return ok(f"{settings_path or DEFAULT_PATH}: sound")

    yield _within_limit("settings", settings_are_sound)
    if not read:
        return
    settings = read[0]
    cities: list[City] = []
    yield _within_limit("city", lambda: _city(settings.city, cities))
    yield from _kafka_findings(settings, cities[0] if cities else None)
    if door_health.has_doors(settings.gateway):
        yield _within_limit("doors", lambda: _doors(settings))
    yield from _database_findings(settings)


def _within_limit(check: str, look: Callable[[], Finding]) -> Finding:
    found: list[Finding] = []

    def run() -> None:
        found.append(_told(look))

    # A daemon: one that hangs must not keep the doctor from ending.
    thread = threading.Thread(target=run, name=check, daemon=True)
    thread.start()
    thread.join(CHECK_S)
    finding = found[0] if found else bad(f"no answer within {CHECK_S:g} s", "look at the network and at the server")
    return msgspec.structs.replace(finding, check=check)


def _told(look: Callable[[], Finding]) -> Finding:
    """The finding, or what stood in its way."""
    try:
        return look()
    except DrukteError as error:
        return bad(str(error), "mend it as the text says")
    except KafkaException as error:
        return bad(f"broker: {error.args[0].str()}", "is it running, and kafka.bootstrap right?")
    except psycopg.Error as error:
        # Only class and code: the text may repeat a value of a row or of the address.
        return bad(f"database: {type(error).__name__} {error.sqlstate or ''}".rstrip(),
                    "was `drukte db migrate` run, and is this the writer's account?")
    except Exception as error:  # noqa: BLE001  # the other checks are to go on
        return bad(f"the check itself failed ({type(error).__name__})", "this is a bug of `drukte doctor`; report it")


def _not_made(check: str, why: str) -> Finding:
    return Finding(check=check, grade=Grade.WARN, says=f"not looked at: {why}", do="mend that, then ask again")


def _city(path: Path, cities: list[City]) -> Finding:
    city = load_city(path)
    cities.append(city)
    today = dt.datetime.now(dt.UTC).date()
    ended = sorted(key for key, sensor in city.file.sensors.items() if sensor.end < today)
    if ended:
        more = "" if len(ended) <= SENSORS_SHOWN else ", ..."
        return warn(f"{path}: sound, but the dates of {len(ended)} sensors have ended: "
                     f"{', '.join(ended[:SENSORS_SHOWN])}{more}",
                     "their readings are refused: renew `end` or take the sensors out")
    return ok(f"{path}: version {city.version}, {len(city.file.zones)} zones, {len(city.file.sensors)} sensors")


def _kafka_findings(settings: Settings, city: City | None) -> Iterator[Finding]:
    kafka = settings.kafka
    with closing(_Topics(kafka)) as topics:
        broker = _within_limit("broker", topics.reachable)
        yield broker
        looks: dict[str, Callable[[], Finding]] = {
            "topics": lambda: _planned(kafka),
            "site-log": topics.log_moves,
            "live": lambda: topics.rows_are_new(_partitions_with_sites(city, kafka.partitions)),
            "alerts": topics.alerts_are_there,
            "lost": lambda: _folded_all(kafka),
            "writer": lambda: _writer(settings, topics),
        }
        for check, look in looks.items():
            away = broker.grade is Grade.BAD
            yield _not_made(check, "the broker does not answer") if away else _within_limit(check, look)


def _doors(settings: Settings) -> Finding:
    return warn_of(door_health.failing_doors(settings), "the gateway's log says why: look for lines with `failures`",
                    "MQTT, pulls and folders of the gateway work")


def _planned(kafka: KafkaSettings) -> Finding:
    faults = topic_faults(kafka, CALL_S)
    if faults:
        return bad("; ".join(faults), "a starting gateway makes what is missing; mend the rest by hand")
    return ok("all there (mock broker)" if kafka.mock else "all there, with the planned partitions and retention")


def _partitions_with_sites(city: City | None, partitions: int) -> set[int]:
    if city is None:
        return set()
    return {partition_of_site(city.ids[IdKind.SITE][key], partitions) for key in city.file.sites}


class _Topics:
    """Questions to the broker; joins no group and commits nothing."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._bootstrap = kafka.bootstrap
        self._consumer = Consumer({
            **connection(kafka),
            "client.id": "drukte-doctor",
            "group.id": "drukte-doctor",  # the library asks for one; it is never joined
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "fetch.wait.max.ms": 100,
            "log_level": 2,
            "error_cb": lambda _: None,  # what is wrong is a finding, not a line in a log
        })

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def reachable(self) -> Finding:
        about = self._consumer.list_topics(timeout=CALL_S)
        return ok(f"{self._bootstrap}: answers, {len(about.brokers)} brokers")

    def limits(self, topic: str) -> dict[Place, tuple[int, int]]:
        """First and next offset of every partition; raises `TransientError` where the topic is not there."""
        about = self._consumer.list_topics(timeout=CALL_S).topics.get(topic)
        if about is None:
            raise TransientError(f"topic {topic} is not there")
        found = {}
        for number in about.partitions:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=CALL_S)
            found[topic, number] = (low, high)
        return found

    def log_moves(self) -> Finding:
        before = {place: high for place, (_, high) in self.limits(Topic.SITE_LOG.value).items()}
        still = set(before)
        for _ in _until(MOVES_WITHIN_S):
            now = self.limits(Topic.SITE_LOG.value)
            still = {place for place in still if now[place][1] <= before[place]}
            if not still:
                return ok("moves in every partition")
        numbers = sorted(number for _, number in still)
        return bad(f"nothing new within {MOVES_WITHIN_S:g} s in partitions {numbers}; not even a tick",
                    "start `drukte gateway`, or look at its log and its /health")

    def rows_are_new(self, wanted: set[int]) -> Finding:
        ages_s = self._ages_s(Topic.LIVE)
        if not ages_s:
            return warn("no rows yet", "a worker tells the first rows some minutes after its start; does one run?")
        told = wanted or set(ages_s)
        late = sorted(number for number, age_s in ages_s.items() if number in told and age_s > ROWS_WITHIN_S)
        if late:
            oldest = max(ages_s[number] for number in late)
            return bad(f"no new rows for {_duration(oldest)} in partitions {late}",
                        "start `drukte worker`, or look at its log")
        silent = sorted(wanted - ages_s.keys())
        if silent:
            return warn(f"no rows yet in partitions {silent}, which hold sites",
                         "a worker tells the first rows some minutes after its start; does one run?")
        return ok(f"the newest rows are {_duration(max(ages_s.values()))} old at most")

    def alerts_are_there(self) -> Finding:
        ages_s = self._ages_s(Topic.ALERTS)
        if not ages_s:
            return ok("readable; no transition in the days that it keeps")
        return ok(f"readable; the last transition came {_duration(min(ages_s.values()))} ago")

    def _ages_s(self, topic: Topic) -> dict[int, float]:
        """Age of the newest message of each partition that has one, by the broker's or producer's stamp."""
        ends = {place: high for place, (low, high) in self.limits(topic.value).items() if high > low}
        self._consumer.assign([TopicPartition(name, number, end - 1) for (name, number), end in ends.items()])
        stamps_s: dict[int, float] = {}
        for _ in _until(MOVES_WITHIN_S):
            if len(stamps_s) == len(ends):
                break
            for message in self._consumer.consume(100, 0.1):
                if message.error() is None:
                    stamps_s[message.partition() or 0] = message.timestamp()[1] / 1000
        self._consumer.unassign()
        if len(stamps_s) < len(ends):
            raise TransientError(f"topic {topic}: its newest messages could not be read")
        return {number: max(time.time() - stamp_s, 0.0) for number, stamp_s in stamps_s.items()}


def _until(limit_s: float) -> Iterator[None]:
    """Rounds of a look, the first at once, with a short wait between them, for `limit_s`."""
    end_s = time.monotonic() + limit_s
    yield
    while time.monotonic() < end_s:
        time.sleep(0.1)
        yield


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


@contextmanager
def _session(settings: Settings) -> Iterator[storage.Connection]:
    with storage.connect(settings.database.uri, "drukte doctor") as connection:
        connection.execute(f"SET statement_timeout = '{CALL_S:g}s'")
        yield connection


def _writer(settings: Settings, topics: _Topics) -> Finding:
    limits = {place: at for topic in TOPICS for place, at in topics.limits(str(topic)).items()}
    with _session(settings) as connection:
        first = _offsets(connection)
        anew = sorted(f"{topic}[{number}]" for (topic, number), (_, high) in limits.items()
                      if first.get((topic, number), 0) > high)
        if anew:
            return bad(f"the database knows offsets beyond the end of {', '.join(anew)}: made anew, or another broker",
                        "check kafka.bootstrap; a writer that starts goes on from the beginning of such a topic")
        behind = _behind(limits, first)
        if not behind:
            return ok("everything is written")
        for _ in _until(MOVES_WITHIN_S):
            now = _offsets(connection)
            if _behind(limits, now) < behind:
                break
        else:
            return bad(f"{behind} messages wait, and none was written within {MOVES_WITHIN_S:g} s",
                        "start `drukte writer`, or look at its log")
    if behind > BEHIND_MESSAGES:
        return warn(f"{behind} messages behind, catching up", "wait; it was stopped, or the database was away")
    return ok("keeps up")


def _offsets(connection: storage.Connection) -> dict[Place, int]:
    found = connection.execute("SELECT topic, partition, next_offset FROM engine.writer_offset")
    return {(topic, partition): following for topic, partition, following in found}


def _behind(limits: Mapping[Place, tuple[int, int]], done: Mapping[Place, int]) -> int:
    return sum(max(high - max(done.get(place, low), low), 0) for place, (low, high) in limits.items())


def _database_findings(settings: Settings) -> Iterator[Finding]:
    def reachable() -> Finding:
        with _session(settings):
            return ok("answers")

    database = _within_limit("database", reachable)
    yield database
    looks = (("migrations", _migrations), ("edition", _edition), ("retention", _retention), ("unwritten", _written_all),
             ("integrity", _integrity))
    for check, look in looks:
        if database.grade is Grade.BAD:
            yield _not_made(check, "the database does not answer")
        else:
            yield _within_limit(check, lambda look=look: look(settings))  # type: ignore[misc]  # bound per round


def _migrations(settings: Settings) -> Finding:
    known = {entry.name.removesuffix(".sql") for entry in (files("infra") / "migrations").iterdir()
             if entry.name.endswith(".sql") and not entry.name.endswith(".rollback.sql")}
    with _session(settings) as connection:
        try:
            applied = {str(name) for (name,) in connection.execute("SELECT migration_id FROM _yoyo_migration")}
        except errors.UndefinedTable:
            applied = set()
    if missing := sorted(known - applied):
        return bad(f"missing: {', '.join(missing)}", "run `drukte db migrate`")
    if newer := sorted(applied - known):
        return warn(f"the database has {', '.join(newer)}, which this version does not know",
                     "a newer Drukte was here: use that one")
    return ok(f"all {len(known)} are applied")


def _edition(settings: Settings) -> Finding:
    with _session(settings) as connection:
        try:
            found = storage.edition(connection)
        except errors.InsufficientPrivilege:
            return ok("TimescaleDB; which edition only the owner's account can see")
    if found is storage.Edition.PLAIN:
        return warn("PostgreSQL without TimescaleDB: tables are plain",
                     "fine for a demo or a small city; else install TimescaleDB before the first migration")
    return ok(str(found))


def _folded_all(kafka: KafkaSettings) -> Finding:
    return warn_of(losses.of_the_log(kafka, CALL_S),
                    "never again: no worker was up for as long as the log keeps; watch the workers",
                    "the workers folded all of the log, as far back as dead letters tell")


def _written_all(settings: Settings) -> Finding:
    with _session(settings) as connection:
        return warn_of(losses.of_the_topics(connection),
                        "these rows stay absent: no writer was up for as long as the topics keep",
                        "the writer lost nothing")


def _integrity(settings: Settings) -> Finding:
    with _session(settings) as connection:
        return warn_of(integrity_events(connection), "was a source changed, taken over or replayed?",
                        "none within seven days")


def _retention(settings: Settings) -> Finding:
    if settings.clock.kind is not Clock.WALL:
        return ok("not judged: rows carry the simulated clock's time")
    oldest_h = 0.0
    with _session(settings) as connection:
        for table in LiveTable:
            query = sql.SQL("SELECT extract(epoch FROM now() - min(window_start)) / 3600 FROM {}")
            row = connection.execute(query.format(sql.Identifier("live", table))).fetchone()
            if row is not None and row[0] is not None:
                oldest_h = max(oldest_h, float(row[0]))
    if oldest_h > LIVE_H + LIVE_SLACK_H:
        return bad(f"the oldest live row is {oldest_h:.0f} h old; {LIVE_H:g} h are promised",
                    "run `drukte db retention` every hour from a timer")
    return ok(f"the oldest live row is {oldest_h:.0f} h old; {LIVE_H:g} h are promised")
