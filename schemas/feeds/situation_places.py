# SPDX-License-Identifier: Apache-2.0
"""Where a situation record lies: points and lines in WGS 84, from the many ways in which DATEX II says it."""

import math
from collections import Counter

from lxml.etree import _Element as Element

from schemas.context import POINTS_A_RECORD, Spot

WITHOUT_PLACE = "records_without_place"
OTHER_SYSTEM = "places_not_in_wgs84"
_LOCATIONS = ("locationReference", "groupOfLocations")
"""Of version 3 and version 2. Alternative routes stand elsewhere in a record and are no part of its place."""
_WGS84 = ("", "wgs84", "epsg4326", "urnogcdefcrsepsg4326", "epsg4258")


def place_of(record: Element) -> tuple[list[list[Spot]], Counter[str]]:
    """Parts of the place, each one point or a line, and names of what could not be read.

    Lines come first and stand alone where there are any: the points beside them name their ends again.
    """
    unread: Counter[str] = Counter()
    locations = [one for one in record if str(one.tag).rpartition("}")[2] in _LOCATIONS]
    lines: list[list[Spot]] = []
    points: list[list[Spot]] = []
    for location in locations:
        for element in location.iter("{*}posList"):
            lines += _line(element, unread)
        for element in location.iter("{*}latitude"):
            points += _point(element)
    parts = lines or points
    if not parts:
        unread[WITHOUT_PLACE] += 1
    return _thinned(_without_repeats(parts)), unread


def _line(element: Element, unread: Counter[str]) -> list[list[Spot]]:
    above = element.getparent()
    system = element.get("srsName") or ("" if above is None else above.get("srsName", ""))
    if "".join(letter for letter in system or "" if letter.isalnum()).casefold() not in _WGS84:
        unread[OTHER_SYSTEM] += 1
        return []
    words = (element.text or "").split()
    step = 3 if element.get("srsDimension") == "3" else 2
    spots = [_spot(words[at], words[at + 1]) for at in range(0, len(words) - step + 1, step)]
    return [[spot for spot in spots if spot is not None]] if spots and None not in spots else []


def _point(latitude: Element) -> list[list[Spot]]:
    above = latitude.getparent()
    longitude = None if above is None else above.find("{*}longitude")
    spot = None if longitude is None else _spot(latitude.text, longitude.text)
    return [] if spot is None else [[spot]]


def _spot(latitude: str | None, longitude: str | None) -> Spot | None:
    try:
        lat, lon = float(latitude or ""), float(longitude or "")
    except ValueError:
        return None
    if not (math.isfinite(lat) and math.isfinite(lon)) or abs(lat) > 90 or abs(lon) > 180:
        return None
    return round(lon, 6), round(lat, 6)


def _without_repeats(parts: list[list[Spot]]) -> list[list[Spot]]:
    return [list(part) for part in dict.fromkeys(map(tuple, parts))]


def _thinned(parts: list[list[Spot]]) -> list[list[Spot]]:
    """The same with at most `POINTS_A_RECORD` points; lines keep their ends."""
    parts = parts[: POINTS_A_RECORD // 2]
    total = sum(map(len, parts))
    if total <= POINTS_A_RECORD:
        return parts
    kept = []
    for part in parts:
        wanted = max(2, len(part) * (POINTS_A_RECORD - 2 * len(parts)) // total)
        at = {round(number * (len(part) - 1) / (wanted - 1)) for number in range(wanted)}
        kept.append([part[position] for position in sorted(at)])
    return kept
