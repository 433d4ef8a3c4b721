# SPDX-License-Identifier: Apache-2.0
"""Where the readings of a simulated event go: the gateway, or files of the same formats."""

import datetime as dt
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from schemas.errors import FatalError
from streams.simulate.crowd_sensors import NativeReading

SITE_TABLE_NAME = "measurement_site_table.xml"
ROADS_FOLDER = "ndw"
_ENCODER = msgspec.json.Encoder()


class Outlet(Protocol):
    """Takes what the sensors report, in the order of time."""

    def send(self, source: str, readings: list[NativeReading]) -> None:
        """The readings of one source and step; not empty."""

    def publish(self, minute_us: int, publication: bytes) -> None:
        """The DATEX II publication of the minute that begins then."""

    def close(self) -> None:
        """Nothing more comes."""


class Folder:
    """One NDJSON file per source, `ndw/TIME.xml` per minute of the roads.

    Parameters
    ----------
    folder : Path
        Made when it is not there; else empty.

    Raises
    ------
    FatalError
        It holds something or cannot be written; the latter also from each call.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = ExitStack()
        self._files: dict[str, BinaryIO] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_used = any(folder.iterdir())
        except OSError as error:
            raise self._unwritable(error) from None
        if is_used:
            raise FatalError(f"{folder}: is not empty; give a new folder, so that no older readings mix in")

    def send(self, source: str, readings: list[NativeReading]) -> None:
        """As `Outlet.send`."""
        try:
            if source not in self._files:
                file = (self._folder / f"{source}.ndjson").open("xb")
                self._files[source] = self._open.enter_context(file)
            self._files[source].write(_ENCODER.encode_lines(readings))
        except OSError as error:
            raise self._unwritable(error) from None

    def publish(self, minute_us: int, publication: bytes) -> None:
        """As `Outlet.publish`."""
        begin = dt.datetime.fromtimestamp(minute_us / 1e6, dt.UTC)
        self.write(f"{ROADS_FOLDER}/{begin:%Y%m%dT%H%MZ}.xml", publication)

    def write(self, name: str, content: bytes) -> Path:
        """Write one more file into the folder."""
        path = self._folder / name
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise self._unwritable(error) from None
        return path

    def close(self) -> None:
        """As `Outlet.close`."""
        try:
            self._open.close()
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> FatalError:
        return FatalError(f"{self._folder}: cannot be written ({error.strerror}); give another folder")
