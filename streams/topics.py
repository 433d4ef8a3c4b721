# SPDX-License-Identifier: Apache-2.0
"""The topics of a deployment: names, numbers of partitions, how long and how large.

Retention is a promise to the people who are counted (docs/privacy.md): a topic that keeps more than the plan
says is a fault, not a preference.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, only not in its __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from schemas.errors import FatalError, TransientError
from schemas.log import Topic
from streams.kafka_client import connection
from streams.settings import KafkaSettings

HOUR_MS = 3_600_000
MESSAGE_BYTES = 8_000_000
"""The largest message of any topic but `snapshots`; producers and consumers are set to it too."""
SNAPSHOT_BYTES = 32_000_000
"""The largest snapshot, compressed; the worker's producer is set to it too."""
MOCK_PARTITIONS = 4
"""librdkafka's mock cluster makes every topic with four partitions; it cannot be told otherwise."""
_EXISTS = "TOPIC_ALREADY_EXISTS"
# Of a broker that ends or starts meanwhile; the library does not call them retriable.
_NO_ANSWER = {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}  # noqa: SLF001  # no other names


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """How one topic has to be.

    Parameters
    ----------
    topic : Topic
    partitions : int
    config : dict of str to str
        Kafka's topic settings that differ from a broker's defaults.
    """

    topic: Topic
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def topic_plans(partitions: int) -> list[TopicPlan]:
    """The plan of every topic, for a deployment of so many partitions."""
    exact = {
        "message.timestamp.type": "LogAppendTime",
        "segment.ms": str(HOUR_MS),
        "retention.ms": str(24 * HOUR_MS),
    }
    return [
        TopicPlan(Topic.SITE_LOG, partitions, exact | _size()),
        # A snapshot that a newer one replaced is gone within three hours, also where little is written.
        TopicPlan(Topic.SNAPSHOTS, partitions, exact | {
            "cleanup.policy": "compact,delete", "max.compaction.lag.ms": str(2 * HOUR_MS),
            "max.message.bytes": str(SNAPSHOT_BYTES),
        }),
        TopicPlan(Topic.LIVE, partitions, {"retention.ms": str(72 * HOUR_MS)} | _size()),
        # How old a transition is, and when an alert began by the wall clock, is the broker's word.
        TopicPlan(
            Topic.ALERTS, partitions,
            {"message.timestamp.type": "LogAppendTime", "retention.ms": str(7 * 24 * HOUR_MS)},
        ),
        # Free text that may name people: no longer than an event and its report need. In segments of an hour, so that
        # seven days are not two weeks, and by the broker's stamp: a sender's could lie in the future.
        TopicPlan(Topic.NOTES, partitions, {
            "message.timestamp.type": "LogAppendTime", "segment.ms": str(HOUR_MS),
            "retention.ms": str(7 * 24 * HOUR_MS),
        }),
        TopicPlan(Topic.DELIVERIES, partitions, {"retention.ms": str(7 * 24 * HOUR_MS)}),
        TopicPlan(Topic.SEALS, partitions, exact | _size()),
        # Who draws noise twice breaks the promise: what was released is remembered for ever.
        TopicPlan(Topic.LEDGER, 1, {"retention.ms": "-1", "cleanup.policy": "delete"}),
        TopicPlan(Topic.CITY, 1, {"retention.ms": "-1", "cleanup.policy": "delete"} | _size()),
        TopicPlan(Topic.DEAD_LETTERS, 1, {"retention.ms": str(7 * 24 * HOUR_MS)}),
        TopicPlan(Topic.DEAD_LETTER_BODIES, 1, exact | _size()),
        # Names of accounts: the database keeps them for two years, the way there no longer than it needs.
        TopicPlan(Topic.ACCESS, 1, {"retention.ms": str(30 * 24 * HOUR_MS)}),
    ]


def _size() -> dict[str, str]:
    return {"max.message.bytes": str(MESSAGE_BYTES)}


def ensure_topics(kafka: KafkaSettings, timeout_s: float = 5.0) -> None:
    """Make the topics that are missing and check those that are there. May be called any number of times.

    Parameters
    ----------
    kafka : KafkaSettings
    timeout_s : float
        For each call to the broker.

    Raises
    ------
    TransientError
        The broker does not answer.
    FatalError
        A topic has another number of partitions or other settings than the plan; the text lists all.
    """
    if kafka.mock:
        _ensure_in_mock(kafka, timeout_s)
        return
    setup = _Setup(kafka, timeout_s)
    setup.create_missing()
    if faults := list(setup.faults()):
        raise FatalError(f"broker {kafka.bootstrap}: " + "; ".join(faults))


def topic_faults(kafka: KafkaSettings, timeout_s: float = 5.0) -> list[str]:
    """What is not as planned, a text each; makes and changes nothing.

    Raises
    ------
    TransientError
        The broker does not answer.
    FatalError
        It does not let us read its settings.
    """
    return list(_Setup(kafka, timeout_s).faults_as_found(with_settings=not kafka.mock))


def _ensure_in_mock(kafka: KafkaSettings, timeout_s: float) -> None:
    if kafka.partitions != MOCK_PARTITIONS:
        raise FatalError(
            f"drukte.toml: kafka.partitions = {kafka.partitions}, but the mock broker has {MOCK_PARTITIONS} "
            f"partitions in every topic; set kafka.partitions = {MOCK_PARTITIONS}"
        )
    # A producer's question about a topic makes the mock create it; it knows no CreateTopics.
    producer = Producer({**connection(kafka), "log_level": 2})
    for topic in Topic:
        try:
            producer.list_topics(topic.value, timeout=timeout_s)
        except KafkaException as error:
            raise _away(kafka.bootstrap, error) from None


class _Setup:
    """One visit to a broker: make what is missing, then compare everything with the plans."""

    def __init__(self, kafka: KafkaSettings, timeout_s: float) -> None:
        self._bootstrap = kafka.bootstrap
        self._timeout_s = timeout_s
        self._plans = topic_plans(kafka.partitions)
        self._admin = AdminClient({
            **connection(kafka), "socket.timeout.ms": round(timeout_s * 1000), "log_level": 2
        })

    def create_missing(self) -> None:
        known = self._partitions_by_topic()
        missing = [
            NewTopic(plan.topic.value, plan.partitions, replication_factor=-1, config=plan.config)
            for plan in self._plans if plan.topic.value not in known
        ]
        if not missing:
            return
        answers = self._admin.create_topics(
            missing, operation_timeout=self._timeout_s, request_timeout=self._timeout_s
        )
        for name, made in answers.items():
            try:
                made.result()
            except KafkaException as error:
                # Two processes of one deployment may start at the same moment: the other one was first.
                if error.args[0].name() != _EXISTS:
                    raise _failed(self._bootstrap, f"topic {name} cannot be made", error) from None
        self._wait_until_known()

    def _wait_until_known(self) -> None:
        # A topic is made by the controller; the broker that is asked next learns of it a moment later.
        until_s = time.monotonic() + self._timeout_s
        wanted = {plan.topic.value for plan in self._plans}
        while missing := wanted - self._partitions_by_topic().keys():
            if time.monotonic() > until_s:
                raise TransientError(f"broker {self._bootstrap} does not show new topics {sorted(missing)}")
            time.sleep(0.05)

    def faults_as_found(self, *, with_settings: bool) -> Iterator[str]:
        known = self._partitions_by_topic()
        for plan in self._plans:
            if plan.topic.value not in known:
                yield f"topic {plan.topic} is not there"
        self._plans = [plan for plan in self._plans if plan.topic.value in known]
        if self._plans and with_settings:
            yield from self.faults()

    def faults(self) -> Iterator[str]:
        yield from self._partition_faults()
        yield from self._config_faults()

    def _partitions_by_topic(self) -> dict[str, int]:
        try:
            topics = self._admin.list_topics(timeout=self._timeout_s).topics
        except KafkaException as error:
            raise _away(self._bootstrap, error) from None
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def _partition_faults(self) -> Iterator[str]:
        known = self._partitions_by_topic()
        for plan in self._plans:
            found = known.get(plan.topic.value, 0)
            if found != plan.partitions:
                yield (
                    f"topic {plan.topic} has {found} partitions, {plan.partitions} are wanted; the number is "
                    "fixed for the life of a deployment: set kafka.partitions in drukte.toml to what is "
                    "there, or use an empty broker"
                )

    def _config_faults(self) -> Iterator[str]:
        resources = {ConfigResource(ResourceType.TOPIC, plan.topic.value): plan for plan in self._plans}
        answers = self._admin.describe_configs(list(resources), request_timeout=self._timeout_s)
        for resource, answer in answers.items():
            try:
                found = answer.result()
            except KafkaException as error:
                text = f"settings of topic {resource.name} cannot be read"
                raise _failed(self._bootstrap, text, error) from None
            for key, wanted in resources[resource].config.items():
                if found[key].value != wanted:
                    yield (
                        f"topic {resource.name} has {key} = {found[key].value}, wanted is {wanted}; mend it "
                        f"with `kafka-configs.sh --alter --topic {resource.name} --add-config {key}={wanted}`"
                    )


def _away(bootstrap: str, error: KafkaException) -> TransientError:
    return TransientError(f"broker {bootstrap} does not answer ({error.args[0].str()}); is it running?")


def _failed(bootstrap: str, what: str, error: KafkaException) -> TransientError | FatalError:
    if error.args[0].retriable() or error.args[0].code() in _NO_ANSWER:
        return _away(bootstrap, error)
    return FatalError(f"broker {bootstrap}: {what}: {error.args[0].str()}")
