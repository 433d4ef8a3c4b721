# SPDX-License-Identifier: Apache-2.0
"""What clients of librdkafka share: how they reach the broker, which errors are final, headers as plain pairs."""

import time
from collections.abc import Container

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.errors import FatalError, TransientError
from schemas.log import Headers, ReadHeaders
from streams.settings import KafkaSettings

_HOPELESS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_VERSION,
}
LEADERLESS = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
"""What a broker says of a partition that was made a moment ago, or while it begins."""
NOT_THERE = frozenset({
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001  # their public names
})
"""What a broker says of a topic that is not made, or that it has not heard of yet."""
ADMITTED_S = 5.0
LOOK_S = 0.5
AGAIN_S = 0.1


def is_hopeless(error: KafkaError) -> bool:
    """Whether no waiting mends it: the broker does not let us in, or the client itself is broken."""
    return error.fatal() or error.code() in _HOPELESS


def told_apart(kafka: KafkaSettings, error: KafkaError) -> TransientError | FatalError:
    """The broker's error as one to wait for, or as one that no waiting mends."""
    text = f"broker {kafka.bootstrap}: {error.str()} ({error.name()})"
    return FatalError(text) if is_hopeless(error) else TransientError(f"{text}; is it running?")


def offset_limits(
    consumer: Consumer, place: TopicPartition, limit_s: float, passing: Container[int] = LEADERLESS | NOT_THERE,
) -> tuple[int, int] | None:
    """The first offset of a partition that is there and the next one to be appended; None without an answer. Blocks.

    Parameters
    ----------
    consumer : Consumer
    place : TopicPartition
    limit_s : float
    passing : container of int
        Codes of errors after which the broker is asked again: they pass by themselves.

    Raises
    ------
    KafkaException
        The broker says anything else, or still that after `limit_s`.
    """
    end_s = time.monotonic() + limit_s
    while True:
        try:
            limits: tuple[int, int] | None = consumer.get_watermark_offsets(
                place, timeout=max(end_s - time.monotonic(), AGAIN_S))
        except KafkaException as error:
            if error.args[0].code() not in passing or time.monotonic() + AGAIN_S > end_s:
                raise
            time.sleep(AGAIN_S)
            # The library keeps what it was told of a topic that was not whole yet: it has to ask anew.
            consumer.list_topics(place.topic, timeout=max(end_s - time.monotonic(), AGAIN_S))
        else:
            return limits


def headers_of(message: Message) -> ReadHeaders:
    """The headers of a message as pairs of bytes."""
    given = message.headers() or []
    pairs = given.items() if isinstance(given, dict) else given
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]


def plain_headers(message: Message) -> Headers:
    """As `headers_of`; one without a value is empty."""
    return [(name, value or b"") for name, value in headers_of(message)]


def connection(kafka: KafkaSettings) -> dict[str, str]:
    """The settings of a client that say where the broker is, whom it trusts and who we are."""
    protocol = ("SASL_" if kafka.user is not None else "") + ("PLAINTEXT" if kafka.tls is None else "SSL")
    settings = {"bootstrap.servers": kafka.bootstrap, "security.protocol": protocol}
    if kafka.tls is not None:
        named = {
            "ssl.ca.location": kafka.tls.ca_file, "ssl.certificate.location": kafka.tls.certificate_file,
            "ssl.key.location": kafka.tls.key_file,
        }
        settings |= {name: path for name, path in named.items() if path is not None}
    if kafka.user is not None:
        settings |= {
            "sasl.mechanism": kafka.sasl, "sasl.username": kafka.user, "sasl.password": kafka.password or "",
        }
    return settings


def check_admitted(kafka: KafkaSettings, timeout_s: float = ADMITTED_S) -> None:
    """Ask a broker with TLS or accounts whether it and we go together; call it once at a start. Blocks.

    A broker that does not answer is no fault here: whoever needs it waits for it. Without TLS and account nothing is
    asked.

    Raises
    ------
    FatalError
        Its certificate is not accepted, it refuses our account, or our own files cannot be used.
    """
    if kafka.tls is None and kafka.user is None:
        return
    noticed: list[KafkaError] = []
    try:
        client = Producer({**connection(kafka), "log_level": 0, "error_cb": noticed.append})
    except KafkaException as error:
        raise FatalError(f"drukte.toml: kafka.tls: {error.args[0].str()}; give PEM files that this account may "
                         "read") from None
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        try:
            client.list_topics(timeout=LOOK_S)
        except KafkaException:
            client.poll(0)
            _refuse_unfit(kafka, noticed)
        else:
            return
    # Once may be a broker that is just ending; all the time is a door without TLS.
    if any("PLAINTEXT broker listener" in error.str() for error in noticed):
        raise FatalError(f"broker {kafka.bootstrap} does not speak TLS there; drukte.toml: give the port of its TLS "
                         "listener as kafka.bootstrap, or take kafka.tls away")


def _refuse_unfit(kafka: KafkaSettings, noticed: list[KafkaError]) -> None:
    codes = {error.code() for error in noticed}
    if KafkaError._AUTHENTICATION in codes:  # noqa: SLF001  # its public name
        raise FatalError(f"broker {kafka.bootstrap} refuses account {kafka.user!r}; drukte.toml: mend kafka.user, "
                         "kafka.password or kafka.sasl")
    for error in noticed:
        if error.code() == KafkaError._SSL:  # noqa: SLF001  # its public name
            raise FatalError(_distrust(kafka, error.str()))


def _distrust(kafka: KafkaSettings, text: str) -> str:
    if "certificate verify failed" in text:
        return (f"broker {kafka.bootstrap}: its certificate is not accepted; drukte.toml: kafka.tls.ca_file has to "
                "name the authority that signed it, and kafka.bootstrap the host that it was made for")
    return f"broker {kafka.bootstrap}: TLS fails ({text}); does it speak TLS there? See kafka.tls in drukte.toml"
