# SPDX-License-Identifier: Apache-2.0
"""A replay across a change of the city file: each reading goes by the version of its own time."""

from pathlib import Path

import msgspec
import pytest

from schemas.city_publication import instant
from schemas.errors import DrukteError
from streams.replay_command import replay_files
from tests.versions import both

BEGIN_US = 1_767_225_600_000_000


def _file(folder: Path) -> Path:
    """Ten minutes of the new camera, which exists from the fifth on."""
    path = folder / "readings.json"
    times = [instant(BEGIN_US + second * 1_000_000) for second in range(0, 600, 10)]
    path.write_bytes(msgspec.json.encode([
        {"sensor": "cam-straat-oost", "metric": "people", "from": at, "to": at, "value": 3} for at in times]))
    return path


def test_a_replay_uses_the_version_of_each_readings_time(tmp_path: Path) -> None:
    first, second = both(tmp_path)
    later = f"{second}@{instant(BEGIN_US + 300_000_000)}"
    report = msgspec.json.decode(
        replay_files([_file(tmp_path)], "native", None, [str(first), later], "cameras", None))
    assert report["refused"] == {"unknown-sensor": 30}
    assert report["fold"]["readings"] == 30


def test_a_later_version_needs_a_later_time(tmp_path: Path) -> None:
    first, second = both(tmp_path)
    for wrong in (str(second), f"{second}@2026-01-01T00:00"):
        with pytest.raises(DrukteError, match="PATH@TIME"):
            replay_files([_file(tmp_path)], "native", None, [str(first), wrong], "cameras", None)
    with pytest.raises(DrukteError, match="have to rise"):
        replay_files([_file(tmp_path)], "native", None,
                     [str(second), f"{first}@2026-01-01T00:00Z"], "cameras", None)
