# SPDX-License-Identifier: Apache-2.0
"""`drukte city`: what it prints, what it writes and how it ends."""

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.city_fault import CityFaultsError
from schemas.errors import FatalError
from schemas.ids import HEADER, IdKind, parse_ids
from streams import city_files
from streams.city_command import app
from streams.city_files import add_roads, assign_ids, load_city
from tests.cities import SMALL_TOML, small_city, small_roads
from tests.conftest import ROOT

DEN_HAAG = ROOT / "infra" / "cities" / "den-haag" / "den-haag.toml"
runner = CliRunner()


@pytest.fixture
def city_file(tmp_path: Path) -> Path:
    """The small city with its ids, on disk."""
    path = tmp_path / "klein.toml"
    path.write_text(SMALL_TOML)
    assign_ids(path)
    return path


def broken(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_sound_city_is_shown_with_its_snapped_thresholds(city_file: Path) -> None:
    result = runner.invoke(app, ["check", str(city_file)])
    assert result.exit_code == 0, result.output
    assert "sound" in result.output
    assert "zones 2, gates 2, sensors 4" in result.output
    row = next(line for line in result.output.splitlines() if "plein" in line and "geel" in line)
    assert row.split() == ["plein", "1", "geel", "280", "280", "250"]


def test_no_heading_is_cut_off_in_a_narrow_terminal() -> None:
    lines = runner.invoke(app, ["check", str(DEN_HAAG)], env={"COLUMNS": "80"}).output.splitlines()
    headings = " ".join(lines[:lines.index(next(line for line in lines if "───" in line))])
    assert all(word in headings for word in ("people", "raised", "cleared", "below"))
    assert "…" not in headings


def test_the_same_as_json(city_file: Path) -> None:
    result = runner.invoke(app, ["check", "--json", str(city_file)])
    shown = json.loads(result.stdout)
    assert (result.exit_code, shown["sound"], shown["faults"]) == (0, True, [])
    assert shown["sha256"] == load_city(city_file).sha256
    assert shown["counts"]["zones"] == 2
    straat = next(zone for zone in shown["zones"] if zone["zone"] == "straat")
    assert straat["gain"] == 2
    assert straat["levels"][0] == {
        "level": "geel", "people": 360, "raised_at_counted": 180, "cleared_below_counted": 160,
    }


def test_all_faults_are_printed_with_their_key_paths(city_file: Path) -> None:
    broken(city_file, 'to = "straat"', 'to = "straatje"')
    broken(city_file, "[4.3155, 52.0796]", "[52.0796, 4.3155]")
    result = runner.invoke(app, ["check", str(city_file)])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == f"{city_file}: 2 faults"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "zones.plein.polygon[0]", "gates.plein-straat.to",
    ]


def test_faults_as_json(city_file: Path) -> None:
    broken(city_file, "version = 1", "version = 0")
    result = runner.invoke(app, ["check", "--json", str(city_file)])
    shown = json.loads(result.stdout)
    assert (result.exit_code, shown["sound"]) == (1, False)
    assert [fault["path"] for fault in shown["faults"]] == ["version"]


def test_thresholds_too_low_for_the_bands_are_faults_beside_the_others(city_file: Path) -> None:
    broken(city_file, "capacity = 400", "capacity = 16")
    broken(city_file, "width_m = 8", "width_m = 80")
    result = runner.invoke(app, ["check", str(city_file)])
    assert result.exit_code == 1
    assert "gates.plein-straat.width_m" in result.stdout
    assert "zones.plein: levels 1 and 2 both begin at 10 counted persons" in result.stdout
    with pytest.raises(CityFaultsError):
        load_city(city_file)


def test_numbers_are_given_once_and_only_appended(tmp_path: Path) -> None:
    path = tmp_path / "klein.toml"
    path.write_text(SMALL_TOML)
    missing = runner.invoke(app, ["check", str(path)])
    assert missing.exit_code == 1
    assert "--assign-ids" in missing.stdout
    first = runner.invoke(app, ["check", "--assign-ids", str(path)])
    assert (first.exit_code, "Numbers given: 11" in first.stdout) == (0, True)
    before = path.with_suffix(".ids").read_bytes()
    assert before.startswith(HEADER.encode())
    assert load_city(path).ids == small_city().ids

    broken(path, "[sites.centrum]", '[sites.boven]\nname = "Boven"\n\n[sites.centrum]')
    second = runner.invoke(app, ["check", "--assign-ids", "--json", str(path)])
    assert json.loads(second.stdout)["numbers_added"] == 1
    after = path.with_suffix(".ids").read_bytes()
    assert after == before + b"site\t2\tboven\n"
    assert assign_ids(path) == 0
    assert path.with_suffix(".ids").read_bytes() == after


def test_an_ids_file_without_a_last_line_end_is_continued_on_a_line_of_its_own(city_file: Path) -> None:
    ids = city_file.with_suffix(".ids")
    ids.write_bytes(ids.read_bytes().removesuffix(b"\n"))
    broken(city_file, "[sites.centrum]", '[sites.boven]\nname = "Boven"\n\n[sites.centrum]')
    assert assign_ids(city_file) == 1
    assert parse_ids(ids.read_text())[IdKind.SITE] == {"centrum": 1, "boven": 2}


def test_a_faulty_city_gets_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "klein.toml"
    path.write_text(SMALL_TOML.replace("format = 1", "format = 2", 1))
    result = runner.invoke(app, ["check", "--assign-ids", str(path)])
    assert result.exit_code == 1
    assert "format" in result.stdout
    assert contents(tmp_path).keys() == {"klein.toml"}


def test_broken_ids_are_never_written_over(city_file: Path) -> None:
    ids = city_file.with_suffix(".ids")
    ids.write_text(ids.read_text() + "zone\t1\tmarkt\n")
    before = contents(city_file.parent)
    result = runner.invoke(app, ["check", "--assign-ids", str(city_file)])
    assert result.exit_code == 2
    assert "restore the file" in result.stderr
    assert contents(city_file.parent) == before


def test_ids_changed_by_another_process_are_not_written_over(city_file: Path) -> None:
    ids = city_file.with_suffix(".ids")
    before = ids.read_text()
    with pytest.raises(FatalError, match="another process"):
        city_files._write_ids(city_file, "", before + "site\t2\tboven\n")
    with pytest.raises(FatalError, match="not appended"):
        city_files._write_ids(city_file, before, "site\t1\tboven\n")
    assert ids.read_text() == before


def test_a_changed_ids_file_keeps_its_permissions(city_file: Path) -> None:
    ids = city_file.with_suffix(".ids")
    ids.chmod(0o640)
    broken(city_file, "[sites.centrum]", '[sites.boven]\nname = "Boven"\n\n[sites.centrum]')
    assign_ids(city_file)
    assert stat.S_IMODE(ids.stat().st_mode) == 0o640


@pytest.mark.parametrize("arguments", [["check", "nowhere.toml"], ["check"], ["chek"], ["check", "{folder}"]])
def test_wrong_input_is_told_and_ends_with_2(arguments: list[str], tmp_path: Path) -> None:
    result = runner.invoke(app, [argument.format(folder=tmp_path) for argument in arguments])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert "Error" in result.stderr or result.stderr.startswith("drukte: ")


def test_the_hague_is_sound() -> None:
    result = runner.invoke(app, ["check", "--json", str(DEN_HAAG)])
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert {zone["zone"] for zone in shown["zones"]} == load_city(DEN_HAAG).file.zones.keys()
    assert all(len(zone["levels"]) == 3 for zone in shown["zones"])


def test_roads_are_added_without_harm_to_the_rest(city_file: Path) -> None:
    text = "# A comment of the city's own.\n" + city_file.read_text()
    city_file.write_text(text)
    ids = city_file.with_suffix(".ids").read_text()
    added = add_roads(city_file, small_roads())
    city = load_city(city_file)
    assert added.companion.name == city.file.roads
    assert city.roads.table.equals(small_roads().table)
    assert city.ids == small_city(small_roads()).ids
    assert city.file.sources["ndw"].format == "datex2"
    assert city_file.with_suffix(".ids").read_text().startswith(ids)
    kept = city_file.read_text().splitlines()
    assert [line for line in text.splitlines() if line.strip() and line not in kept] == []
    assert add_roads(city_file, small_roads()).numbers == 0
    assert city_file.read_text().splitlines() == kept


@pytest.mark.data
def test_ndw_detectors_are_brought_into_the_hague(tmp_path: Path, data_dir: Path) -> None:
    path = tmp_path / "den-haag.toml"
    path.write_bytes(DEN_HAAG.read_bytes())
    path.with_suffix(".ids").write_bytes(DEN_HAAG.with_suffix(".ids").read_bytes())
    table = data_dir / "ndw-denhaag-2016" / "measurement_site_table.xml"
    arguments = ["import-ndw", str(table), "--bbox", "4.18,52.01,4.42,52.14", "--into", str(path)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "Brought in: 302 measuring sites in 9 squares" in result.stdout
    assert "Left out: 88 detectors outside the box" in result.stdout
    city = load_city(path)
    longitudes, latitudes = city.roads.column("lon"), city.roads.column("lat")
    assert all(isinstance(lon, float) and 4.18 <= lon <= 4.42 for lon in longitudes)
    assert all(isinstance(lat, float) and 52.01 <= lat <= 52.14 for lat in latitudes)
    assert set(city.roads.column("zone")) < city.ids[IdKind.ZONE].keys()
    assert city.ids[IdKind.ZONE].items() >= load_city(DEN_HAAG).ids[IdKind.ZONE].items()


@pytest.mark.data
def test_an_empty_box_brings_nothing_in(city_file: Path, data_dir: Path) -> None:
    before = contents(city_file.parent)
    table = data_dir / "ndw-denhaag-2016" / "measurement_site_table.xml"
    arguments = ["import-ndw", str(table), "--bbox", "6,53,6.1,53.1", "--into", str(city_file)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert "widen the box" in result.stderr
    assert contents(city_file.parent) == before


@pytest.mark.parametrize(
    "box", ["52.01,4.18,52.14,4.42", "4.42,52.01,4.18,52.14", "4.18,52.01", "a,b,c,d", "nan,50,5,51"]
)
def test_a_box_that_is_none_is_refused(box: str, city_file: Path) -> None:
    before = contents(city_file.parent)
    result = runner.invoke(app, ["import-ndw", str(city_file), "--bbox", box, "--into", str(city_file)])
    assert result.exit_code == 2
    assert "--bbox" in result.stderr
    assert contents(city_file.parent) == before


@pytest.mark.parametrize("name", ["klein.toml", "nowhere.xml"])
def test_a_file_that_is_no_site_table_is_refused(name: str, city_file: Path) -> None:
    before = contents(city_file.parent)
    table = city_file.with_name(name)
    arguments = ["import-ndw", str(table), "--bbox", "4.18,52.01,4.42,52.14", "--into", str(city_file)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"drukte: {table}: ")
    assert contents(city_file.parent) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('[sources.cameras]\nformat = "native"\n', "[sources]\ncameras.format = 'native'\n"),
        ('[sources.cameras]\nformat = "native"\n', "[sources]\ncameras = { format = 'native' }\n"),
        ("version = 1\n", "version = 1\nroads = 'roads-old.parquet' # as imported\n"),
        ("[sites.centrum]", "[sources.later]\nformat = 'native'\n[sites.centrum]"),
    ],
)
def test_roads_are_added_however_the_file_is_written(city_file: Path, old: str, new: str) -> None:
    broken(city_file, old, new)
    add_roads(city_file, small_roads())
    city = load_city(city_file)
    assert city.file.sources["ndw"].format == "datex2"
    assert len(city.roads) == 4
    assert ("# as imported" in city_file.read_text()) == ("# as imported" in new)


def test_roads_are_the_first_source_of_a_city_without_one(tmp_path: Path) -> None:
    path = tmp_path / "leeg.toml"
    head = "format = 1\ncity = 'leeg'\nname = 'Leeg'\nversion = 1\ntimezone = 'Europe/Amsterdam'\n"
    path.write_text(head)
    add_roads(path, small_roads())
    assert load_city(path).file.sources.keys() == {"ndw"}


def test_a_missing_companion_is_a_fault_that_says_so(city_file: Path) -> None:
    add_roads(city_file, small_roads()).companion.unlink()
    with pytest.raises(CityFaultsError, match="does not stand beside the city file"):
        load_city(city_file)


def test_a_companion_is_only_looked_for_beside_the_city_file(city_file: Path) -> None:
    companion = add_roads(city_file, small_roads()).companion
    folder = city_file.parent / "elders"
    folder.mkdir()
    companion.rename(folder / companion.name)
    broken(city_file, companion.name, f"elders/{companion.name}")
    with pytest.raises(CityFaultsError, match="does not stand beside the city file"):
        load_city(city_file)


def test_an_unsound_city_is_left_alone_by_an_import(city_file: Path) -> None:
    broken(city_file, "format = 1", "format = 2")
    before = contents(city_file.parent)
    with pytest.raises(CityFaultsError):
        add_roads(city_file, small_roads())
    assert contents(city_file.parent) == before


def test_ids_that_are_no_text_are_named(city_file: Path) -> None:
    city_file.with_suffix(".ids").write_bytes(b"\xff")
    with pytest.raises(FatalError, match=r"klein\.ids: not UTF-8"):
        load_city(city_file)
