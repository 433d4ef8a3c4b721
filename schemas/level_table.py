# SPDX-License-Identifier: Apache-2.0
"""Published tables of service levels in Amsterdam's CSV layout: their rows, and what is wrong with a row by itself.

A row is a band: it runs from `lowerlimit` to `upperlimit` from calm to bad, so that the bands of a speed fall. Open
ends (no limit) are empty cells. The column `unit` is ours; the published table lacks it.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.city import Facility
from schemas.city_fault import meant
from schemas.errors import RefusedError
from schemas.level_profiles import MEASURED, Parameter, TimeType
from schemas.refusal import Reason

COLUMNS = ("id", "type_parameter", "type_gebied", "type_tijd", "level_nr", "level_label", "lowerlimit", "upperlimit")
UNIT = "unit"
AREA_TYPES = ("Shopping", "Red_Light", "Ferries", "Park", "Covid Shopping", *(one.value for one in Facility))
"""Amsterdam's kinds of area, and our facilities."""
PARAMETERS = {parameter.name.casefold(): parameter for parameter in Parameter}
TIME_TYPES = {time_type.value: time_type for time_type in TimeType}


class DefectKind(StrEnum):
    """What a table may have wrong, in the order of the report."""

    COLUMN = "missing-column"
    NO_UNIT = "no-unit"
    WRONG_UNIT = "wrong-unit"
    MIXED_UNITS = "mixed-units"
    DOUBLE_ID = "double-id"
    PARAMETER = "unknown-parameter"
    AREA_TYPE = "unknown-area-type"
    TIME_TYPE = "unknown-time-type"
    NOT_A_NUMBER = "not-a-number"
    LEVEL_FORM = "level-form"
    OPEN_LIMIT = "open-limit"
    MISLABELLED = "mislabelled"
    LEVEL_NUMBER = "level-number"
    MISSING_LEVEL = "missing-level"
    DOUBLE_LEVEL = "double-level"
    IMPLAUSIBLE = "implausible"
    ORDER = "order"
    GAP = "gap"
    OVERLAP = "overlap"
    COPIED = "copied"
    LABEL = "label"
    NO_TIME_TYPE = "no-time-type"


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing wrong with a table.

    Parameters
    ----------
    kind : DefectKind
    rows : tuple of str
        Ids of the rows that it is about; empty: of the whole table.
    what : str
    remedy : str
    """

    kind: DefectKind
    rows: tuple[str, ...]
    what: str
    remedy: str

    def __str__(self) -> str:
        where = f"row{'s' if len(self.rows) > 1 else ''} {shown_rows(self.rows)}" if self.rows else "table"
        return f"{where}: {self.what}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class GroupKey:
    """Bands that make one scale; None where a row does not say it in words that are known."""

    parameter: Parameter | None
    area: str | None
    time: TimeType | None

    def __str__(self) -> str:
        names = (self.parameter and self.parameter.name.capitalize(), self.area,
                 self.time and self.time.name.capitalize())
        return " / ".join(name or "?" for name in names)

    def differs_in(self, other: "GroupKey") -> list[str]:
        """Names of the fields that are not the same."""
        return [name for name in ("parameter", "area", "time") if getattr(self, name) != getattr(other, name)]

    def may_be(self, other: "GroupKey") -> bool:
        """Whether nothing that is known of it contradicts `other`."""
        return all(getattr(self, name) is None for name in self.differs_in(other))


@dataclass(frozen=True, slots=True)
class Band:
    """One row.

    Parameters
    ----------
    at : int
        Its place in the file, from 0.
    row : str
        Its id, or the number of its line where it has none.
    key : GroupKey
    level : int or None
        From 1; None where it is no number.
    label, unit : str
    begin, end : float or None
        From calm to bad; None = open.
    raw_begin, raw_end : str
        As they are written.
    usable : bool
        Whether the bands beside it can be compared with it.
    """

    at: int
    row: str
    key: GroupKey
    level: int | None
    label: str
    unit: str
    begin: float | None
    end: float | None
    raw_begin: str
    raw_end: str
    usable: bool


@dataclass(slots=True)
class LevelTable:
    """Rows of a table, and what is wrong with each by itself."""

    bands: list[Band] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    has_unit: bool = False


def read_level_table(content: bytes) -> LevelTable:
    """Rows and their own defects.

    Raises
    ------
    RefusedError
        `malformed`: it is no UTF-8 text, or no table at all.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RefusedError(Reason.MALFORMED, "level table is not UTF-8; save it as UTF-8") from None
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in head else ",")
    names = list(reader.fieldnames or ())
    if len(names) < 2:
        raise RefusedError(Reason.MALFORMED, f"level table has no header; its columns are {', '.join(COLUMNS)}, {UNIT}")
    table = LevelTable(has_unit=UNIT in names)
    for name in COLUMNS:
        if name not in names:
            table.defects.append(Defect(DefectKind.COLUMN, (), f"has no column {name!r}", "add it"))
    if table.defects:
        return table
    written: dict[str, list[str]] = {}
    for at, cells in enumerate(reader):
        values = {name: (cells.get(name) or "").strip() for name in (*COLUMNS, UNIT)}
        _add_row(table, at, values, reader.line_num, written)
    table.defects += _form_defects(written)
    return table


def _add_row(table: LevelTable, at: int, cells: dict[str, str], line: int, written: dict[str, list[str]]) -> None:
    row = cells["id"] or f"line {line}"
    if any(band.row == row for band in table.bands):
        table.defects.append(Defect(DefectKind.DOUBLE_ID, (row,), "its id stands twice", "give each row its own"))
    found = list(_word_defects(row, cells))
    number, level = cells["level_nr"], _level(cells["level_nr"])
    if level is None:
        found.append(Defect(DefectKind.NOT_A_NUMBER, (row,), f"level_nr {number!r} is no whole number from 1",
                            "write 1, 2, 3, ..."))
    elif str(level) != number:
        written.setdefault(number, []).append(row)
    limits: list[float | None] = []
    for name in ("lowerlimit", "upperlimit"):
        limit = _number(cells[name])
        if cells[name] and limit is None:
            found.append(Defect(DefectKind.NOT_A_NUMBER, (row,), f"{name} {cells[name]!r} is no number",
                                "write digits with a point, or leave an open end empty"))
        limits.append(limit)
    table.defects += found
    key = GroupKey(
        PARAMETERS.get(cells["type_parameter"].casefold()),
        cells["type_gebied"] if cells["type_gebied"] in AREA_TYPES else None,
        TIME_TYPES.get(cells["type_tijd"].casefold()),
    )
    table.bands.append(Band(
        at=at, row=row, key=key, level=level, label=cells["level_label"], unit=cells[UNIT],
        begin=limits[0], end=limits[1], raw_begin=cells["lowerlimit"], raw_end=cells["upperlimit"],
        usable=not found,
    ))


def _word_defects(row: str, cells: dict[str, str]) -> Iterator[Defect]:
    parameters = [name.capitalize() for name in PARAMETERS]
    given = cells["type_parameter"]
    if given.casefold() not in PARAMETERS:
        yield Defect(DefectKind.PARAMETER, (row,), f"there is no parameter {given!r}{meant(given, parameters)}",
                     "write one that is known")
    given = cells["type_gebied"]
    if given not in AREA_TYPES:
        yield Defect(DefectKind.AREA_TYPE, (row,), f"there is no area type {given!r}{meant(given, AREA_TYPES)}",
                     "write one that is known, or a facility")
    given = cells["type_tijd"]
    if given.casefold() not in TIME_TYPES:
        names = [name.capitalize() for name in TIME_TYPES]
        yield Defect(DefectKind.TIME_TYPE, (row,), f"there is no time type {given!r}{meant(given, names)}",
                     "write one that is known")


def _form_defects(written: dict[str, list[str]]) -> Iterator[Defect]:
    rows = tuple(row for found in written.values() for row in found)
    if rows:
        forms = ", ".join(map(repr, sorted(written)))
        yield Defect(DefectKind.LEVEL_FORM, rows, f"level_nr is written {forms}", "write whole numbers without a point")


def unit_defects(bands: Iterable[Band], has_unit: bool) -> Iterator[Defect]:
    """Units that are missing, wrong for their parameter, or mixed within it."""
    if not has_unit:
        yield Defect(DefectKind.NO_UNIT, (), f"has no column {UNIT!r}, so that nobody knows what its numbers are of",
                     "add it: " + ", ".join(f"{MEASURED[one].unit} for {one.name.capitalize()}" for one in Parameter))
        return
    of_parameter: dict[Parameter, list[Band]] = {}
    for band in bands:
        if band.key.parameter is not None:
            of_parameter.setdefault(band.key.parameter, []).append(band)
    for parameter, mine in of_parameter.items():
        unit, name = MEASURED[parameter].unit, parameter.name.capitalize()
        without = tuple(band.row for band in mine if not band.unit)
        other = tuple(band.row for band in mine if band.unit not in ("", unit))
        if without:
            yield Defect(DefectKind.NO_UNIT, without, f"{name} has no unit", f"write {unit}")
        if other:
            mixed = any(band.unit == unit for band in mine)
            forms = ", ".join(sorted({band.unit for band in mine if band.unit not in ("", unit)}))
            yield Defect(DefectKind.MIXED_UNITS if mixed else DefectKind.WRONG_UNIT, other,
                         f"{name} is in {forms}" + (f", elsewhere in {unit}" if mixed else ""),
                         f"give all of {name} in {unit}")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _level(text: str) -> int | None:
    value = _number(text)
    return int(value) if value is not None and value >= 1 and value == int(value) else None


def shown_rows(rows: tuple[str, ...]) -> str:
    """Row ids, runs of numbers drawn together: 73-96, 99."""
    parts: list[list[str]] = []
    for row in rows:
        last = parts[-1][-1] if parts else ""
        if row.isdecimal() and last.isdecimal() and int(row) == int(last) + 1:
            parts[-1] = [parts[-1][0], row]
        else:
            parts.append([row])
    return ", ".join("-".join(part) for part in parts)
