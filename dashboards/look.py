# SPDX-License-Identifier: Apache-2.0
"""How values look on every dashboard: colours with their words, never a colour alone."""

from typing import Any

TIMEZONE = "Europe/Amsterdam"
NO_DATA = "geen gegevens"
"""Stands where nothing is known; never a number, never green. live.level_text says the same."""

GREEN, YELLOW, ORANGE, RED = "#009E73", "#F0E442", "#E69F00", "#D55E00"
GREY = "#808080"
BLUE = "#0072B2"
"""Of everything that has no level. All six can be told apart by colour-blind readers."""
PURPLE = "#A64DC8"
"""Of what stands beside the zones: road works, closures, events, incidents."""

PDOK_GREY = {
    "type": "xyz",
    "config": {
        "url": "https://service.pdok.nl/brt/achtergrondkaart/wmts/v2_0/grijs/EPSG:3857/{z}/{x}/{y}.png",
        "attribution": "© Kadaster / PDOK",
    },
}
"""The base map, without a key; the browser fetches its tiles."""

Mapping = dict[str, Any]


def _regex_mapping(pattern: str, colour: str, index: int) -> Mapping:
    # Without a text in the result the value itself stays: the word of the city's own profile.
    return {"type": "regex", "options": {"pattern": pattern, "result": {"color": colour, "index": index}}}


LEVEL_MAPPINGS: list[Mapping] = [
    _regex_mapping("/^0/", GREEN, 0),
    _regex_mapping("/^1/", YELLOW, 1),
    _regex_mapping("/^2/", ORANGE, 2),
    _regex_mapping("/^[3-9]/", RED, 3),
    _regex_mapping(f"/^{NO_DATA}/", GREY, 4),
]
"""For texts of live.level_text: "3 rood". The number gives the colour, the word is the profile's."""

FRESHNESS_MAPPINGS: list[Mapping] = [
    _regex_mapping("/^verouderd/", ORANGE, 0),
    _regex_mapping(f"/^{NO_DATA}/", GREY, 1),
]

ESCALATION_MAPPINGS: list[Mapping] = [_regex_mapping("/^geëscaleerd/", RED, 0)]

SHOWN_MAPPINGS: list[Mapping] = [
    _regex_mapping("/^getoond/", BLUE, 0),
    _regex_mapping("/achtergehouden$/", YELLOW, 1),
    _regex_mapping(f"/^{NO_DATA}/", GREY, 2),
]

SENSOR_MAPPINGS: list[Mapping] = [
    _regex_mapping("/^(vastgelopen|defect|stil)/", ORANGE, 0),
    _regex_mapping(f"/^(buiten dienst|{NO_DATA})/", GREY, 1),
    _regex_mapping("/./", YELLOW, 2),
]
"""For texts of live.sensor_state_text about sensors that are not in order."""


def steps(*marks: tuple[float | None, str]) -> dict[str, Any]:
    """Thresholds: pairs of the value from which a colour holds (None first) and the colour."""
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in marks]}


PLAIN_STEPS = steps((None, BLUE))
LEVEL_STEPS = steps((None, GREY), (0, GREEN), (1, YELLOW), (2, ORANGE), (3, RED))
"""For a level as a number, -1 where nothing is known."""


def by_name(name: str, **properties: Any) -> dict[str, Any]:
    """An override of the field `name`; `custom__x` stands for Grafana's `custom.x`."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def coloured_cell(name: str, mappings: list[Mapping]) -> dict[str, Any]:
    """An override that paints the cells of a column by its mappings."""
    return by_name(
        name, mappings=mappings, custom__cellOptions={"type": "color-background", "mode": "basic"}
    )
