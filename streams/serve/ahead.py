# SPDX-License-Identifier: Apache-2.0
"""What the page says of people inside a zone and of what is ahead of a place: ranges, never a midpoint. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from streams.core.thresholds import level_by_gates
from streams.serve.places import STALE_WALL_S
from streams.serve.ranges import Range, range_of, status_name
from streams.serve.wording import CANNOT_SAY, CORRECTIONS, ahead_text, band_text, level_word, range_text, tone

OUTLOOK_SHOWN_S = 1_200.0
"""So long after its quarter hour an outlook is told, in log time: until the next one, and five minutes."""
UNITS = {"road": "voertuigen"}
"""Of what is ahead, by kind of place; people of all others."""

Row = Mapping[str, Any]


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """People inside a zone by its gates and all that corrects them; a band, and percent of the permitted number.

    `coverage` is the share of the gates' time that was seen; `correction` says what corrected it in that minute.
    `density_per_m2` are these people over the zone's area: `status` is estimated, or missing where no gate was seen.
    `level`, `word` and `tone` are of the upper bound, as the alarm holds it against the capacity.
    """

    window_end: dt.datetime
    low: int
    high: int
    text: str
    percent: str | None
    coverage: float
    correction: str | None
    density_per_m2: Range | None
    status: str
    level: int
    word: str
    tone: int


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """The most people (or the vehicles) of a quarter hour that ends at `at`, nine times of ten from low to high.

    `text` is rounded outwards and has the unit, or says that nobody can say. `reach_percent` is how probable the next
    level then is, null where there is none.
    """

    ahead_min: int
    at: dt.datetime
    shown_until: dt.datetime
    low: int
    high: int
    text: str
    reach_percent: float | None


class NextLevel(msgspec.Struct, frozen=True, kw_only=True):
    """When a zone reaches its next level, at the earliest and at the latest; both null = nobody can say."""

    word: str
    earliest_at: dt.datetime | None
    latest_at: dt.datetime | None
    text: str


class SiteItem(msgspec.Struct, frozen=True, kw_only=True):
    """A site: what is ahead of all its zones together."""

    key: str
    name: str
    ahead: list[Ahead] = []


def inside_item(row: Row | None, stale_after_s: float, now: dt.datetime, limits: Sequence[float],
                levels: Sequence[str]) -> Inside | None:
    """What a row of `inside_minute` says; None without one, or where it is too old.

    Parameters
    ----------
    row : Row, optional
    stale_after_s : float
    now : datetime
        Log time.
    limits : sequence of float
        People from which each level of the zone above the lowest holds.
    levels : sequence of str
        Their words, from the lowest.
    """
    if row is None:
        return None
    end: dt.datetime = row["window_start"] + dt.timedelta(seconds=row["span_s"])
    if (now - end).total_seconds() > stale_after_s:
        return None
    percent = None if row["percent_low"] is None else range_text(row["percent_low"], row["percent_high"], 0, " %")
    correction, level = row["correction"], level_by_gates(row["inside_high"], limits)
    return Inside(
        window_end=end, low=row["inside_low"], high=row["inside_high"],
        text=band_text(row["inside_low"], row["inside_high"]), percent=percent, coverage=row["coverage"],
        correction=None if correction is None else CORRECTIONS.get(correction, correction),
        density_per_m2=range_of(row, "density_low_per_m2", "density_high_per_m2", 2), status=status_name(row),
        level=level, word=level_word(level, levels), tone=tone(level, len(levels)),
    )


def ahead_items(rows: Iterable[Row], speed: float, now: dt.datetime, band_width: int = 1) -> list[Ahead]:
    """What rows of `outlook_quarter` of one place say, nearest first; none that are too old.

    Parameters
    ----------
    rows : iterable of Row
    speed : float
        Seconds of log time in a second.
    now : datetime
        Log time.
    band_width : int
        People in the newest bands of the place: its text is no more precise.
    """
    shown_s = OUTLOOK_SHOWN_S + (STALE_WALL_S * speed if speed > 1 else 0.0)
    found = []
    for row in rows:
        end = row["window_start"] + dt.timedelta(seconds=row["span_s"])
        until = end + dt.timedelta(seconds=shown_s)
        if now <= until:
            found.append(Ahead(
                ahead_min=row["ahead_min"], at=end + dt.timedelta(minutes=row["ahead_min"]), shown_until=until,
                low=row["low"], high=row["high"],
                text=ahead_text(row["low"], row["high"], band_width, UNITS.get(row["kind"], "mensen")),
                reach_percent=row["percent_reach"]))
    return sorted(found, key=lambda item: item.ahead_min)


def next_level(row: Row | None, ahead: Sequence[Ahead], limits: Sequence[float],
               levels: Sequence[str]) -> NextLevel | None:
    """When a zone reaches its next level, straight from its present band through what is ahead.

    The high edges reach it first, the low edges last. Without a latest time it may also not be reached at all: then
    nobody can say.

    Parameters
    ----------
    row : Row, optional
        The newest of `zone_minute`.
    ahead : sequence of Ahead
    limits : sequence of float
        People from which each level above the lowest holds.
    levels : sequence of str
        Their words, from the lowest.

    Returns
    -------
    NextLevel or None
        None where the zone has no value, or no level above the present one.
    """
    if row is None or row["level"] is None or row["level"] >= len(limits):
        return None
    word = level_word(row["level"] + 1, levels)
    end = row["window_start"] + dt.timedelta(seconds=row["span_s"])
    later = [one for one in ahead if one.at > end]
    limit = limits[row["level"]]
    earliest = _reached([(end, row["people_high"]), *((one.at, one.high) for one in later)], limit)
    latest = _reached([(end, row["people_low"]), *((one.at, one.low) for one in later)], limit)
    if earliest is None or latest is None:
        return NextLevel(word=word, earliest_at=None, latest_at=None, text=f"tot {word}: {CANNOT_SAY}")
    first, last = (round((at - end).total_seconds() / 60) for at in (earliest, latest))
    return NextLevel(word=word, earliest_at=earliest, latest_at=latest,
                     text=f"tot {word}: {range_text(first, last, 0, ' min')}")


def _reached(path: Sequence[tuple[dt.datetime, float]], limit: float) -> dt.datetime | None:
    """When a path, straight between its points, first reaches a limit."""
    before_at, before = path[0]
    if before >= limit:
        return before_at
    for at, people in path[1:]:
        if people >= limit:
            return before_at + (at - before_at) * ((limit - before) / (people - before))
        before_at, before = at, people
    return None
