# SPDX-License-Identifier: Apache-2.0
"""The lines of a city file for the sensors that a feed names: what the file tells is filled in, the rest is left open.

What only people know stays empty or away, so that `drukte city check` names it until somebody has filled it in.
"""

import re
from collections.abc import Iterable, Iterator

import tomlkit

from schemas.city import Semantics
from schemas.feeds.observed import IN, OUT
from schemas.reading import METRIC_BY_KEY, Metric
from streams.feed_shown import ADDRESS, DIRECTION, Seen

SENSOR_LIMIT = 20
"""More sensors than these are not written out."""
_NOT_KEY = re.compile(r"[^a-z0-9]+")
_OPEN = """\
supplier = ""     # who answers for it
purpose = ""
legal_basis = ""
# start = 2026-01-01   # first and last day on which it may be read
# end = 2026-12-31"""


def city_lines(sensors: Iterable[Seen], format_key: str, source: str | None) -> str:
    """Lines to paste into the city file: the source, where it is new, and the sensors that it does not have.

    Parameters
    ----------
    sensors : iterable of Seen
        Those of the city file are left out.
    format_key : str
    source : str or None
        The source's key in the city file; None where there is none yet.
    """
    by_name: dict[str, list[Seen]] = {}
    for one in sensors:
        if not one.known:
            by_name.setdefault(one.sensor, []).append(one)
    if not by_name:
        return ""
    parts = [] if source else [f"[sources.{_source_key(format_key)}]\nformat = {_text(format_key)}\nname = \"\""]
    taken: set[str] = set()
    for name, measures in list(by_name.items())[:SENSOR_LIMIT]:
        if ADDRESS in name:
            parts.append("# A sensor whose name looks like a hardware address is left out: give it another name.")
        else:
            parts.append("\n".join(_sensor(name, measures, source or _source_key(format_key), format_key, taken)))
    if len(by_name) > SENSOR_LIMIT:
        parts.append(f"# and {len(by_name) - SENSOR_LIMIT} more of them")
    return "\n\n".join(parts) + "\n"


def _source_key(format_key: str) -> str:
    return format_key.replace("_", "-")


def _sensor(name: str, measures: list[Seen], source: str, format_key: str, taken: set[str]) -> Iterator[str]:
    key = _free_key(name, taken)
    path = f"sensors.{key}"
    yield f"[{path}]"
    yield f"source = {_text(source)}"
    if key != name and format_key == "native":
        yield f"# native readings name a sensor by its key: let the sender write {key} for {_text(name)}"
    elif key != name:
        yield f"vendor_id = {_text(name)}"
    at_zone = any(one.metric == Metric.PEOPLE.key for one in measures)
    yield 'zone = ""         # where it looks' if at_zone else 'gate = ""         # the line that it counts over'
    directions = sorted({said for one in measures if one.metric == DIRECTION for said in one.directions})
    if directions:
        yield f"in_direction = {_text(directions[0])}   # which of {', '.join(directions)} is in: look on the spot"
    yield _OPEN
    for metric, one in _measures(measures).items():
        yield f"[{path}.measures.{metric}]"
        yield from _measure(metric, one)


def _measures(measures: list[Seen]) -> dict[str, Seen]:
    """Each metric with what was seen of it; a direction stands for both ways."""
    found: dict[str, Seen] = {}
    for one in measures:
        for metric in (IN, OUT) if one.metric == DIRECTION else (one.metric,):
            found.setdefault(metric, one)
    return found


def _measure(metric: str, one: Seen) -> Iterator[str]:
    semantics = _semantics(METRIC_BY_KEY[metric], one)
    yield f'semantics = "{semantics}"' + ("   # or rate: ask the supplier" if metric == Metric.VEHICLES.key else "")
    every_s = one.every_s if semantics in (Semantics.INSTANT, Semantics.CUMULATIVE) else one.span_s
    if every_s:
        yield f"interval_s = {every_s:g}"
    else:
        yield "# interval_s = 60   # seconds between two reports; the file does not tell"
    if metric == Metric.PEOPLE.key:
        yield "# view_area_m2 = 100   # net area that it sees"


def _semantics(metric: Metric, one: Seen) -> Semantics:
    if metric in (Metric.PEOPLE, Metric.DEVICE_STATE):
        return Semantics.INSTANT
    at_instants = one.span_s == 0
    return Semantics.CUMULATIVE if at_instants else Semantics.INTERVAL


def _free_key(name: str, taken: set[str]) -> str:
    base = _NOT_KEY.sub("-", name.casefold()).strip("-") or "sensor"
    key, number = base, 2
    while key in taken:
        key, number = f"{base}-{number}", number + 1
    taken.add(key)
    return key


def _text(text: str) -> str:
    return tomlkit.string(text).as_string()
