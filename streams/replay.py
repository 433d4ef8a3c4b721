# SPDX-License-Identifier: Apache-2.0
"""The in-process runner: files through the same fold, without a broker, with log time from the data."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.alert import State, Transition
from schemas.city import FORMAT, City, CityFile
from schemas.city_load import city_sha256, wanted_ids
from schemas.city_timeline import Timeline
from schemas.errors import DrukteError, RefusedError
from schemas.feeds.decoded import Decoded
from schemas.ids import IdKind, Ids, format_ids
from schemas.live import SCHEMAS, WINDOW_TABLES, LiveTable, Status
from schemas.reading import Batch, NoValue
from schemas.registry import Registry
from schemas.roads import RoadTable, encode_roads
from streams.core.effect import Effect, LiveRows
from streams.core.layout import MINUTE_US
from streams.core.step import Partition
from streams.recorded import Piece, admitted, messages, started, tick

DRAIN_US = 60 * MINUTE_US
"""So much log time passes after the last reading: longer than any allowed delay."""
SOURCE = "replay"

_PLACE_KIND = {LiveTable.ZONE: IdKind.ZONE, LiveTable.GATE: IdKind.GATE, LiveTable.ROAD: IdKind.ZONE}
_NUMBER = {LiveTable.ZONE: "zone", LiveTable.GATE: "gate", LiveTable.ROAD: "zone"}


def _all_columns() -> pa.Schema:
    columns: dict[str, pa.DataType] = {}
    for table in WINDOW_TABLES:
        columns.update({item.name: item.type for item in SCHEMAS[table] if item.name != _NUMBER[table]})
    named = [pa.field("table", pa.string()), pa.field("place", pa.string())]
    return pa.schema(named + [pa.field(name, kind) for name, kind in columns.items()])


WINDOW_SCHEMA = _all_columns()
"""Columns of the windows file: those of all live tables, with text keys."""


@dataclass(slots=True)
class Report:
    """What a replay did; as JSON through `as_json`."""

    files: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    readings: int = 0
    readings_with_value: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refused_files: dict[str, str] = field(default_factory=dict)
    fold: dict[str, int] = field(default_factory=dict)
    windows: dict[str, Counter[str]] = field(default_factory=dict)
    transitions: int = 0
    alerts_opened: int = 0
    alerts_resolved: int = 0

    def as_json(self) -> bytes:
        """The report as indented JSON."""
        return msgspec.json.format(msgspec.json.encode({
            name: getattr(self, name) for name in self.__slots__
        }), indent=2) + b"\n"

    def took(self, decoded: Decoded, admitted: Batch) -> None:
        """Count what a file held."""
        self.counts.update(decoded.counts)
        self.readings += len(admitted)
        has_value = ~np.isnan(admitted.value)
        self.readings_with_value += int(has_value.sum())
        for reason in NoValue:
            count = int((admitted.reason[~has_value] == reason).sum())
            if count:
                self.missing[reason.name.lower().replace("_", "-")] += count

    def told(self, effect: Effect) -> None:
        """Count an effect."""
        if isinstance(effect, Transition):
            self.transitions += 1
            fresh = effect.state_from in (State.NORMAL, State.PENDING)
            self.alerts_opened += effect.state_to is State.FIRING and fresh
            self.alerts_resolved += effect.state_to is State.RESOLVED
            return
        if not isinstance(effect, LiveRows) or effect.table not in WINDOW_TABLES:
            return  # a replay tells of windows and alerts only
        by_status = self.windows.setdefault(effect.table, Counter())
        for status, count in Counter(effect.rows.column("status").to_pylist()).items():
            by_status[Status(status).name.lower()] += count


def city_of_roads(roads: RoadTable, city: City | None = None) -> City:
    """A city with these roads: `city` with its roads replaced, or one that has nothing else."""
    file = city.file if city else CityFile(
        format=FORMAT, city="replay", name="Replay", version=1, timezone="Europe/Amsterdam")
    ids, added = (city.ids if city else Ids()).extended(wanted_ids(file, roads))
    sha256 = city_sha256(msgspec.json.encode(file), format_ids(added), encode_roads(roads))
    return City(file, ids, roads, sha256)


def run(city: City | Timeline[City], files: list[Path], decode: Callable[[Path], Decoded], out: Path | None,
        on_file: Callable[[Path], None] = lambda _: None) -> Report:
    """Fold `files` in their order and write the windows that close.

    Readings of a file are taken in by their own time, and log time follows them; it starts at the earliest
    reading of the first file. Windows that end after the last file was known are not written: nobody saw
    their end.

    Parameters
    ----------
    city : City, or a Timeline of versions
        Of several, each reading goes by the version in force at its own time.
    files : list of Path
    decode : callable
        From a file to readings and refusals; raises `RefusedError` for a file that is refused whole.
    out : Path, optional
        Parquet file with `WINDOW_SCHEMA`: bands for people, exact for roads, as in the live tier.
    on_file : callable
        Told of each file when it is done.
    """
    report = Report()
    cities = city if isinstance(city, Timeline) else Timeline.of(city)
    registries = cities.mapped(Registry.of)
    partition: Partition | None = None
    last_us = 0
    with _Windows(cities.newest, out) as windows:
        for path in files:
            report.files += 1
            piece = _piece(path, decode, registries, report)
            last_us = max(last_us, int(piece.known_us.max(initial=0)))
            if partition is None and len(piece):
                partition = started(cities, int(piece.batch.begin.min()), SOURCE)
            for message in messages(cities, piece, SOURCE):
                assert partition is not None  # noqa: S101  # readings started it
                for effect in partition.step(message, message.ingested_at_us):
                    report.told(effect)
                    windows.write(effect)
            on_file(path)
        if partition is not None:
            for effect in partition.step(tick(cities.newest, last_us + DRAIN_US, SOURCE), 0):
                for seen in _until(effect, last_us):
                    report.told(seen)
                    windows.write(seen)
            report.fold = dict(partition.counters)
    return report


def _piece(path: Path, decode: Callable[[Path], Decoded], registries: Timeline[Registry], report: Report) -> Piece:
    """The readings of a file that may be taken, in the order in which they were known; all else is counted."""
    try:
        decoded = decode(path)
    except RefusedError as error:
        report.refused[error.reason] += 1
        report.refused_files[str(path)] = str(error)
        return Piece.joined([])
    except OSError as error:
        raise DrukteError(f"{path}: cannot be read ({error.strerror or error}); give recorded files") from None
    piece, refusals = admitted(decoded, registries)
    for refusal in refusals:
        report.refused[refusal.reason] += refusal.count
    report.took(decoded, piece.batch)
    return piece.sorted()


def _until(effect: Effect, end_us: int) -> Iterator[Effect]:
    """The part of an effect that is about windows that end by `end_us`."""
    if isinstance(effect, Transition):
        if effect.window_end_us <= end_us:
            yield effect
        return
    if not isinstance(effect, LiveRows):
        return
    span_us = pc.multiply(pc.cast(effect.rows.column("span_s"), pa.int64()), 1_000_000)
    end = pc.add(pc.cast(effect.rows.column("window_start"), pa.int64()), span_us)
    rows = effect.rows.filter(pc.less_equal(end, end_us))
    if rows.num_rows:
        yield LiveRows(effect.table, rows)


class _Windows:
    """The windows file, there when it is whole: until then what was there before stays. Without a path none."""

    def __init__(self, city: City, path: Path | None) -> None:
        self._path = path
        self._part = None if path is None else path.with_name(f".{path.name}.part")
        self._writer: pq.ParquetWriter | None = None
        self._keys = {kind: city.ids.keys_by_number(kind) for kind in (IdKind.ZONE, IdKind.GATE)}

    def __enter__(self) -> Self:
        if self._part is not None:
            try:
                self._writer = pq.ParquetWriter(self._part, WINDOW_SCHEMA, compression="zstd")
            except OSError as error:
                raise self._not_written(error) from None
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._writer is None or self._part is None or self._path is None:
            return
        try:
            self._writer.close()
            if kind is None:
                self._part.replace(self._path)
        except OSError as error:
            raise self._not_written(error) from None
        finally:
            self._part.unlink(missing_ok=True)

    def _not_written(self, error: OSError) -> DrukteError:
        return DrukteError(f"{self._path}: cannot be written ({error.strerror or error}); name another --out")

    def write(self, effect: Effect) -> None:
        """Append the windows of an effect; a transition has none, estimates are not replayed."""
        if self._writer is None or not isinstance(effect, LiveRows) or effect.table not in WINDOW_TABLES:
            return
        rows, keys = effect.rows, self._keys[_PLACE_KIND[effect.table]]
        columns: dict[str, Any] = {name: rows.column(name) for name in rows.schema.names}
        numbers = columns.pop(_NUMBER[effect.table]).to_pylist()
        columns["place"] = pa.array([keys[number] for number in numbers], pa.string())
        columns["table"] = pa.array([str(effect.table)] * rows.num_rows, pa.string())
        arrays = [
            columns.get(item.name, pa.nulls(rows.num_rows, item.type)) for item in WINDOW_SCHEMA
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=WINDOW_SCHEMA))
