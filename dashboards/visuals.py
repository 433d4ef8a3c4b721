# SPDX-License-Identifier: Apache-2.0
"""The few forms of panel that the dashboards are made of."""

from typing import Any

from dashboards.grafana import Json, Place, Visual, visual
from dashboards.look import BLUE, NO_DATA, ORANGE, PLAIN_STEPS, by_name

FILL_OPACITY_PERCENT = 35


def tiles(
    number: int, title: str, place: Place, sql: str, *, mappings: list[Json] | None = None,
    overrides: list[Json] | None = None, description: str = "", thresholds: Json | None = None,
) -> Visual:
    """The one row of a query as tiles, each with its column's name above the value."""
    return visual(
        number, "stat", title, place, sql, description=description,
        options={
            "reduceOptions": {"values": True, "limit": 1, "calcs": [], "fields": "/.*/"},
            "colorMode": "background_solid", "graphMode": "none", "justifyMode": "center",
            "orientation": "vertical", "textMode": "value_and_name", "wideLayout": True,
        },
        defaults={
            "noValue": NO_DATA, "color": {"mode": "thresholds"}, "mappings": mappings or [],
            "thresholds": thresholds or PLAIN_STEPS,
        },
        overrides=overrides,
    )


def table(
    number: int, title: str, place: Place, sql: str, *, overrides: list[Json], empty: str,
    description: str = "",
) -> Visual:
    """Rows in the order of the query; `empty` is said when there are none."""
    return visual(
        number, "table", title, place, sql, description=description,
        options={"showHeader": True, "cellHeight": "sm", "frameIndex": 0},
        defaults={
            "noValue": empty, "color": {"mode": "thresholds"},
            "custom": {"align": "left", "filterable": False},
        },
        overrides=overrides,
    )


def state_timeline(
    number: int, title: str, place: Place, sql: str, mappings: list[Json], *, split_by: str,
    description: str = "", points: int | None = None,
) -> Visual:
    """A bar for each value of the column `split_by`, from rows of time, that column and a text.

    `points` is the largest number of steps; without it the panel's width in pixels.
    """
    return visual(
        number, "state-timeline", title, place, sql, description=description, points=points,
        options={
            "showValue": "auto", "mergeValues": True, "alignValue": "left", "rowHeight": 0.9, "perPage": 20,
            "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults={
            "noValue": NO_DATA, "color": {"mode": "thresholds"}, "mappings": mappings,
            "custom": {"fillOpacity": 90, "lineWidth": 0},
            "displayName": f"${{__field.labels.{split_by}}}",
        },
        transformations=[{
            "id": "partitionByValues",
            "options": {"fields": [split_by], "keepFields": False, "naming": {"asLabels": True}},
        }],
    )


def band_chart(
    number: int, title: str, place: Place, sql: str, bands: list[tuple[str, str, str]], *, unit: str = "none",
    limit: str | None = None, description: str = "", defaults: Json | None = None,
) -> Visual:
    """Bands over time: the range between two lines is filled, there is no line within.

    Parameters
    ----------
    sql : str
        Gives `time` and the columns named below.
    bands : list of (low, high, colour)
        Names of two columns and the colour of the range between them.
    limit : str, optional
        A column that is drawn as a dashed line.
    """
    overrides = []
    for low, high, colour in bands:
        fixed = {"mode": "fixed", "fixedColor": colour}
        overrides += [
            by_name(low, color=fixed, custom__lineWidth=1, custom__fillOpacity=0),
            by_name(high, color=fixed, custom__lineWidth=1, custom__fillBelowTo=low,
                    custom__fillOpacity=FILL_OPACITY_PERCENT),
        ]
    if limit is not None:
        overrides.append(by_name(
            limit, color={"mode": "fixed", "fixedColor": ORANGE}, custom__lineWidth=2,
            custom__lineStyle={"fill": "dash", "dash": [8, 8]},
        ))
    return time_chart(number, title, place, sql, unit=unit, overrides=overrides, description=description,
                      defaults=defaults)


def time_chart(
    number: int, title: str, place: Place, sql: str, *, unit: str, overrides: list[Json] | None = None,
    description: str = "", defaults: Json | None = None,
) -> Visual:
    """Steps over time; a gap stays a gap."""
    custom: dict[str, Any] = {
        "drawStyle": "line", "lineInterpolation": "stepAfter", "lineWidth": 1, "fillOpacity": 0,
        "spanNulls": False, "showPoints": "never", "axisSoftMin": 0,
    }
    return visual(
        number, "timeseries", title, place, sql, description=description, result_format="time_series",
        options={
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        defaults={
            "noValue": NO_DATA, "unit": unit, "custom": custom,
            "color": {"mode": "fixed", "fixedColor": BLUE},
        } | (defaults or {}),
        overrides=overrides,
    )
