# SPDX-License-Identifier: Apache-2.0
"""The forecast in the reports: percent of capacity and the chance of the next level. Pure; from published rows only."""

from collections.abc import Sequence

import msgspec

from streams.reports.material import Material, OutlookRow
from streams.reports.wording import Speech

MINUTE_US = 60_000_000
TOLD_AHEAD = (30, 60)
"""Minutes ahead that are said."""
LIKELY_FROM = 10.0
"""Percent from which a chance of a higher level is said."""
ZONES_TOLD = 3


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """A zone so many minutes after a forecast, that is at `at_us`: percent of its capacity (90 % interval); or None.

    `percent_reach` is the chance that it then is above the level that it had at the forecast; None where it had the
    highest or nobody can say.
    """

    zone: str
    zone_name: str
    ahead_min: int
    at_us: int
    percent_low: float | None
    percent_high: float | None
    percent_reach: float | None


class OutlookReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is ahead of a site: those that may get busier, likeliest first.

    `zones_known` zones have a forecast, `zones_judged` of them the chance of a higher level.
    """

    zones_known: int
    zones_judged: int
    rising: list[Expected]


def outlook_of(material: Material, zones: Sequence[str]) -> OutlookReport:
    """What is ahead of some zones at the end of the material."""
    by_zone = {zone: found for zone in zones if (found := expected(material, zone))}
    likeliest = {zone: max(found, key=_chance) for zone, found in by_zone.items()}
    rising = [one for one in likeliest.values() if _chance(one) >= LIKELY_FROM]
    rising.sort(key=lambda one: (-_chance(one), one.zone))
    judged = sum(one.percent_reach is not None for one in likeliest.values())
    return OutlookReport(zones_known=len(by_zone), zones_judged=judged, rising=rising[:ZONES_TOLD])


def expected(material: Material, zone: str) -> list[Expected]:
    """The newest forecast of a zone that is of use now, nearest first; empty without one."""
    newest: dict[int, OutlookRow] = {}
    for row in material.outlook:
        before = newest.get(row.ahead_min)
        if (row.zone == zone and row.ahead_min in TOLD_AHEAD and row.speaks_at(material.until_us)
                and (before is None or row.end_us > before.end_us)):
            newest[row.ahead_min] = row
    return [_expected(material, newest[ahead]) for ahead in sorted(newest)]


def _expected(material: Material, row: OutlookRow) -> Expected:
    zone = material.city.zones.get(row.zone)
    capacity = None if zone is None else zone.capacity
    low, high = (None, None) if not capacity else (100 * row.low / capacity, 100 * row.high / capacity)
    return Expected(zone=row.zone, zone_name=material.place_name(row.zone), ahead_min=row.ahead_min,
                    at_us=row.end_us + row.ahead_min * MINUTE_US, percent_low=low, percent_high=high,
                    percent_reach=row.percent_reach)


def _chance(one: Expected) -> float:
    return -1.0 if one.percent_reach is None else one.percent_reach


def outlook_line(report: OutlookReport, zones: int, speech: Speech) -> str:
    """One sentence about a site with so many zones; empty where nothing is forecast. It speaks of the judged alone."""
    if not report.zones_judged:
        return ""
    head = speech.say("Verwacht", "Expected")
    if not report.rising:
        nothing = speech.say(
            f"het komende uur overal minder dan {LIKELY_FROM:.0f} % kans op een hoger niveau",
            f"within an hour everywhere a chance of less than {LIKELY_FROM:.0f} % of a higher level")
        if report.zones_judged < zones:
            nothing += speech.say(f", van {zones - report.zones_judged} van de {zones} zones niet te zeggen",
                                  f", of {zones - report.zones_judged} of {zones} zones nobody can say")
        return f"{head}: {nothing}"
    return f"{head}: " + "; ".join(f"{one.zone_name} {expected_text(one, speech)}" for one in report.rising)


def expected_text(one: Expected, speech: Speech) -> str:
    """One zone at one time."""
    parts = [speech.say("om ", "at ") + speech.clock(one.at_us)]
    if one.percent_low is not None:
        parts.append(speech.percent(one.percent_low, one.percent_high))
    text = " ".join(parts)
    if one.percent_reach is None:
        return text
    chance = f"{one.percent_reach:.0f} %"
    return text + speech.say(f", kans op een hoger niveau {chance}", f", chance of a higher level {chance}")
