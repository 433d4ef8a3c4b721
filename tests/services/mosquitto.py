# SPDX-License-Identifier: Apache-2.0
"""One native Mosquitto, of Debian's package, that keeps its sessions over a restart."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.door_settings import ServerTls
from tests.services.process import Process, free_port

PROGRAM = "mosquitto"
START_LIMIT_S = 30.0


def need(program: str = PROGRAM) -> str:
    """The path of the program; skips the test without it, fails it where `CI` is set."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None:
        reason = f"{program} is not installed; `apt-get install mosquitto`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class MosquittoServer:
    """A broker on a free port of this machine, open to everyone there.

    Parameters
    ----------
    folder : Path
        For its settings, sessions and log.
    tls : ServerTls, optional
        Listen with this certificate as well, at `tls_port`.
    """

    def __init__(self, folder: Path, tls: ServerTls | None = None) -> None:
        self._program = need()
        self._folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self._process: Process | None = None
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\nuser root\n"
            + ("" if tls is None else f"listener {self.tls_port} 127.0.0.1\ncertfile {tls.certificate_file}\n"
               f"keyfile {tls.key_file}\n")
        )

    def start(self) -> None:
        """Start it and return when it answers; raises `ServiceError`."""
        self._process = Process([self._program, "-c", str(self._config)], self._folder / "mosquitto.log")
        self._process.wait_ready(self._answers, START_LIMIT_S)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.stop(by)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[MosquittoServer]:
    """A broker for one test."""
    server = MosquittoServer(tmp_path)
    server.start()
    yield server
    server.stop()
