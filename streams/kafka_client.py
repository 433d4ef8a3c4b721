# SPDX-License-Identifier: Apache-2.0
"""How every client of librdkafka reaches the broker: address, TLS and account."""

from streams.settings import KafkaSettings


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
