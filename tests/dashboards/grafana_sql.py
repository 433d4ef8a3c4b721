# SPDX-License-Identifier: Apache-2.0
"""What Grafana makes of our SQL before it reaches the database: variables, intervals, macros.

Stricter than Grafana where it would send nonsense: an unknown variable, an unknown macro or an empty argument is
an error here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]
VARIABLE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?::([^}]+))?\}")
MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
ROUNDED_INTERVALS_S = [
    (45, 30), (90, 60), (210, 120), (450, 300), (750, 600), (1050, 900), (1500, 1200), (2700, 1800), (5400, 3600),
    (9000, 7200), (16200, 10_800), (32_400, 21_600), (86_400, 43_200),
]
"""Below the first, the second holds; from sections of Grafana's own table that matter here."""


class SqlError(Exception):
    """A query that Grafana would refuse or send as nonsense."""


@dataclass(frozen=True)
class Range:
    """A dashboard's time range, with the room for points that a panel has."""

    begin: datetime
    end: datetime
    points: int = 1000
    floor_s: int = 60

    @property
    def interval_s(self) -> int:
        """Seconds of `$__interval`."""
        raw = (self.end - self.begin).total_seconds() / self.points
        rounded = next((value for below, value in ROUNDED_INTERVALS_S if raw < below), 86_400)
        return max(rounded, self.floor_s)


@dataclass(frozen=True)
class Query:
    """One SQL of a dashboard and where it stands."""

    where: str
    sql: str
    result_format: str


def queries(dashboard: Json) -> Iterator[Query]:
    """Every query of panels, variables and annotations."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield Query(f"panel {panel['id']} {panel['title']}", target["rawSql"], target["format"])
    for one in dashboard["templating"]["list"]:
        yield Query(f"variable {one['name']}", one["query"], "variable")
    for one in dashboard["annotations"]["list"]:
        yield Query(f"annotation {one['name']}", one["target"]["rawSql"], "annotation")


def expanded(sql: str, shown: Range, variables: Mapping[str, str]) -> str:
    """The SQL that reaches the database; raises `SqlError`."""
    text = VARIABLE.sub(lambda found: _variable(found, variables), sql)
    text = text.replace("$__interval_ms", str(shown.interval_s * 1000))
    text = text.replace("$__interval", _interval(shown.interval_s))
    text = MACRO.sub(lambda found: _macro(found[1], found[2], shown), text)
    if left := re.search(r"\$[\w{]+", text):
        raise SqlError(f"{left[0]} is neither a variable nor a macro")
    return text


def _variable(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name = found[1] or found[2] or found[4]
    chosen_format = found[3] or found[5]
    if name.startswith("__"):
        return found[0]
    if name not in variables:
        raise SqlError(f"variable {name} is not defined")
    escaped = variables[name].replace("'", "''")
    match chosen_format:
        case None:
            return escaped
        case "sqlstring":
            quoted = escaped.replace('"', '\\"')
            return f"'{quoted}'"
        case "raw":
            return variables[name]
        case _:
            raise SqlError(f"format {chosen_format} is of no use in SQL")


def _interval(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _stamp(moment: datetime) -> str:
    return f"'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"


def _seconds(argument: str) -> float:
    found = re.fullmatch(r"'?(\d+)(s|m|h)'?", argument)
    if found is None:
        raise SqlError(f"interval {argument} is not understood here")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def _macro(name: str, inside: str, shown: Range) -> str:
    arguments = [one.strip() for one in inside.split(",")] if inside.strip() else []
    begin, end = _stamp(shown.begin), _stamp(shown.end)
    match name, arguments:
        case "__timeFrom", []:
            return begin
        case "__timeTo", []:
            return end
        case "__timeFilter", [column]:
            return f"{column} BETWEEN {begin} AND {end}"
        case "__timeGroup", [column, interval]:
            return f"time_bucket('{_seconds(interval):.3f}s',{column})"
        case "__timeGroupAlias", [column, interval]:
            return f"time_bucket('{_seconds(interval):.3f}s',{column}) AS \"time\""
        case "__unixEpochFilter", [column]:
            return (f"{column} >= {int(shown.begin.timestamp())} AND "
                    f"{column} <= {int(shown.end.timestamp())}")
        case _:
            raise SqlError(f"macro {name} with {len(arguments)} arguments is not known")


def last(hours: float, end: datetime) -> Range:
    """The range of so many hours before `end`."""
    return Range(end - timedelta(hours=hours), end)
