# SPDX-License-Identifier: Apache-2.0
"""`drukte.toml`."""

from pathlib import Path

import pytest

from schemas.errors import WrongUseError
from schemas.log import Clock
from streams.settings import load_settings


def written(folder: Path, text: str) -> Path:
    path = folder / "drukte.toml"
    path.write_text(text)
    return path


def test_the_city_lies_beside_the_settings_and_all_else_has_defaults(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, 'city = "den-haag.toml"\n'))
    assert settings.city == tmp_path / "den-haag.toml"
    assert (settings.clock.kind, settings.kafka.partitions, settings.kafka.mock) == (Clock.WALL, 12, False)


def test_settings_are_found_through_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, 'city = "/srv/city.toml"\n[kafka]\nbootstrap = "broker:1"\n')
    monkeypatch.setenv("DRUKTE_SETTINGS", str(path))
    settings = load_settings()
    assert (settings.city, settings.kafka.bootstrap) == (Path("/srv/city.toml"), "broker:1")


@pytest.mark.parametrize(("text", "named"), [
    ("", "city"), ("city = 3", "city"), ('city = "a"\n[kafka]\npartitions = 0', "kafka.partitions"),
    ('city = "a"\n[kafkaa]\n', "kafkaa"), ("city = ", "drukte.toml: "),
])
def test_a_wrong_file_names_its_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(WrongUseError, match=named):
        load_settings(written(tmp_path, text))


def test_an_empty_variable_names_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, 'city = "den-haag.toml"\n')
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("DRUKTE_SETTINGS", "")
    assert load_settings().city == Path("den-haag.toml")


def test_a_missing_file_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="--settings"):
        load_settings(tmp_path / "none.toml")
