# SPDX-License-Identifier: Apache-2.0
"""What a demo must not leave behind: processes and files; looked up by process id and folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 60.0


def is_running(process_id: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be collected does not."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def running_with(text: str) -> list[int]:
    """Process ids whose command line or working folder holds a text."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            where = str((folder / "cwd").readlink())
        except OSError:
            continue
        if (text in command or text in where) and is_running(int(folder.name)):
            found.append(int(folder.name))
    return found


@contextmanager
def temporary_root() -> Iterator[Path]:
    """A folder to give as TMPDIR: open to all, and short enough for a socket; pytest's own is neither."""
    folder = Path(tempfile.mkdtemp(prefix="dt-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
