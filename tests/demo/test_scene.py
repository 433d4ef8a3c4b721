# SPDX-License-Identifier: Apache-2.0
"""The demo plays a copy of the city with roads of its choice, at a time when its sensors may report."""

import datetime as dt
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import SensorStatus
from schemas.city_load import wanted_ids
from schemas.errors import FatalError
from schemas.ids import HEADER, Ids, format_ids
from schemas.roads import NDW_SOURCE
from streams.demo import scene
from streams.demo.scene import InventedRoads, RecordedRoads, make_scene, start_us
from streams.simulate.road_sites import ID_PREFIX, SITES
from streams.simulate.roads import MINUTE_US
from tests.cities import SMALL_TOML, small_city, small_file

START_US = 1_780_000_000_000_000


@pytest.fixture
def city_path(tmp_path: Path) -> Path:
    """A small city on disk, in a folder of its own."""
    folder = tmp_path / "original"
    folder.mkdir()
    path = folder / "klein.toml"
    path.write_text(SMALL_TOML)
    _, added = Ids().extended(wanted_ids(small_file(), small_city().roads))
    path.with_suffix(".ids").write_text(HEADER + format_ids(added))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "demo"
    made.mkdir()
    return made


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_invented_roads_come_into_a_copy_and_the_original_stays(city_path: Path, folder: Path) -> None:
    before = digests(city_path.parent)
    made = make_scene(folder, city_path, None)
    assert digests(city_path.parent) == before
    assert made.path.parent == folder
    assert set(made.city.roads.column("zone")) == {site.key for site in SITES}
    assert made.city.file.sources[NDW_SOURCE].format == "datex2"
    roads = made.roads(1, START_US)
    assert isinstance(roads, InventedRoads)
    assert list(roads.due(START_US)) == []
    due = list(roads.due(START_US + 4 * MINUTE_US))
    assert len(due) in (2, 3)
    assert ID_PREFIX.encode() in due[0]
    assert list(roads.due(START_US + 4 * MINUTE_US)) == []


def test_the_hague_is_played_where_nothing_else_is_said(folder: Path) -> None:
    made = make_scene(folder, None, None)
    assert made.city.file.city == "den-haag"
    assert len(made.city.roads) > 0


def test_a_missing_city_and_a_missing_recording_say_what_is_missing(city_path: Path, folder: Path) -> None:
    with pytest.raises(FatalError, match=r"nowhere\.toml"):
        make_scene(folder, city_path.with_name("nowhere.toml"), None)
    with pytest.raises(FatalError, match=r"measurement_site_table\.xml"):
        make_scene(folder, city_path, str(folder))


@pytest.mark.data
def test_a_recording_gives_its_sites_around_the_city(city_path: Path, folder: Path, data_dir: Path) -> None:
    made = make_scene(folder, city_path, str(data_dir / "ndw-denhaag-2016"))
    assert 50 < len(set(made.city.roads.column("zone"))) <= 753
    roads = made.roads(1, START_US)
    assert isinstance(roads, RecordedRoads)
    due = list(roads.due(START_US + 3 * MINUTE_US))
    assert len(due) in (3, 4)
    assert len(set(due)) == len(due)


@pytest.fixture
def closed_address() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens there
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/measurement.xml.gz"


def test_a_public_feed_out_of_reach_leaves_the_crowds_and_a_note(
    city_path: Path, folder: Path, closed_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene, "NDW_SITE_TABLE_URL", closed_address)
    made = make_scene(folder, city_path, "live")
    assert not made.live
    assert len(made.city.roads) == 0
    assert list(made.roads(1, START_US).due(START_US + 10 * MINUTE_US)) == []
    assert "cannot be reached" in made.notes[0]
    assert "crowds only" in made.notes[0]


@given(st.dates(dt.date(2020, 1, 1), dt.date(2035, 1, 1)))
def test_the_simulated_day_is_one_on_which_sensors_may_report(today: dt.date) -> None:
    file = small_file()
    begin = dt.datetime.fromtimestamp(start_us(file, today) / 1e6, dt.UTC)
    for sensor in file.sensors.values():
        assert sensor.status is SensorStatus.ACTIVE
        assert sensor.start <= begin.date() <= sensor.end
    if dt.date(2026, 1, 1) <= today <= dt.date(2027, 12, 31):
        assert begin.date() == today
    assert begin.astimezone(ZoneInfo(file.timezone)).hour == scene.START_HOUR


def test_a_city_without_sensors_starts_today() -> None:
    today = dt.date(2040, 5, 6)
    begin = start_us(msgspec.structs.replace(small_file(), sensors={}), today)
    assert dt.datetime.fromtimestamp(begin / 1e6, dt.UTC).date() == today
