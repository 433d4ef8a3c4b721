# SPDX-License-Identifier: Apache-2.0
"""A city's three files on disk: read, checked together, changed only as a whole."""

import gc
import os
import stat
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from schemas.city import City, CityFile, Source
from schemas.city_fault import CityFaultsError, Fault
from schemas.city_load import parse_roads, read_city, roads_name, wanted_ids
from schemas.city_sensors import DATEX2_FORMAT
from schemas.city_types import typed_city_file
from schemas.errors import FatalError
from schemas.ids import HEADER, IdsError, format_ids, parse_ids
from schemas.roads import NDW_SOURCE, RoadTable, encode_roads
from streams.core.thresholds import threshold_faults

NDW_NAME = "Nationaal Dataportaal Wegverkeer"


@dataclass(frozen=True, slots=True)
class CityContent:
    """What stands in a city's files: the city file (typed, and as bytes), `CITY.ids` and the companion."""

    file: CityFile
    toml: bytes
    ids_text: str
    roads: bytes | None


@dataclass(frozen=True, slots=True)
class RoadsAdded:
    """What `add_roads` wrote: the companion and how many numbers were given."""

    companion: Path
    numbers: int
    city: City


def ids_path(path: Path) -> Path:
    """`CITY.ids` beside the city file."""
    return path.with_suffix(".ids")


def load_city(path: Path) -> City:
    """Read a city file with its ids and its companion.

    Raises
    ------
    FatalError
        A file cannot be read.
    CityFaultsError
        The city is not sound; every fault is listed.
    """
    return _checked(path, _content(path))


def load_content(path: Path) -> tuple[City, CityContent]:
    """A city and the content of its files, as they are published; raises as `load_city` does."""
    content = _content(path)
    return _checked(path, content), content


def assign_ids(path: Path) -> int:
    """Append a number to `CITY.ids` for each key without one, and return how many were given.

    Nothing is written unless the city is sound with them: a number is never taken back.

    Raises
    ------
    FatalError
        A file cannot be read or written, or another process changed the ids meanwhile.
    CityFaultsError
        The city is not sound.
    """
    content = _content(path)
    extended, added = _with_ids(path, content, _roads(path, content))
    _checked(path, extended)
    _write_ids(path, content.ids_text, extended.ids_text)
    return added


def add_roads(path: Path, roads: RoadTable) -> RoadsAdded:
    """Put `roads` beside the city file, name them in it, and give numbers to their keys.

    The companion and the ids are written before the city file, which alone makes them count; earlier
    companions stay, since earlier versions of the city need them. Nothing is written for an unsound city.

    Raises
    ------
    FatalError
        A file cannot be read or written.
    CityFaultsError
        The city would not be sound.
    """
    content = _content(path)
    encoded = encode_roads(roads)
    name = roads_name(encoded)
    file, toml = _with_roads(path, content, name)
    extended, added = _with_ids(path, CityContent(file, toml, content.ids_text, encoded), roads)
    city = _checked(path, extended)
    companion = path.with_name(name)
    _replace(companion, encoded)
    _write_ids(path, content.ids_text, extended.ids_text)
    _replace(path, toml)
    return RoadsAdded(companion, added, city)


def _content(path: Path) -> CityContent:
    toml = _bytes(path)
    if toml is None:
        raise FatalError(f"{path}: there is no such city file; give the path of a `.toml` file")
    ids = _bytes(ids_path(path)) or b""
    try:
        ids_text = ids.decode()
    except UnicodeDecodeError as error:
        raise FatalError(f"{ids_path(path)}: not UTF-8 at byte {error.start}; restore the file") from None
    file = _typed(path, toml)
    beside = file.roads is not None and Path(file.roads).name == file.roads
    roads = _bytes(path.with_name(file.roads)) if file.roads and beside else None
    return CityContent(file, toml, ids_text, roads)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        text = f"{path}: cannot be read ({error.strerror}); mend its place or permissions"
        raise FatalError(text) from None


def _typed(path: Path, toml: bytes) -> CityFile:
    try:
        with _uncollected():
            return typed_city_file(toml)
    except CityFaultsError as error:
        raise CityFaultsError(error.faults, str(path)) from None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection, a quarter of the time: all of a parsed document is in use."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _roads(path: Path, content: CityContent) -> RoadTable:
    try:
        return parse_roads(content.file, content.roads)
    except CityFaultsError as error:
        raise CityFaultsError(error.faults, str(path)) from None


def _checked(path: Path, content: CityContent) -> City:
    city, faults = read_city(content.file, content.toml, content.ids_text, content.roads)
    faults += _threshold_faults(city.file, faults)
    if faults:
        raise CityFaultsError(faults, str(path))
    return city


def _threshold_faults(file: CityFile, known: list[Fault]) -> list[Fault]:
    """Faults of thresholds, left out where a fault of the profiles or the zone itself is their cause."""
    if any(fault.path.startswith("profiles.") for fault in known):
        return []
    found = [Fault(path, text) for path, text in threshold_faults(file)]
    return [
        fault for fault in found
        if not any(f"{earlier.path}.".startswith(f"{fault.path}.") for earlier in known)
    ]


def _with_ids(path: Path, content: CityContent, roads: RoadTable) -> tuple[CityContent, int]:
    """The content with a number for every key, and how many numbers are new."""
    try:
        ids = parse_ids(content.ids_text, str(ids_path(path)))
        extended, added = ids.extended(wanted_ids(content.file, roads))
        lines = format_ids(added)
        text = content.ids_text or HEADER
        if lines and not text.endswith("\n"):
            text += "\n"
        text += lines
        if parse_ids(text) != extended:
            raise IdsError(f"{ids_path(path)}: new lines do not read back as written; restore the file")
    except IdsError as error:
        raise FatalError(str(error)) from None
    return CityContent(content.file, content.toml, text, content.roads), len(added)


def _write_ids(path: Path, before: str, after: str) -> None:
    ids = ids_path(path)
    if not after.startswith(before):
        raise FatalError(f"{ids}: would be changed, not appended to; nothing was written")
    if (_bytes(ids) or b"") != before.encode():
        raise FatalError(f"{ids}: was changed by another process meanwhile; try again")
    if after != before:
        _replace(ids, after.encode())


def _with_roads(path: Path, content: CityContent, name: str) -> tuple[CityFile, bytes]:
    """The city file with `roads = name` and a source for NDW; comments and order stay as they are."""
    has_source = NDW_SOURCE in content.file.sources
    ndw = {} if has_source else {NDW_SOURCE: Source(format=DATEX2_FORMAT, name=NDW_NAME)}
    wanted = msgspec.structs.replace(content.file, roads=name, sources={**content.file.sources, **ndw})
    try:
        document = tomlkit.parse(content.toml)
        document["roads"] = name
        if not has_source:
            _add_ndw_source(document)
        edited = tomlkit.dumps(document).encode()
        if typed_city_file(edited) == wanted:
            return wanted, edited
    except (TOMLKitError, CityFaultsError):
        pass  # the same as an edit that reads back differently: nothing was written yet
    raise FatalError(
        f"{path}: cannot be edited without harm; write by hand `roads = {name!r}` at its top and a "
        f'[sources.{NDW_SOURCE}] with format = "{DATEX2_FORMAT}"'
    )


def _add_ndw_source(document: tomlkit.TOMLDocument) -> None:
    table = tomlkit.table()
    table.update({"format": DATEX2_FORMAT, "name": NDW_NAME})
    table.add(tomlkit.nl())
    sources = document.setdefault("sources", tomlkit.table(is_super_table=True))
    if isinstance(sources, MutableMapping):
        sources[NDW_SOURCE] = table


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as sink:
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        if path.exists():
            fresh.chmod(stat.S_IMODE(path.stat().st_mode))
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        text = f"{path}: cannot be written ({error.strerror}); mend the disk or permissions"
        raise FatalError(text) from None
