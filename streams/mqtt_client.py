# SPDX-License-Identifier: Apache-2.0
"""What clients of MQTT brokers share: how they reach the broker, and that the library logs nothing."""

import logging
import ssl
from typing import Any

import aiomqtt

from streams.deliver_settings import AlertMqttSettings
from streams.door_settings import MqttSettings

KEEPALIVE_S = 20


def connection(settings: MqttSettings | AlertMqttSettings, tls: ssl.SSLContext | None) -> dict[str, Any]:
    """The arguments of a client that say where the broker is, whom it trusts and who we are."""
    return {
        "hostname": settings.host, "port": settings.port, "identifier": settings.client_id,
        "username": settings.user, "password": settings.password, "tls_context": tls,
        "protocol": aiomqtt.ProtocolVersion.V5, "keepalive": KEEPALIVE_S, "logger": _silent_logger(),
    }


def _silent_logger() -> logging.Logger:
    # Its own lines name topics, which a sender may choose.
    silent = logging.getLogger("drukte.mqtt")
    silent.setLevel(logging.CRITICAL)
    return silent
