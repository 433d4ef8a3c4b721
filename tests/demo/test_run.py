# SPDX-License-Identifier: Apache-2.0
"""The whole demo as its users start it: readings go in, windows come out, nothing is left behind."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.demo.left_behind import is_running, running_with, temporary_root
from tests.services.process import ServiceError, leashed, wait_until

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
LIMIT_S = 120.0
"""It starts eight programs, maybe beside other tests."""


@contextmanager
def demo(root: Path, output: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`drukte demo` with a temporary folder of its own; killed when the test does not see it end."""
    command = leashed([sys.executable, "-m", "streams.cli", "demo", *arguments])
    with output.open("wb") as log, subprocess.Popen(
        command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(root)},
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def said(output: Path, process: "subprocess.Popen[bytes]", text: str) -> None:
    """Wait until the demo says a text; show what it said when it ends before."""
    def seen_or_over() -> bool:
        return text in output.read_text() or process.poll() is not None

    try:
        wait_until(seen_or_over, LIMIT_S, f"it says {text!r}")
    except ServiceError as error:
        error.add_note(output.read_text())
        raise
    assert text in output.read_text(), output.read_text()


def test_it_shows_windows_and_ends_clean_on_sigterm(tmp_path: Path) -> None:
    output, report_path = tmp_path / "output", tmp_path / "report.json"
    with temporary_root() as root:
        with demo(root, output, "--speed", "100", "--report", str(report_path)) as process:
            said(output, process, "Plein: groen")
            services = running_with(str(root))
            assert len(services) >= 6
            page = re.findall(r"^page: (http://127\.0\.0\.1:\d+/)$", output.read_text(), re.MULTILINE)
            assert len(page) == 1
            said(output, process, "delivered to the webhook: ")
            assert "Drukte" in httpx.get(page[0], trust_env=False).text
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == 0, output.read_text()
        assert not any(is_running(service) for service in services)
        assert not running_with(str(root))
        assert list(root.iterdir()) == []
    report = json.loads(report_path.read_text())
    assert report["failed"] is None
    assert report["readings_sent"] > 100
    assert report["refused_by_reason"] == {}
    assert report["page"]["stream"] == "ok"
    assert sum(report["page"]["zones_by_word"].values()) == 14
    assert report["page"]["zones_by_word"]["groen"] > 0
    assert report["deliveries"] > 0
    zones = report["database"]["tables"]["zone_minute"]
    assert zones["places"] == 14
    assert zones["windows_by_status"]["ok"] > 0


def test_a_service_that_dies_ends_it_with_its_name_and_log(tmp_path: Path) -> None:
    output, report_path = tmp_path / "output", tmp_path / "report.json"
    with temporary_root() as root:
        with demo(root, output, "--report", str(report_path)) as process:
            said(output, process, "sent 0 readings")
            writers = [
                service for service in running_with(str(root))
                if b"\0writer\0" in Path(f"/proc/{service}/cmdline").read_bytes()
            ]
            assert len(writers) == 1
            os.kill(writers[0], signal.SIGKILL)
            assert process.wait(LIMIT_S) == 1, output.read_text()
        assert not running_with(str(root))
        assert list(root.iterdir()) == []
    assert "writer ended by itself with exit code -9" in output.read_text()
    assert json.loads(report_path.read_text())["failed"].startswith("writer ended by itself")
