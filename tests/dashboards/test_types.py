# SPDX-License-Identifier: Apache-2.0
"""The generated dashboards against Grafana's own types, of two versions."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboards.city_wall import city_wall
from dashboards.zone import zone
from tests.dashboards.type_check import VERSIONS, complaints, source
from tests.services.cache import grafana_types_dir
from tests.services.missing import INSTALL

Json = dict[str, Any]


@pytest.fixture(scope="module")
def modules() -> Path:
    folder = grafana_types_dir() / "node_modules"
    if not folder.is_dir():
        reason = f"Grafana's types are not installed; run `{INSTALL}` (needs nodejs and npm)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.mark.parametrize("version", VERSIONS)
def test_the_dashboards_fit_the_types(modules: Path, version: str, tmp_path: Path) -> None:
    text = source({"city-wall": city_wall(), "zone": zone()})
    assert complaints(modules, version, text, tmp_path) == ""


def _break_threshold(made: Json) -> None:
    made["panels"][0]["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] = "null"


def _break_key(made: Json) -> None:
    made["panels"][0]["cacheTimeOut"] = "1"


def _break_map(made: Json) -> None:
    panel = next(one for one in made["panels"] if one["type"] == "geomap")
    panel["options"]["tooltip"]["mode"] = "detail"


def _break_custom(made: Json) -> None:
    panel = next(one for one in made["panels"] if one["type"] == "table")
    panel["fieldConfig"]["defaults"]["custom"]["align"] = "links"


@pytest.mark.parametrize("broken_by", [_break_threshold, _break_key, _break_map, _break_custom])
def test_the_check_finds_what_does_not_fit(
    modules: Path, tmp_path: Path, broken_by: Callable[[Json], None]
) -> None:
    made = copy.deepcopy(city_wall())
    broken_by(made)
    assert "error TS" in complaints(modules, "13.1", source({"city-wall": json.loads(json.dumps(made))}), tmp_path)
