# SPDX-License-Identifier: Apache-2.0
"""A dashboard drawn as one HTML page from its own JSON and the rows of its own queries.

Not Grafana: it follows the same options (grid, mappings, thresholds, bands that fill below a column), so that a
person can look at what the rows and the options together say. A base map and Grafana's own controls are left out.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from dashboards.look import NO_DATA
from tests.dashboards.grafana_sql import Range

Json = dict[str, Any]
Row = dict[str, Any]
Ask = Callable[[str], list[Row]]
COLUMN_PX, ROW_PX, PAD_PX = 66, 32, 6
LEFT_PX, BOTTOM_PX = 46, 34
STYLE = """
body{background:#111217;color:#ccccdc;font:13px sans-serif;margin:0}
.panel{position:absolute;background:#181b1f;border:1px solid #2c3038;overflow:hidden;box-sizing:border-box;padding:4px}
h2{font-size:13px;margin:0 0 4px;color:#fff} table{border-collapse:collapse;width:100%}
th{text-align:left;color:#6ea0ff;font-weight:500} td,th{padding:5px 6px;border-bottom:1px solid #2c3038}
.tiles{display:flex;gap:4px;height:calc(100% - 24px)}
.tile{flex:1;display:flex;flex-direction:column;justify-content:center;text-align:center;padding:2px}
.tile b{font-size:19px}
"""


def _properties(panel: Json, column: str) -> Json:
    found: Json = {}
    defaults = panel["fieldConfig"]["defaults"]
    for key in ("mappings", "thresholds"):
        found[key] = defaults.get(key)
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == column:
            found |= {one["id"]: one["value"] for one in override["properties"]}
    return found


def _colour(properties: Json, value: Any) -> str:
    for mapping in properties["mappings"] or ():
        if isinstance(value, str) and re.search(mapping["options"]["pattern"].strip("/"), value):
            return str(mapping["options"]["result"]["color"])
    colour = properties["thresholds"]["steps"][0]["color"]
    for step in properties["thresholds"]["steps"][1:]:
        if isinstance(value, int | float) and value >= step["value"]:
            colour = step["color"]
    return str(colour)


def cell_colour(panel: Json, column: str, value: Any) -> str:
    """What a cell of a table is painted with."""
    return _colour(_properties(panel, column), value)


def _ink(background: str) -> str:
    red, green, blue = (int(background[at:at + 2], 16) for at in (1, 3, 5))
    return "#000" if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else "#fff"


def _painted(colour: str) -> str:
    return f"background:{colour};color:{_ink(colour)}"


def _tiles(panel: Json, rows: list[Row]) -> str:
    drawn = []
    for name, value in (rows[0] if rows else {"": None}).items():
        text = NO_DATA if value is None else str(value)
        look = _painted(_colour(_properties(panel, name), value))
        drawn.append(f'<div class="tile" style="{look}"><span>{escape(name)}</span><b>{escape(text)}</b></div>')
    return f'<div class="tiles">{"".join(drawn)}</div>'


def _table(panel: Json, rows: list[Row]) -> str:
    if not rows:
        return escape(panel["fieldConfig"]["defaults"]["noValue"])
    shown = [name for name in rows[0] if "custom.hideFrom" not in _properties(panel, name)]
    lines = ["<tr>" + "".join(f"<th>{escape(name)}</th>" for name in shown) + "</tr>"]
    for row in rows:
        cells = []
        for name in shown:
            properties = _properties(panel, name)
            coloured = "custom.cellOptions" in properties and any(
                re.search(one["options"]["pattern"].strip("/"), str(row[name])) for one in properties["mappings"])
            style = f' style="{_painted(_colour(properties, row[name]))}"' if coloured else ""
            cells.append(f"<td{style}>{escape(str(row[name]))}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


class _Axes:
    """Places on a chart of a size, for times of a range and values from 0 up."""

    def __init__(self, panel: Json, shown: Range, top: float = 1.0) -> None:
        grid = panel["gridPos"]
        self.width: int = grid["w"] * COLUMN_PX - 2 * PAD_PX
        self.height: int = grid["h"] * ROW_PX - 36
        self._shown, self._top = shown, top or 1.0

    def x(self, at: datetime) -> float:
        share: float = (at - self._shown.begin) / (self._shown.end - self._shown.begin)
        return LEFT_PX + max(0.0, share) * (self.width - LEFT_PX)

    def y(self, value: float) -> float:
        return (self.height - BOTTOM_PX) * (1 - value / self._top) + 4

    def times(self, zone: ZoneInfo) -> str:
        moments = [self._shown.begin + (self._shown.end - self._shown.begin) * at / 6 for at in range(6)]
        return "".join(
            f'<text x="{self.x(at):.0f}" y="{self.height - 16}" fill="#ccccdc">{at.astimezone(zone):%H:%M}</text>'
            for at in moments
        )

    def svg(self, inside: str) -> str:
        return f'<svg width="{self.width}" height="{self.height}">{inside}</svg>'


def _runs(rows: list[Row], names: tuple[str, ...]) -> list[list[Row]]:
    runs: list[list[Row]] = [[]]
    for row in rows:
        if any(row[name] is None for name in names):
            runs.append([])
        else:
            runs[-1].append(row)
    return [run for run in runs if run]


def _chart(panel: Json, rows: list[Row], shown: Range, zone: ZoneInfo) -> str:
    names = [name for name in rows[0] if name != "time"] if rows else []
    top = max((float(row[name]) for row in rows for name in names if row[name] is not None), default=1.0) * 1.05
    axes = _Axes(panel, shown, top)
    step = rows[1]["time"] - rows[0]["time"] if len(rows) > 1 else shown.end - shown.begin
    drawn = []
    for name in names:
        properties = _properties(panel, name)
        colour = properties.get("color", panel["fieldConfig"]["defaults"]["color"])["fixedColor"]
        below = properties.get("custom.fillBelowTo")
        for run in _runs(rows, (name, below) if below else (name,)):
            line = [(at, axes.y(float(row[name]))) for row in run for at in (row["time"], row["time"] + step)]
            points = [f"{axes.x(at):.1f},{y:.1f}" for at, y in line]
            if below:
                back = [(at, axes.y(float(row[below]))) for row in run for at in (row["time"], row["time"] + step)]
                around = points + [f"{axes.x(at):.1f},{y:.1f}" for at, y in reversed(back)]
                drawn.append(f'<polygon class="band" points="{" ".join(around)}" fill="{colour}" opacity="0.5"/>')
            drawn.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    marks = "".join(
        f'<text x="2" y="{axes.y(top * share) + 4:.0f}" fill="#ccccdc">{top * share:.4g}</text>'
        for share in (0, 0.5, 0.95)
    )
    legend = f'<text x="{LEFT_PX}" y="{axes.height - 2}" fill="#ccccdc">{escape(" · ".join(names))}</text>'
    return axes.svg("".join(drawn) + marks + axes.times(zone) + legend)


def _timeline(panel: Json, rows: list[Row], shown: Range, zone: ZoneInfo) -> str:
    axes = _Axes(panel, shown)
    split, state = list(rows[0])[1:3] if rows else ("", "")
    lanes: dict[str, list[Row]] = {}
    for row in rows:
        lanes.setdefault(row[split], []).append(row)
    high = (axes.height - BOTTOM_PX) / max(1, len(lanes))
    drawn = []
    for number, (name, lane) in enumerate(lanes.items()):
        top = number * high
        step = lane[1]["time"] - lane[0]["time"] if len(lane) > 1 else shown.end - shown.begin
        starts = [at for at, row in enumerate(lane) if at == 0 or row[state] != lane[at - 1][state]]
        for start, following in zip(starts, [*starts[1:], len(lane)], strict=True):
            left, right = axes.x(lane[start]["time"]), axes.x(lane[following - 1]["time"] + step)
            colour = _colour(_properties(panel, state), lane[start][state])
            drawn.append(f'<rect x="{left:.1f}" y="{top + 1:.1f}" width="{right - left:.1f}" '
                         f'height="{high - 2:.1f}" fill="{colour}"/>')
            if right - left > (70 if left > LEFT_PX else 240):
                word_left = left + 170 if left <= LEFT_PX else left + 4
                drawn.append(f'<text x="{word_left:.1f}" y="{top + high / 2 + 4:.1f}" fill="{_ink(colour)}">'
                             f"{escape(lane[start][state])}</text>")
        drawn.append(f'<text x="{LEFT_PX + 4}" y="{top + high / 2 + 4:.1f}" fill="#000" stroke="#fff" '
                     f'stroke-width="3" paint-order="stroke">{escape(name)}</text>')
    return axes.svg("".join(drawn) + axes.times(zone))


def _map(panel: Json, rows: list[Row], shown: Range) -> str:
    axes = _Axes(panel, shown)
    style = panel["options"]["layers"][0]["config"]["style"]
    lons, lats = [row["lon"] for row in rows], [row["lat"] for row in rows]
    scale = min((axes.width - 160) / (max(lons) - min(lons)), (axes.height - 60) / (max(lats) - min(lats)) * 0.61)
    drawn = []
    for row in rows:
        x, y = 80 + (row["lon"] - min(lons)) * scale, 30 + (max(lats) - row["lat"]) * scale / 0.61
        colour = _colour(_properties(panel, "niveau"), row[style["color"]["field"]])
        drawn.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{style["size"]["fixed"]}" fill="{colour}"/>'
                     f'<text x="{x:.0f}" y="{y - 16:.0f}" fill="#fff" text-anchor="middle">'
                     f'{escape(row[style["text"]["field"]])}</text>')
    return axes.svg("".join(drawn))


def page(dashboard: Json, ask: Ask, shown: Range, variables: Mapping[str, str]) -> str:
    """The whole dashboard as HTML; `ask` gives the rows of a query."""
    zone = ZoneInfo(dashboard["timezone"])
    drawn = []
    for panel in dashboard["panels"]:
        rows = ask(panel["targets"][0]["rawSql"])
        match panel["type"]:
            case "stat":
                inside = _tiles(panel, rows)
            case "table":
                inside = _table(panel, rows)
            case "timeseries":
                inside = _chart(panel, rows, shown, zone)
            case "state-timeline":
                inside = _timeline(panel, rows, shown, zone)
            case _:
                inside = _map(panel, rows, shown)
        grid = panel["gridPos"]
        place = (f"left:{grid['x'] * COLUMN_PX}px;top:{34 + grid['y'] * ROW_PX}px;"
                 f"width:{grid['w'] * COLUMN_PX - 4}px;height:{grid['h'] * ROW_PX - 4}px")
        drawn.append(f'<div class="panel" id="panel-{panel["id"]}" style="{place}">'
                     f"<h2>{escape(panel['title'])}</h2>{inside}</div>")
    chosen = ", ".join(f"{name}: {value}" for name, value in variables.items())
    heading = f"{dashboard['title']} {chosen} {shown.end.astimezone(zone):%d-%m-%Y %H:%M}"
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><h2>{escape(heading)}</h2>{''.join(drawn)}"
