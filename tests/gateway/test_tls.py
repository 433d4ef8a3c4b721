# SPDX-License-Identifier: Apache-2.0
import ssl
import subprocess
from pathlib import Path

import httpx
import msgspec
import pytest

from schemas.errors import FatalError
from streams.door_settings import ClientTls, ServerTls
from streams.kafka_client import connection
from streams.settings import KafkaSettings
from streams.tls import client_context
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import running_unseen, settings_for
from tests.services.process import wait_until


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    """A certificate for 127.0.0.1 that vouches for itself."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made],
        check=True, capture_output=True)
    return ServerTls(certificate_file=str(made), key_file=str(key))


def test_the_gateway_speaks_tls_and_nothing_else(broker: MockBroker, certificate: ServerTls) -> None:
    settings = settings_for(broker.kafka)
    secure = msgspec.structs.replace(settings, gateway=msgspec.structs.replace(settings.gateway, tls=certificate))
    url = f"https://{settings.gateway.host}:{settings.gateway.port}"
    trusted = client_context(ClientTls(ca_file=certificate.certificate_file), "test")

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/health", verify=trusted).status_code in (200, 503)
        except httpx.TransportError:
            return False

    with running_unseen(secure):
        wait_until(answers, 30, "it answers over TLS")
        assert httpx.post(f"{url}/in/cameras", content=b"[]", verify=trusted).status_code == 202
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/health")  # not trusted
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{settings.gateway.host}:{settings.gateway.port}/health")


def test_files_that_do_not_fit_are_fatal(broker: MockBroker, certificate: ServerTls, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text("no PEM")
    settings = settings_for(broker.kafka)
    wrong = msgspec.structs.replace(certificate, key_file=str(other))
    with pytest.raises(FatalError, match=r"tls\.key_file"), running_unseen(
            msgspec.structs.replace(settings, gateway=msgspec.structs.replace(settings.gateway, tls=wrong))):
        pass
    with pytest.raises(FatalError, match=r"kafka\.tls"):
        client_context(ClientTls(ca_file=str(other)), "kafka.tls")
    assert client_context(ClientTls(), "kafka.tls").verify_mode is ssl.CERT_REQUIRED


def test_clients_of_kafka_say_who_they_are() -> None:
    assert connection(KafkaSettings())["security.protocol"] == "PLAINTEXT"
    assert connection(KafkaSettings(tls=ClientTls(ca_file="/ca.pem"))) == {
        "bootstrap.servers": "127.0.0.1:9092", "security.protocol": "SSL", "ssl.ca.location": "/ca.pem"}
    full = connection(KafkaSettings(tls=ClientTls(), user="drukte", password="p"))  # noqa: S106  # of this test alone
    assert (full["security.protocol"], full["sasl.mechanism"], full["sasl.username"]) == (
        "SASL_SSL", "SCRAM-SHA-512", "drukte")
