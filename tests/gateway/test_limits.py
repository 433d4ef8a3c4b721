# SPDX-License-Identifier: Apache-2.0
"""What may be sent to a real server to hurt it, with other requests answered meanwhile."""

import contextlib
import gzip
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from streams.settings import Settings
from tests.conftest import ROOT
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import address, settings_for, wait_until_it_answers
from tests.services.process import leashed

CONNECTIONS = 10_000
"""Wanted; as many as this process may have files open."""


@contextlib.contextmanager
def process_of_gateway() -> Iterator[tuple[Settings, subprocess.Popen[bytes]]]:
    """A gateway as a process of its own: its files are not ours. It has ended afterwards, whatever happens."""
    broker = MockBroker()
    settings = settings_for(broker.kafka)
    process = subprocess.Popen(leashed([
        sys.executable, "-m", "tests.gateway.process", broker.kafka.bootstrap, str(settings.gateway.port)]),
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_it_answers(settings, 200, lambda: process.poll() is None)
        yield settings, process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def gateway() -> Iterator[Settings]:
    with process_of_gateway() as (settings, _):
        yield settings


def test_a_gigabyte_of_zipped_zeros_is_refused(gateway: Settings) -> None:
    bomb = gzip.compress(bytes(1_000_000)) * 1_000
    answer = httpx.post(f"{address(gateway)}/in/cameras", content=bomb, timeout=60)
    assert (answer.status_code, answer.json()["refused"][0]["reason"]) == (413, "too-large")
    assert httpx.get(f"{address(gateway)}/health").status_code == 200


@pytest.mark.parametrize("body", [b"[" * 1_000_000, b'{"a":' * 1_000_000, b"[" * 500_000 + b"]" * 500_000])
def test_deeply_nested_json_is_refused(gateway: Settings, body: bytes) -> None:
    assert httpx.post(f"{address(gateway)}/in/cameras", content=body, timeout=60).status_code in (400, 422)
    assert httpx.get(f"{address(gateway)}/health").status_code == 200


def test_slow_connections_do_not_keep_others_out_and_the_gateway_stops_with_them() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, wanted), hard), hard))
    many = min(CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    assert many > 500, "too few open files are allowed to show anything"
    with contextlib.ExitStack() as stack:
        gateway, process = stack.enter_context(process_of_gateway())
        place = (gateway.gateway.host, gateway.gateway.port)
        stack.callback(partial(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard)))
        for number in range(many):
            slow = stack.enter_context(socket.create_connection(place, 20))
            # Half of them never end their head, half never send their body.
            slow.sendall(b"POST /in/cameras HTTP/1.1\r\nHost: x\r\n" + (
                b"X-Slow: " if number % 2 else b"Content-Length: 100\r\n\r\n["))
            if number % 2_000 == 1_999:
                assert httpx.get(f"{address(gateway)}/health", timeout=20).status_code == 200
        assert httpx.post(f"{address(gateway)}/in/cameras", content=b"[]", timeout=20).status_code == 202
        process.terminate()
        assert process.wait(60) == 0
