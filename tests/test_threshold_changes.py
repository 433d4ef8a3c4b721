# SPDX-License-Identifier: Apache-2.0
"""The thresholds of a zone change at most three times within 24 hours."""

from pathlib import Path

import pytest

from schemas.city_version import ALWAYS_US, CityVersion
from streams.city_files import load_city
from streams.threshold_changes import threshold_change_faults
from tests.cities import SMALL_TOML
from tests.versions import as_published, written

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
BEGIN_US = 20_000 * DAY_US
EVENT = """
[events.feest]
name = "Feest"
from = 2026-06-01T12:00:00+02:00
until = 2026-06-01T20:00:00+02:00
sites = ["centrum"]
"""


class Versions:
    """City files of the small city, each with another capacity of the square or another addition."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.published: list[CityVersion] = []

    def file(self, capacity: int, more: str = "") -> Path:
        version = len(self.published) + 1
        toml = SMALL_TOML.replace("version = 1", f"version = {version}")
        toml = toml.replace("capacity = 400", f"capacity = {capacity}") + more
        return written(self._folder / f"klein-{version}.toml", toml)

    def publish(self, capacity: int, hour: float, more: str = "") -> None:
        at_us = ALWAYS_US if not self.published else BEGIN_US + round(hour * HOUR_US)
        self.published.append(as_published(self.file(capacity, more), at_us))

    def faults(self, capacity: int, hour: float, more: str = "") -> list[str]:
        city = load_city(self.file(capacity, more))
        return threshold_change_faults(city, BEGIN_US + round(hour * HOUR_US), self.published)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    made = Versions(tmp_path)
    made.publish(400, 0)
    for hour, capacity in enumerate((450, 400, 450)):
        made.publish(capacity, hour)
    return made


def test_a_fourth_change_within_a_day_is_refused_and_the_time_is_said(versions: Versions) -> None:
    (fault,) = versions.faults(400, 23.9)
    assert fault.startswith("zones.plein: ")
    assert "1970" not in fault
    assert "T00:00:00Z or later" in fault
    assert versions.faults(400, 24) == []


def test_a_version_that_leaves_the_thresholds_alone_is_no_change(versions: Versions) -> None:
    assert versions.faults(450, 3) == []
    versions.publish(450, 3)
    assert versions.faults(450, 4, EVENT) == []
    assert len(versions.faults(400, 4)) == 1


def test_a_new_limit_of_a_density_rule_counts_too(versions: Versions) -> None:
    rule = '\n[rules.dicht]\nkind = "density"\nlimit = 3.5\nseverity = "info"\nzones = ["plein"]\n'
    assert [fault.partition(":")[0] for fault in versions.faults(450, 3, rule)] == ["zones.plein"]


def test_each_zone_has_its_own_three(versions: Versions) -> None:
    rule = '\n[rules.dicht]\nkind = "density"\nlimit = 3.5\nseverity = "info"\nzones = ["straat"]\n'
    assert versions.faults(450, 3, rule) == []


def test_without_published_versions_there_is_nothing_to_count(tmp_path: Path) -> None:
    assert Versions(tmp_path).faults(400, 0) == []


def test_the_order_of_the_published_versions_does_not_matter(versions: Versions) -> None:
    expected = versions.faults(400, 3)
    versions.published.reverse()
    assert versions.faults(400, 3) == expected
