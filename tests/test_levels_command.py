# SPDX-License-Identifier: Apache-2.0
"""`drukte levels`: exit codes, what is printed, and both kinds of file."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.level_profiles import BUILT_IN
from streams import cli
from streams.levels_command import NOT_SOUND, UNREADABLE
from tests.cities import SMALL_TOML
from tests.conftest import ROOT
from tests.schemas.test_level_profiles import sound_rows, written

RUNNER = CliRunner()


def check(path: Path, *options: str) -> tuple[int, str]:
    done = RUNNER.invoke(cli.app, ["levels", "check", str(path), *options])
    return done.exit_code, done.output


def test_a_sound_table_ends_with_zero(tmp_path: Path) -> None:
    table = tmp_path / "levels.csv"
    table.write_bytes(written(sound_rows()))
    assert check(table) == (0, f"{table}: sound\n")
    code, output = check(table, "--json")
    assert code == 0
    assert json.loads(output) == {"file": str(table), "sound": True, "defects": []}


@pytest.mark.data
def test_amsterdams_table_is_told_row_by_row(data_dir: Path) -> None:
    code, output = check(data_dir / "amsterdam-cmsa" / "peoplemeasurement_servicelevels.csv")
    assert code == NOT_SOUND
    for text in ("no column 'unit'", "rows 73-96: level_nr", "row 25: says Speed / Shopping / Peak", "row 99: ",
                 "row 103: ", "row 76: ", "row 80: ", "rows 97-100: ", "rows 97, 101: ", "rows 98, 102: ",
                 "'10.00' and '9999'", "Covid Shopping has no Average", "12 defects"):
        assert text in output
    code, output = check(data_dir / "amsterdam-cmsa" / "peoplemeasurement_servicelevels.csv", "--json")
    document = json.loads(output)
    assert (code, document["sound"], len(document["defects"])) == (NOT_SOUND, False, 12)
    assert all(defect["remedy"] and defect["what"] for defect in document["defects"])


def test_profiles_of_a_toml_file_are_checked_with_the_same_rules(tmp_path: Path) -> None:
    profile = tmp_path / "levels.toml"
    profile.write_text('[profiles.eigen]\nlevels = ["a", "b", "c"]\nsource = "test"\n'
                       "density_per_m2 = { walkway = [0, 2, 1], queue = [0, 1, 72] }\n")
    code, output = check(profile)
    assert code == NOT_SOUND
    assert "profiles.eigen.density_per_m2.walkway[2]: 1 is not above 2" in output
    assert "profiles.eigen.density_per_m2.queue[2]: 72 is not plausible" in output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("density_per_ft2 = { walkway = [0, 1] }", "did you mean 'density_per_m2'"),
        ("density_per_m2 = { street = [0, 1] }", "profiles.eigen.density_per_m2.street"),
        ('density_per_m2 = { walkway = [0, "1"] }', "walkway[1]"),
        ("density_per_m2 = { walkway = [0, nan] }", "finite"),
    ],
)
def test_a_wrong_unit_facility_or_type_is_a_defect(tmp_path: Path, text: str, told: str) -> None:
    profile = tmp_path / "levels.toml"
    profile.write_text(f'[profiles.eigen]\nlevels = ["a", "b"]\nsource = "test"\n{text}\n')
    code, output = check(profile)
    assert code == NOT_SOUND
    assert told in output
    assert "1 defect;" in output


def test_of_a_city_file_only_the_profiles_are_looked_at(tmp_path: Path) -> None:
    city = tmp_path / "city.toml"
    city.write_text(SMALL_TOML.replace('site = "centrum"', 'site = "elders"'))
    assert check(city)[0] == 0
    assert check(ROOT / "infra" / "cities" / "den-haag" / "den-haag.toml")[0] == 0


def test_a_toml_file_without_profiles_is_not_sound(tmp_path: Path) -> None:
    empty = tmp_path / "levels.toml"
    empty.write_text("")
    code, output = check(empty)
    assert code == NOT_SOUND
    assert "[profiles.NAME]" in output


@pytest.mark.parametrize(("name", "content"), [("a.toml", b"[profiles"), ("a.toml", b"\xff"), ("a.csv", b"\xff;;")])
def test_what_cannot_be_read_ends_with_two(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    code, output = check(path)
    assert code == UNREADABLE
    assert str(path) in output


def test_the_list_names_every_profile_and_its_source() -> None:
    output = RUNNER.invoke(cli.app, ["levels", "list"]).output
    assert all(reference in output and found.source in output for reference, found in BUILT_IN.items())
    listed = json.loads(RUNNER.invoke(cli.app, ["levels", "list", "--json"]).output)
    assert [one["profile"] for one in listed] == list(BUILT_IN)


def test_a_profile_is_shown_with_scales_colours_and_source() -> None:
    output = RUNNER.invoke(cli.app, ["levels", "show", "fruin"]).output
    for text in ("fruin@1", "B from 0.31", "peak: geel from 0.72", "p/m/min", "not all checked", "Fruin"):
        assert text in output
    shown = json.loads(RUNNER.invoke(cli.app, ["levels", "show", "amsterdam@1", "--json"]).output)
    assert {scale["parameter"] for scale in shown["scales"]} == {"density", "speed"}


def test_an_unknown_profile_is_refused_with_those_that_are_known() -> None:
    done = RUNNER.invoke(cli.app, ["levels", "show", "none"])
    assert done.exit_code != 0
    assert "fruin@1" in str(done.exception)
