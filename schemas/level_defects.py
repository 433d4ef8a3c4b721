# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a table of service levels as a whole: each defect once, under its cause.

A band that says a wrong word or number leaves a hole where it belongs and stands twice where it does not. Such a pair
is told as the one defect that it is, and the band is then judged where it belongs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from schemas.level_check import is_plausible, scale_faults
from schemas.level_profiles import MEASURED, Measured, Parameter
from schemas.level_table import Band, Defect, DefectKind, GroupKey, LevelTable, read_level_table, unit_defects

_FIELD_WORDS = {"parameter": "parameter", "area": "area type", "time": "time type"}


@dataclass(frozen=True, slots=True)
class _Group:
    """Bands of one scale: by level, each with all rows that claim it."""

    key: GroupKey
    measured: Measured
    levels: dict[int, list[Band]]


def level_table_defects(content: bytes) -> list[Defect]:
    """Every defect of a table in Amsterdam's layout, by kind; empty for a sound one.

    Raises
    ------
    RefusedError
        `malformed`: it is no table at all.
    """
    table = read_level_table(content)
    found = table.defects
    if not any(defect.kind is DefectKind.COLUMN for defect in found):
        found = [*found, *_table_defects(table)]
    order = {kind: at for at, kind in enumerate(DefectKind)}
    place = {band.row: band.at for band in table.bands}
    found = [replace(defect, rows=tuple(sorted(set(defect.rows), key=lambda row: place[row]))) for defect in found]
    return sorted(found, key=lambda defect: (order[defect.kind], [place[row] for row in defect.rows]))


def _table_defects(table: LevelTable) -> Iterator[Defect]:
    usable = [band for band in table.bands if band.usable]
    top = _top_level(usable)
    groups = _groups(usable)
    yield from _mended(groups, top)
    yield from unit_defects([band for group in groups.values() for band in _bands(group)]
                            + [band for band in table.bands if not band.usable], table.has_unit)
    strangers = [band for band in table.bands if not band.usable]
    open_ends: list[tuple[str, str]] = []
    for group in groups.values():
        yield from _level_defects(group, top, strangers)
        yield from _limit_defects(group, top, open_ends)
    yield from _open_defects(open_ends)
    yield from _copied_defects(groups)
    yield from _label_defects(groups)
    yield from _time_defects(groups, strangers)


def _top_level(bands: list[Band]) -> int:
    """How many levels the table means: what most of its scales end with."""
    tops: dict[GroupKey, int] = {}
    for band in bands:
        tops[band.key] = max(tops.get(band.key, 0), band.level or 0)
    return Counter(tops.values()).most_common(1)[0][0] if tops else 0


def _groups(bands: list[Band]) -> dict[GroupKey, _Group]:
    groups: dict[GroupKey, _Group] = {}
    for band in bands:
        _put(groups, band)
    return groups


def _put(groups: dict[GroupKey, _Group], band: Band) -> None:
    parameter = band.key.parameter
    if parameter is not None and band.level is not None:
        group = groups.setdefault(band.key, _Group(band.key, MEASURED[parameter], {}))
        group.levels.setdefault(band.level, []).append(band)


def _bands(group: _Group) -> list[Band]:
    return [band for _, bands in sorted(group.levels.items()) for band in bands]


def _mended(groups: dict[GroupKey, _Group], top: int) -> Iterator[Defect]:
    """Put bands where they belong whose hole is found, and tell what each of them says wrongly."""
    for group in list(groups.values()):
        for level in range(1, top + 1):
            if level in group.levels:
                continue
            band = _stranger(groups, group, level, top)
            if band is None:
                continue
            groups[band.key].levels[band.level or 0].remove(band)
            if not groups[band.key].levels[band.level or 0]:
                del groups[band.key].levels[band.level or 0]
            _put(groups, replace(band, key=group.key, level=level))
            yield _stranger_defect(band, group.key, level)


def _stranger(groups: Mapping[GroupKey, _Group], group: _Group, level: int, top: int) -> Band | None:
    """The band that stands too much elsewhere, differs in one thing only, and fits the hole; the nearest of several."""
    fitting = []
    for other in groups.values():
        differing = group.key.differs_in(other.key)
        for number, bands in other.levels.items():
            surplus = len(bands) > 1 or not 1 <= number <= top
            if surplus and len(differing) + (number != level) == 1:
                fitting += [band for band in bands if _fits(band, group, level, top)]
    own = [band.at for band in _bands(group)]
    return min(fitting, key=lambda band: (min(abs(band.at - at) for at in own), band.at), default=None)


def _fits(band: Band, group: _Group, level: int, top: int) -> bool:
    """Whether a band joins its neighbours where this level is missing."""
    before = [one.end for one in group.levels.get(level - 1, ()) if one is not band]
    after = [one.begin for one in group.levels.get(level + 1, ()) if one is not band]
    falling = group.measured.falling
    begins = (falling or band.begin == 0) if level == 1 else band.begin in before
    ends = (not falling or band.end == 0) if level == top else band.end in after
    return begins and ends and _in_order(band, group.measured)


def _in_order(band: Band, measured: Measured) -> bool:
    if band.begin is None or band.end is None:
        return True
    return band.begin > band.end if measured.falling else band.begin < band.end


def _stranger_defect(band: Band, key: GroupKey, level: int) -> Defect:
    differing = key.differs_in(band.key)
    if not differing:
        return Defect(DefectKind.LEVEL_NUMBER, (band.row,),
                      f"says level {band.level}, which {key} has already; its limits are those of level {level}, which "
                      "is missing", f"write {level}")
    word = _FIELD_WORDS[differing[0]]
    return Defect(DefectKind.MISLABELLED, (band.row,),
                  f"says {band.key}, level {level}, which is there already; its limits are those that {key} lacks",
                  f"correct the {word}")


def _level_defects(group: _Group, top: int, strangers: list[Band]) -> Iterator[Defect]:
    for level in range(1, top + 1):
        explained = any(one.key.may_be(group.key) and one.level in (None, level) for one in strangers)
        if level not in group.levels and not explained:
            rows = tuple(band.row for band in _bands(group))
            yield Defect(DefectKind.MISSING_LEVEL, rows, f"{group.key} has no level {level}", "add its row")
    for level, bands in sorted(group.levels.items()):
        rows = tuple(band.row for band in bands)
        if level > top:
            yield Defect(DefectKind.LEVEL_NUMBER, rows, f"{group.key} has a level {level}; others end at {top}",
                         "correct the number, or give all scales as many levels")
        elif len(bands) > 1:
            yield Defect(DefectKind.DOUBLE_LEVEL, rows, f"{group.key} has level {level} twice", "keep one of them")


def _limit_defects(group: _Group, top: int, open_ends: list[tuple[str, str]]) -> Iterator[Defect]:
    """Ends, order and joints of the bands of one scale; what no other defect explains."""
    single = {level: bands[0] for level, bands in group.levels.items() if len(bands) == 1 and level <= top}
    sound: dict[int, Band] = {}
    for level, band in sorted(single.items()):
        found = list(_band_defects(band, level, top, group, open_ends))
        yield from found
        if not found:
            sound[level] = band
    for level, band in sound.items():
        if level + 1 in sound:
            yield from _joint_defects(band, sound[level + 1], group)
    if len(sound) == top:
        limits = [band.end or 0.0 for _, band in sorted(sound.items())][:-1]
        if all(left.end == right.begin for (_, left), (_, right) in pairwise(sorted(sound.items()))):
            rows = tuple(band.row for band in sound.values())
            for _, text in scale_faults(limits, group.measured):
                yield Defect(DefectKind.ORDER, rows, f"{group.key}: {text}", "correct the limits")


def _band_defects(band: Band, level: int, top: int, group: _Group,
                  open_ends: list[tuple[str, str]]) -> Iterator[Defect]:
    falling, row = group.measured.falling, (band.row,)
    open_begin, open_end = falling and level == 1, not falling and level == top
    for name, value, is_open in (("lowerlimit", band.begin, open_begin), ("upperlimit", band.end, open_end)):
        if value is None and not is_open:
            yield Defect(DefectKind.NOT_A_NUMBER, row, f"{name} is empty, but only the "
                         f"{'calmest' if falling else 'worst'} level is open", "give the limit")
        elif value is not None and not is_open and not is_plausible(value, group.measured):
            yield Defect(DefectKind.IMPLAUSIBLE, row, f"{name} {value:g} {group.measured.unit} is not between 0 and "
                         f"{group.measured.highest:g}", "correct it, or its unit")
            return
    if not _in_order(band, group.measured):
        side = "below" if falling else "above"
        yield Defect(DefectKind.ORDER, row,
                     f"its upperlimit {band.raw_end} is not {side} its lowerlimit {band.raw_begin}",
                     "leave it empty: there is no limit" if open_begin or open_end else "correct the limits")
        return
    if open_begin and band.begin is not None:
        open_ends.append((band.row, band.raw_begin))
    if open_end and band.end is not None:
        open_ends.append((band.row, band.raw_end))
    if level == 1 and not falling and band.begin != 0:
        yield Defect(DefectKind.GAP, row, f"the calmest level begins at {band.raw_begin}", "let it begin at 0")
    if level == top and falling and band.end != 0:
        yield Defect(DefectKind.GAP, row, f"the worst level ends at {band.raw_end}", "let it end at 0")


def _joint_defects(calmer: Band, worse: Band, group: _Group) -> Iterator[Defect]:
    if calmer.end is None or worse.begin is None or calmer.end == worse.begin:
        return
    apart = worse.begin < calmer.end if group.measured.falling else worse.begin > calmer.end
    kind, word = (DefectKind.GAP, "a gap") if apart else (DefectKind.OVERLAP, "an overlap")
    yield Defect(kind, (calmer.row, worse.row), f"{group.key}: level {calmer.level} ends at {calmer.raw_end}, level "
                 f"{worse.level} begins at {worse.raw_begin}: {word}", "give both the same limit")


def _open_defects(open_ends: list[tuple[str, str]]) -> Iterator[Defect]:
    if open_ends:
        forms = " and ".join(map(repr, sorted({text for _, text in open_ends})))
        rows = tuple(row for row, _ in open_ends)
        yield Defect(DefectKind.OPEN_LIMIT, rows, f"'no limit' is spelled {forms}, which are numbers",
                     "leave the cell empty")


def _copied_defects(groups: Mapping[GroupKey, _Group]) -> Iterator[Defect]:
    """Scales whose limits are those of the density of the same place: no other parameter has the same figures."""
    for key, group in groups.items():
        density = groups.get(replace(key, parameter=Parameter.DENSITY))
        if density is None or density is group or not group.levels:
            continue
        if _limits(group) == _limits(density):
            rows = tuple(band.row for band in _bands(group))
            yield Defect(DefectKind.COPIED, rows, f"{key} has the limits of {density.key}", "give its own limits")


def _limits(group: _Group) -> list[tuple[int | None, float | None, float | None]]:
    return [(band.level, band.begin, band.end) for band in _bands(group)]


def _label_defects(groups: Mapping[GroupKey, _Group]) -> Iterator[Defect]:
    of_level: dict[int, list[Band]] = {}
    for group in groups.values():
        for level, bands in group.levels.items():
            of_level.setdefault(level, []).extend(bands)
    for level, bands in sorted(of_level.items()):
        usual = Counter(band.label for band in bands).most_common(1)[0][0]
        for label in sorted({band.label for band in bands} - {usual}):
            rows = tuple(band.row for band in sorted(bands, key=lambda one: one.at) if band.label == label)
            yield Defect(DefectKind.LABEL, rows, f"level {level} is called {label!r}, elsewhere {usual!r}",
                         "call it the same everywhere, or number it as it is called")


def _time_defects(groups: Mapping[GroupKey, _Group], strangers: list[Band]) -> Iterator[Defect]:
    filled = {key: group for key, group in groups.items() if group.levels}
    times = sorted({key.time for key in filled if key.time is not None})
    lacking: dict[tuple[str | None, str], list[GroupKey]] = {}
    for key in filled:
        for time in times:
            wanted = replace(key, time=time)
            if wanted not in filled and not any(one.key.may_be(wanted) for one in strangers):
                lacking.setdefault((key.area, time.name.capitalize()), []).append(key)
    for (area, word), keys in lacking.items():
        rows = tuple(band.row for key in keys for band in _bands(filled[key]))
        names = ", ".join(key.parameter.name.capitalize() for key in keys if key.parameter is not None)
        yield Defect(DefectKind.NO_TIME_TYPE, rows, f"{area} has no {word} ({names})", "add its rows")
