# SPDX-License-Identifier: Apache-2.0
"""What clients of librdkafka share: how they reach the broker, which errors are final, headers as plain pairs."""

from confluent_kafka import KafkaError, Message

from schemas.log import Headers, ReadHeaders
from streams.settings import KafkaSettings

_HOPELESS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_VERSION,
}


def is_hopeless(error: KafkaError) -> bool:
    """Whether no waiting mends it: the broker does not let us in, or the client itself is broken."""
    return error.fatal() or error.code() in _HOPELESS


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
