# SPDX-License-Identifier: Apache-2.0
"""One native TimescaleDB: PostgreSQL of a small Debian, run by chroot in a mount namespace of its own.

The namespace is the point: the binds of /dev and of the data folder are seen by this server alone and vanish
with it, also after a kill. Nothing has to be unmounted and nothing can be deleted through them.
"""

import os
import signal
import subprocess
from pathlib import Path

import psycopg

from tests.services.process import Process, ServiceError, free_port

START_LIMIT_S = 60.0
BINARIES = "/usr/lib/postgresql/17/bin"

# $1 = root of the Debian, $2 = data folder outside it; what follows is run as postgres in the root.
ENTER = """
set -e
root=$1 data=$2; shift 2
mount --bind "$data" "$root/srv"
mount --bind /proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
exec chroot "$root" setpriv --reuid=postgres --regid=postgres --init-groups --pdeathsig=INT "$@"
"""

# Fast, and still true after a kill of the process: what is committed stands in the kernel's cache.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "max_worker_processes": "32",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
}


def database_answers(uri: str) -> bool:
    """Whether a session can be opened."""
    try:
        psycopg.connect(uri, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


class TimescaleServer:
    """A PostgreSQL with the TimescaleDB library on a free port, with a fresh data folder.

    Parameters
    ----------
    root : Path
        The Debian (`tests.services.cache.timescale_dir`).
    folder : Path
        An empty folder for data and log.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._log = folder / "postgres.log"
        self._data = folder / "data"
        self._data.mkdir()
        user, group = self._postgres_ids()
        os.chown(self._data, user, group)
        self._port = free_port()
        self.uri = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self._process: Process | None = None
        self._initialise()

    def _postgres_ids(self) -> tuple[int, int]:
        for line in (self._root / "etc" / "passwd").read_text().splitlines():
            name, _, user, group, *_ = line.split(":")
            if name == "postgres":
                return int(user), int(group)
        raise ServiceError(f"{self._root}: no user postgres; delete the folder and install again")

    def _inside(self, *command: str) -> list[str | Path]:
        return [
            "unshare", "--mount", "--propagation", "private", "--",
            "sh", "-c", ENTER, "enter", self._root, self._data, *command,
        ]

    def _initialise(self) -> None:
        ended = subprocess.run(
            self._inside(
                f"{BINARIES}/initdb", "-D", "/srv/17", "-U", "postgres", "-A", "trust",
                "--locale=C.UTF-8", "-E", "UTF8", "--no-sync",
            ),
            capture_output=True, text=True, check=False, cwd="/",
        )
        if ended.returncode:
            raise ServiceError(f"initdb: {ended.stdout}{ended.stderr}")

    def start(self) -> None:
        """Start the server and return when it answers; raises `ServiceError`."""
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        self._process = Process(
            self._inside(f"{BINARIES}/postgres", "-D", "/srv/17", "-p", str(self._port), *options), self._log
        )
        self._process.wait_ready(lambda: database_answers(self.uri), START_LIMIT_S)

    def stop(self, by: signal.Signals = signal.SIGINT) -> None:
        """Stop the server (SIGINT: fast, sessions are ended); the data stays."""
        if self._process is not None:
            self._process.stop(by)
            self._process = None
