# SPDX-License-Identifier: Apache-2.0
"""One native Alertmanager, of Debian's package."""

import os
import shutil
import signal
from pathlib import Path

import httpx
import pytest

from tests.services.process import Process, free_port

PROGRAM = "prometheus-alertmanager"
START_LIMIT_S = 30.0


def need(program: str = PROGRAM) -> str:
    """The path of a program of the package; skips the test without it, fails it where `CI` is set."""
    found = shutil.which(program)
    if found is None:
        reason = f"{program} is not installed; `apt-get install prometheus-alertmanager`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class AlertmanagerServer:
    """An Alertmanager on a free port, without peers.

    Parameters
    ----------
    config : Path
    folder : Path
        For its data and log.
    """

    def __init__(self, config: Path, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._program = need()
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: Process | None = None

    def start(self) -> None:
        """Start it and return when it is ready; raises `ServiceError`."""
        self._process = Process(
            [self._program, f"--config.file={self._config}", f"--storage.path={self._folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{self._port}", "--cluster.listen-address="],
            self._folder / "alertmanager.log",
        )
        self._process.wait_ready(self._ready, START_LIMIT_S)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.stop(by)
            self._process = None

    def alerts(self) -> list[dict[str, object]]:
        """What it shows as standing now."""
        found: list[dict[str, object]] = httpx.get(f"{self.url}/api/v2/alerts", timeout=5).json()
        return found

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False
