# SPDX-License-Identifier: Apache-2.0
"""A thin layer over grafanalib where it is wrong or lacks something; the only module that imports it.

grafanalib 0.7.1 knows no geomap, writes thresholds without a base as the text "null", carries keys of Grafana 5,
and its SQL target is one of Prometheus. So panels are one own class of its `Panel`, and `finished` cleans up.
"""

import json
from dataclasses import dataclass
from typing import Any

from grafanalib import core  # type: ignore[import-untyped]  # it ships no types
from grafanalib._gen import DashboardEncoder  # type: ignore[import-untyped]

from dashboards.look import PLAIN_STEPS, TIMEZONE

SCHEMA_VERSION = 42
"""Of the dashboard JSON: the default of Grafana 12.4 and 13.1."""
DATASOURCE = {"type": "grafana-postgresql-datasource", "uid": "drukte-tsdb"}
GENERATED = "Gemaakt met `drukte dashboards build`; niet met de hand wijzigen."
REFRESHES = ["10s", "30s", "1m", "5m"]
GRID_WIDTH = 24

_LEGACY_DASHBOARD_KEYS = ("__inputs", "gnetId", "hideControls", "id", "rows", "sharedCrosshair", "style")
_LEGACY_PANEL_KEYS = (
    "cacheTimeout", "editable", "error", "height", "hideTimeOverride", "maxPerRow", "minSpan", "repeat",
    "repeatDirection", "span",
)
_LEGACY_VARIABLE_KEYS = ("auto", "auto_count", "auto_min", "tagValuesQuery", "tagsQuery", "useTags")

Json = dict[str, Any]


class Sql(core.Target):  # type: ignore[misc]  # grafanalib has no types
    """One query: what Grafana's PostgreSQL source reads, and nothing else."""

    def __init__(self, ref: str, sql: str, result_format: str) -> None:
        super().__init__(refId=ref, format=result_format)
        self._query = sql_query(ref, sql, result_format)

    def to_json_data(self) -> Json:
        """As Grafana stores it."""
        return self._query


def sql_query(ref: str, sql: str, result_format: str = "table") -> Json:
    """A query in the form of a panel's target; `result_format` is `table` or `time_series`."""
    return {
        "refId": ref, "datasource": DATASOURCE, "format": result_format, "editorMode": "code",
        "rawQuery": True, "rawSql": sql.strip(),
    }


class Visual(core.Panel):  # type: ignore[misc]  # grafanalib has no types
    """Any panel: its type, its options, and what holds for its fields."""

    def __init__(self, kind: str, options: Json, defaults: Json, overrides: list[Json], **panel: Any) -> None:
        super().__init__(**panel)
        self._own = {
            "type": kind, "options": options,
            "fieldConfig": {"defaults": {"thresholds": PLAIN_STEPS} | defaults, "overrides": overrides},
        }

    def to_json_data(self) -> Json:
        """As Grafana stores it."""
        return dict(self.panel_json(self._own))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel stands on the grid of 24 columns; one row is 30 px high."""

    x: int
    y: int
    width: int
    height: int


def visual(
    number: int, kind: str, title: str, place: Place, sql: str = "", *, description: str = "",
    result_format: str = "table", options: Json | None = None, defaults: Json | None = None,
    overrides: list[Json] | None = None, transformations: list[Json] | None = None, points: int | None = None,
) -> Visual:
    """A panel with at most one query.

    Parameters
    ----------
    number : int
        The panel's id: stable, since links and alerts name it.
    kind : str
        Grafana's panel type.
    result_format : str
        `table` or `time_series`.
    points : int, optional
        The largest number of steps over time; without it the panel's width in pixels.
    """
    targets = [Sql("A", sql, result_format)] if sql else []
    return Visual(
        kind, options or {}, defaults or {}, overrides or [],
        id=number, title=title, description=description, targets=targets,
        dataSource=DATASOURCE if sql else None, maxDataPoints=points,
        gridPos=core.GridPos(x=place.x, y=place.y, w=place.width, h=place.height),
        transformations=transformations or [],
    )


def variable(name: str, label: str, sql: str) -> core.Template:
    """A variable of one value; the query gives `__text` and `__value`. The first value is the default."""
    return core.Template(
        name=name, label=label, query=sql.strip(), dataSource=DATASOURCE, type="query",
        refresh=core.REFRESH_ON_TIME_RANGE_CHANGE, sort=core.SORT_DISABLED,
    )


def annotation(name: str, sql: str, colour: str) -> Json:
    """Marks over every time axis; the query gives `time`, `timeend`, `text`, `tags`."""
    return {
        "name": name, "enable": True, "hide": False, "iconColor": colour, "datasource": DATASOURCE,
        "target": sql_query("Anno", sql),
    }


def dashboard(
    uid: str, title: str, description: str, panels: list[Visual], *,
    variables: list[core.Template] | None = None, annotations: list[Json] | None = None,
) -> Json:
    """A whole dashboard as JSON values, clean of what Grafana no longer knows."""
    made = core.Dashboard(
        uid=uid, title=title, description=f"{description} {GENERATED}", tags=["drukte"], panels=panels,
        timezone=TIMEZONE, refresh=REFRESHES[0], time=core.Time("now-3h", "now"), editable=False,
        timePicker=core.TimePicker(REFRESHES, None), graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        schemaVersion=SCHEMA_VERSION, templating=core.Templating(list=variables or []),
        annotations=core.Annotations(list=annotations or []),
        links=[core.DashboardLink(type="dashboards", tags=["drukte"], title="Drukte", keepTime=True)],
    )
    return finished(made)


def finished(made: core.Dashboard) -> Json:
    """Encode, drop legacy keys and nulls (but for the base of thresholds), add what grafanalib lacks."""
    plain = json.loads(json.dumps(made, cls=DashboardEncoder))
    _drop(plain, _LEGACY_DASHBOARD_KEYS)
    _drop(plain["timepicker"], ("time_options",))
    for panel in plain["panels"]:
        _drop(panel, _LEGACY_PANEL_KEYS)
    for one in plain["templating"]["list"]:
        _drop(one, _LEGACY_VARIABLE_KEYS)
        # `current` without a value would be taken for a choice.
        _drop(one, ("current",))
    plain["weekStart"] = "monday"
    pruned: Json = _without_nulls(plain)
    return pruned


def _drop(values: Json, keys: tuple[str, ...]) -> None:
    for key in keys:
        values.pop(key, None)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    if isinstance(value, dict):
        is_threshold = value.keys() == {"value", "color"}
        return {
            key: _without_nulls(one) for key, one in value.items() if one is not None or is_threshold
        }
    return value


def encoded(value: Json) -> bytes:
    """The JSON file: sorted keys, so that a difference in git is one in meaning."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
