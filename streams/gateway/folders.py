# SPDX-License-Identifier: Apache-2.0
"""Folders: a file is taken in when it stands still, then moves to `done/`, or to `refused/` with a report beside it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec
import structlog

from schemas.errors import RefusedError, TransientError
from schemas.refusal import Reason, Refusal
from streams.backoff import delay_s
from streams.door_settings import FolderSettings
from streams.gateway.door_states import DoorState
from streams.gateway.intake import Intake

DONE, REFUSED = "done", "refused"
REPORT_SUFFIX = ".report.json"

log = structlog.get_logger(__name__)
_Mark = tuple[int, int]
"""Size and time of the last change."""


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file; holds nothing of its content.

    Parameters
    ----------
    file, source : str
    size : int
        Bytes.
    readings : int
        In the log.
    refused : list of Refusal
    """

    file: str
    source: str
    size: int
    readings: int
    refused: list[Refusal]


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    mark: _Mark


class Folder:
    """One watched folder.

    Parameters
    ----------
    source : str
        Of the city file.
    settings : FolderSettings
    intake : Intake
    limit_bytes : int
        Larger files are refused unread.
    state : DoorState
    """

    def __init__(
        self, source: str, settings: FolderSettings, intake: Intake, limit_bytes: int, state: DoorState
    ) -> None:
        self._source = source
        self._settings = settings
        self._intake = intake
        self._limit_bytes = limit_bytes
        self._state = state
        self._seen: dict[Path, _Mark] = {}

    async def run(self) -> NoReturn:
        """Take files in for ever; cancel it to stop."""
        failures = 0
        while True:
            try:
                await self.look()
                failures = 0
                self._state.succeeded()
            except (TransientError, OSError) as error:
                failures += 1
                self._state.failed()
                reason = str(error) if isinstance(error, TransientError) else error.strerror
                log.warning("folder not read", source=self._source, reason=reason, failures=failures)
            await asyncio.sleep(delay_s(failures) if failures else self._settings.poll_s)

    async def look(self) -> None:
        """Take in every file that has not changed since the last look, oldest first.

        Raises
        ------
        TransientError
            The log is away; the file stays, and is taken at a later look.
        OSError
            The folder cannot be read or written.
        """
        found = await asyncio.to_thread(self._files)
        self._state.waiting_files = len(found)
        still = [one for one in found if self._seen.get(one.path) == one.mark]
        self._seen = {one.path: one.mark for one in found}
        for one in sorted(still, key=lambda one: (one.mark[1], one.path.name)):
            await self._take(one)

    def _files(self) -> list[_Found]:
        found = []
        for path in self._settings.path.iterdir():
            if path.name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            status = path.stat()
            found.append(_Found(path, (status.st_size, status.st_mtime_ns)))
        return found

    async def _take(self, found: _Found) -> None:
        readings, refused = 0, []
        try:
            taken = await self._intake.take(
                self._source, await asyncio.to_thread(self._body, found), {"name": found.path.name})
            readings, refused = taken.readings, taken.refused
        except RefusedError as error:
            refused = [Refusal(reason=Reason(error.reason), where="the whole file", detail=str(error))]
        report = FileReport(file=found.path.name, source=self._source, size=found.mark[0], readings=readings,
                            refused=refused)
        where = REFUSED if refused and not readings else DONE
        await asyncio.to_thread(self._put_away, found.path, where, report)
        self._seen.pop(found.path, None)
        self._state.waiting_files -= 1
        self._state.took(refused)
        log.info("file taken in", source=self._source, to=where, readings=readings,
                 refused=sum(one.count for one in refused))

    def _body(self, found: _Found) -> bytes:
        if found.mark[0] > self._limit_bytes:
            raise RefusedError(Reason.TOO_LARGE, f"larger than {self._limit_bytes} bytes; give it in parts")
        return found.path.read_bytes()

    def _put_away(self, path: Path, where: str, report: FileReport) -> None:
        """The report first: a file that has moved has one."""
        folder = path.parent / where
        folder.mkdir(exist_ok=True)
        target, number = folder / path.name, 0
        while target.exists():
            number += 1
            target = folder / f"{path.stem}.{number}{path.suffix}"
        if report.refused:
            written = msgspec.json.format(msgspec.json.encode(report), indent=2)
            target.with_name(target.name + REPORT_SUFFIX).write_bytes(written)
        path.rename(target)
