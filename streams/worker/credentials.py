# SPDX-License-Identifier: Apache-2.0
"""TLS and account of the worker's connection to the broker, as Faust takes them."""

from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

from streams.settings import KafkaSettings
from streams.tls import client_context


def broker_credentials(kafka: KafkaSettings) -> CredentialsT | None:
    """What Faust presents to the broker, or None for an open one; raises `FatalError`."""
    context = None if kafka.tls is None else client_context(kafka.tls, "kafka.tls")
    if kafka.user is not None:
        return SASLCredentials(
            username=kafka.user, password=kafka.password, ssl_context=context, mechanism=kafka.sasl)
    return None if context is None else SSLCredentials(context)
