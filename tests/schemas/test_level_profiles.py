# SPDX-License-Identifier: Apache-2.0
"""Built-in profiles are sound and mean what their sources say; tables with one defect are told that one."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.city import Facility, Profile
from schemas.city_check import city_faults
from schemas.city_load import wanted_ids
from schemas.city_types import typed_city_file
from schemas.errors import RefusedError
from schemas.ids import Ids
from schemas.level_check import profile_faults, scale_faults, zone_column_faults
from schemas.level_defects import level_table_defects
from schemas.level_profiles import BUILT_IN, COLOURS, MEASURED, Parameter, TimeType, newest
from schemas.level_table import DefectKind
from schemas.roads import RoadTable
from streams.core.thresholds import level_people, threshold_faults
from tests.cities import SMALL_TOML, small_file

Row = dict[str, str]


@pytest.mark.parametrize("reference", BUILT_IN)
def test_each_built_in_profile_is_sound(reference: str) -> None:
    found = BUILT_IN[reference]
    assert reference == f"{found.name}@{found.version}"
    assert profile_faults_of(Profile(built_in=reference)) == []
    for scale in found.scales:
        assert Facility(scale.facility)
        assert len(scale.names) == len(scale.limits) + 1
        assert list(scale_faults(scale.limits, MEASURED[scale.parameter])) == []
    assert found.columns(Parameter.DENSITY, TimeType.AVERAGE)


def profile_faults_of(profile: Profile) -> list[str]:
    return [str(fault) for fault in profile_faults("profiles.a", profile)]


@pytest.mark.parametrize(
    ("reference", "facility", "time_type", "column"),
    [
        ("fruin@1", Facility.WALKWAY, TimeType.AVERAGE, [0, 0.43, 0.72, 1.08]),
        ("fruin@1", Facility.WALKWAY, TimeType.PEAK, [0, 0.72, 1.08, 2.15]),
        ("fruin@1", Facility.QUEUE, TimeType.AVERAGE, [0, 1.08, 1.54, 3.59]),
        ("hcm@1", Facility.QUEUE, TimeType.AVERAGE, [0, 1.11, 1.67, 3.33]),
        ("still@1", Facility.WALKWAY, TimeType.AVERAGE, [0, 1, 2.5, 3.5]),
        ("amsterdam@1", Facility.WALKWAY, TimeType.AVERAGE, [0, 0.43, 0.72, 1.08]),
        ("amsterdam@1", Facility.WALKWAY, TimeType.PEAK, [0, 0.72, 1.08, 2.17]),
        ("nl-evenement@1", Facility.STANDING, TimeType.AVERAGE, [0, 2, 2.5, 4.7]),
    ],
)
def test_colours_begin_where_the_source_says(
    reference: str, facility: Facility, time_type: TimeType, column: list[float]
) -> None:
    profile = Profile(built_in=reference)
    assert profile.levels == list(COLOURS)
    assert profile.densities(time_type)[facility] == column


def test_peak_never_warns_before_average() -> None:
    for reference in BUILT_IN:
        profile = Profile(built_in=reference)
        for facility, peak in profile.peak_density_per_m2.items():
            assert all(one >= other for one, other in zip(peak, profile.density_per_m2[facility], strict=True))


def test_a_profile_that_is_written_out_and_read_again_is_the_same() -> None:
    profile = Profile(built_in="fruin@1")
    again = msgspec.json.decode(msgspec.json.encode(profile), type=Profile)
    assert again == profile
    assert profile_faults_of(again) == []


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        (Profile(built_in="fruin"), "name its version too: 'fruin@1'"),
        (Profile(built_in="fruni@1"), "did you mean 'fruin@1'"),
        (Profile(built_in="fruin@1", levels=["a", "b"]), "gives all fields"),
        (Profile(levels=["a", "b"], source="s"), "has no column"),
        (Profile(levels=["a", "b"], source="s", peak_density_per_m2={Facility.WALKWAY: [0, 11]}), "not plausible"),
        (Profile(levels=["a", "b", "c"], source="s", density_per_m2={Facility.QUEUE: [0, 2, 1]}), "must rise"),
        (Profile(levels=["a", "b", "c"], source="s", density_per_m2={Facility.QUEUE: [0, 2]}), "2 values for 3"),
    ],
)
def test_an_unsound_profile_is_told_its_fault(profile: Profile, text: str) -> None:
    [fault] = profile_faults_of(profile)
    assert text in fault


def test_the_newest_version_of_a_name() -> None:
    assert newest("hcm") is BUILT_IN["hcm@1"]
    assert newest("none") is None


def with_built_in(zone_extra: str = "") -> bytes:
    """The small city with Fruin in its street."""
    begin = SMALL_TOML.index("[profiles.amsterdam-peak]")
    end = SMALL_TOML.index("[rules.oranje]")
    toml = SMALL_TOML[:begin] + '[profiles.amsterdam-peak]\nbuilt_in = "fruin@1"\n\n' + SMALL_TOML[end:]
    return toml.replace("[zones.straat]\n", f"[zones.straat]\n{zone_extra}\n").encode()


def test_a_city_file_takes_a_built_in_profile_by_its_name() -> None:
    file = typed_city_file(with_built_in())
    ids, _ = Ids().extended(wanted_ids(file, RoadTable.empty()))
    assert city_faults(file, ids, RoadTable.empty()) == []
    assert threshold_faults(file) == []
    straat = file.zones["straat"]
    assert level_people(straat, file.profiles[straat.profile]) == pytest.approx([215, 360, 540])


def test_the_zones_time_type_chooses_the_column() -> None:
    file = typed_city_file(with_built_in('time_type = "peak"'))
    straat = file.zones["straat"]
    assert level_people(straat, file.profiles[straat.profile]) == pytest.approx([360, 540, 1075])


def test_the_permit_wins_where_it_is_the_stricter_one() -> None:
    straat = msgspec.structs.replace(small_file().zones["straat"], capacity=200)
    assert level_people(straat, Profile(built_in="fruin@1")) == [140, 170, 200]


def test_a_peak_zone_needs_a_peak_column() -> None:
    plein = msgspec.structs.replace(small_file().zones["plein"], time_type=TimeType.PEAK)
    [fault] = zone_column_faults("plein", plein, small_file().profiles["nl-evenement"])
    assert fault.path == "zones.plein.time_type"
    assert "no peak column for 'standing'" in fault.text


def test_an_unknown_time_type_is_refused() -> None:
    with pytest.raises(Exception, match=r"time_type: 'rush' is not known here"):
        typed_city_file(with_built_in('time_type = "rush"'))


# Tables in Amsterdam's layout.

LIMITS = {
    ("Count", "Peak"): ["0", "14", "20", "23", ""], ("Count", "Average"): ["0", "14", "20", "26", ""],
    ("Density", "Peak"): ["0", "0.72", "1.08", "2.17", ""], ("Density", "Average"): ["0", "0.43", "0.72", "1.08", ""],
    ("Speed", "Peak"): ["", "1", "0.81", "0.76", "0"], ("Speed", "Average"): ["", "1", "0.81", "0.76", "0"],
}
UNITS = {"Count": "p/m/min", "Density": "p/m2", "Speed": "m/s"}
LABELS = ("Comfortabel", "Acceptabel", "Risicovol", "Onacceptabel")


def sound_rows() -> list[Row]:
    """Two area types, three parameters, two time types, four levels: 48 rows."""
    rows: list[Row] = []
    for area in ("Shopping", "Park"):
        for (parameter, time), limits in LIMITS.items():
            for level in range(4):
                rows.append({
                    "id": str(len(rows) + 1), "type_parameter": parameter, "type_gebied": area, "type_tijd": time,
                    "level_nr": str(level + 1), "level_label": LABELS[level], "lowerlimit": limits[level],
                    "upperlimit": limits[level + 1], "unit": UNITS[parameter],
                })
    return rows


def written(rows: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def defects(rows: list[Row]) -> list[tuple[DefectKind, tuple[str, ...]]]:
    return [(defect.kind, defect.rows) for defect in level_table_defects(written(rows))]


def test_a_sound_table_has_no_defect() -> None:
    assert defects(sound_rows()) == []


def cell(name: str, text: str) -> Callable[[list[Row], int], tuple[str, ...] | None]:
    """Write a text into one cell; the defect is told of that row."""
    def seed(rows: list[Row], at: int) -> tuple[str, ...] | None:
        rows[at][name] = text
        return (rows[at]["id"],)
    return seed


def group_of(rows: list[Row], row: Row) -> list[Row]:
    names = ("type_parameter", "type_gebied", "type_tijd")
    return [one for one in rows if all(one[name] == row[name] for name in names)]


def dropped(rows: list[Row], at: int) -> tuple[str, ...]:
    row = rows.pop(at)
    return tuple(one["id"] for one in group_of(rows, row))


def doubled(rows: list[Row], at: int) -> tuple[str, ...]:
    rows.insert(at + 1, {**rows[at], "id": "900"})
    return (rows[at]["id"], "900")


def double_id(rows: list[Row], at: int) -> tuple[str, ...]:
    rows[at]["id"] = rows[at - 1]["id"]
    return (rows[at]["id"],)


def joint(shift: float) -> Callable[[list[Row], int], tuple[str, ...] | None]:
    """Move a row's begin by a part of its band: apart from the band before, or into it."""
    def seed(rows: list[Row], at: int) -> tuple[str, ...] | None:
        row = rows[at]
        if row["level_nr"] not in ("2", "3"):
            return None
        begin, end = float(row["lowerlimit"]), float(row["upperlimit"])
        row["lowerlimit"] = f"{begin + shift * (end - begin):.4f}"
        return (rows[at - 1]["id"], row["id"])
    return seed


def turned(rows: list[Row], at: int) -> tuple[str, ...] | None:
    row = rows[at]
    if not row["lowerlimit"] or not row["upperlimit"]:
        return None
    row["lowerlimit"], row["upperlimit"] = row["upperlimit"], row["lowerlimit"]
    return (row["id"],)


def ended_below(rows: list[Row], at: int) -> tuple[str, ...] | None:
    if rows[at]["upperlimit"]:
        return None
    rows[at]["upperlimit"] = "0.01"
    return (rows[at]["id"],)


def sentinel(rows: list[Row], at: int) -> tuple[str, ...] | None:
    for name in ("lowerlimit", "upperlimit"):
        if not rows[at][name]:
            rows[at][name] = "9999"
            return (rows[at]["id"],)
    return None


def emptied(rows: list[Row], at: int) -> tuple[str, ...] | None:
    if rows[at]["level_nr"] not in ("2", "3"):
        return None
    rows[at]["lowerlimit"] = ""
    return (rows[at]["id"],)


def far_out(rows: list[Row], at: int) -> tuple[str, ...] | None:
    if rows[at]["level_nr"] not in ("2", "3"):
        return None
    rows[at]["upperlimit"] = "7200"
    return (rows[at]["id"],)


def other_parameter(rows: list[Row], at: int) -> tuple[str, ...]:
    other = {"Count": "Density", "Density": "Count", "Speed": "Density"}
    rows[at]["type_parameter"] = other[rows[at]["type_parameter"]]
    return (rows[at]["id"],)


def other_number(rows: list[Row], at: int) -> tuple[str, ...]:
    rows[at]["level_nr"] = str(int(rows[at]["level_nr"]) % 4 + 1)
    return (rows[at]["id"],)


def late_begin(rows: list[Row], at: int) -> tuple[str, ...] | None:
    if rows[at]["lowerlimit"] != "0":
        return None
    rows[at]["lowerlimit"] = "0.1"
    return (rows[at]["id"],)


def no_average(rows: list[Row], at: int) -> tuple[str, ...]:
    area, parameter = rows[at]["type_gebied"], rows[at]["type_parameter"]
    for row in group_of(rows, {**rows[at], "type_tijd": "Average"}):
        rows.remove(row)
    return tuple(row["id"] for row in rows if row["type_gebied"] == area and row["type_parameter"] == parameter)


def copied(rows: list[Row], at: int) -> tuple[str, ...] | None:
    if rows[at]["type_parameter"] != "Count":
        return None
    mine = group_of(rows, rows[at])
    for row, density in zip(mine, group_of(rows, {**rows[at], "type_parameter": "Density"}), strict=True):
        row["lowerlimit"], row["upperlimit"] = density["lowerlimit"], density["upperlimit"]
    return tuple(row["id"] for row in mine)


def another_unit(rows: list[Row], at: int) -> tuple[str, ...]:
    mine = [row for row in rows if row["type_parameter"] == rows[at]["type_parameter"]]
    for row in mine:
        row["unit"] = "p/ft2"
    return tuple(row["id"] for row in mine)


SEEDS = {
    DefectKind.NO_UNIT: cell("unit", ""), DefectKind.MIXED_UNITS: cell("unit", "p/ft2"),
    DefectKind.WRONG_UNIT: another_unit, DefectKind.DOUBLE_ID: double_id,
    DefectKind.PARAMETER: cell("type_parameter", "Noise"), DefectKind.AREA_TYPE: cell("type_gebied", "Red_light"),
    DefectKind.TIME_TYPE: cell("type_tijd", "Rush"), DefectKind.NOT_A_NUMBER: cell("lowerlimit", "veel"),
    DefectKind.LEVEL_FORM: lambda rows, at: cell("level_nr", rows[at]["level_nr"] + ".00")(rows, at),
    DefectKind.OPEN_LIMIT: sentinel, DefectKind.MISLABELLED: other_parameter, DefectKind.LEVEL_NUMBER: other_number,
    DefectKind.MISSING_LEVEL: dropped, DefectKind.DOUBLE_LEVEL: doubled, DefectKind.IMPLAUSIBLE: far_out,
    DefectKind.ORDER: turned, DefectKind.GAP: joint(0.2), DefectKind.OVERLAP: joint(-0.2),
    DefectKind.COPIED: copied, DefectKind.LABEL: cell("level_label", "Naderend risico"),
    DefectKind.NO_TIME_TYPE: no_average,
}


def test_every_kind_but_a_missing_column_is_seeded() -> None:
    assert SEEDS.keys() == set(DefectKind) - {DefectKind.COLUMN}


@pytest.mark.parametrize("kind", SEEDS)
@settings(max_examples=25)
@given(at=st.integers(0, 47))
def test_one_seeded_defect_is_the_only_one_told(kind: DefectKind, at: int) -> None:
    rows = sound_rows()
    expected = SEEDS[kind](rows, at)
    if expected is not None:
        assert defects(rows) == [(kind, expected)]


@pytest.mark.parametrize(
    ("seed", "kind"),
    [(emptied, DefectKind.NOT_A_NUMBER), (ended_below, DefectKind.ORDER), (late_begin, DefectKind.GAP)],
)
@settings(max_examples=25)
@given(at=st.integers(0, 47))
def test_further_forms_of_a_defect(
    seed: Callable[[list[Row], int], tuple[str, ...] | None], kind: DefectKind, at: int
) -> None:
    rows = sound_rows()
    expected = seed(rows, at)
    if expected is not None:
        assert defects(rows) == [(kind, expected)]


def test_a_missing_column_is_told_alone() -> None:
    rows = [{name: text for name, text in row.items() if name != "level_nr"} for row in sound_rows()]
    [defect] = level_table_defects(written(rows))
    assert (defect.kind, defect.rows) == (DefectKind.COLUMN, ())
    assert "'level_nr'" in defect.what


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe;;"])
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(RefusedError, match="level table"):
        level_table_defects(content)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_check(content: bytes) -> None:
    head = ";".join(sound_rows()[0]).encode() + b"\n"
    try:
        assert isinstance(level_table_defects(head + content), list)
    except RefusedError:
        with pytest.raises(UnicodeDecodeError):
            content.decode()


@pytest.mark.data
def test_the_published_table_has_these_defects_and_no_other(data_dir: Path) -> None:
    content = (data_dir / "amsterdam-cmsa" / "peoplemeasurement_servicelevels.csv").read_bytes()
    found = [(defect.kind, defect.rows) for defect in level_table_defects(content)]
    assert found[0] == (DefectKind.NO_UNIT, ())
    assert found[1] == (DefectKind.LEVEL_FORM, tuple(str(row) for row in range(73, 97)))
    kind, rows = found[2]
    assert kind is DefectKind.OPEN_LIMIT
    assert {"4", "49", "84", "89", "100", "104"} <= set(rows)
    assert not {"76", "80", "99"} & set(rows)
    assert found[3:] == [
        (DefectKind.MISLABELLED, ("25",)),
        (DefectKind.LEVEL_NUMBER, ("99",)), (DefectKind.LEVEL_NUMBER, ("103",)),
        (DefectKind.ORDER, ("76",)), (DefectKind.ORDER, ("80",)),
        (DefectKind.COPIED, ("97", "98", "99", "100")),
        (DefectKind.LABEL, ("97", "101")), (DefectKind.LABEL, ("98", "102")),
        (DefectKind.NO_TIME_TYPE, tuple(str(row) for row in range(97, 105))),
    ]


@pytest.mark.data
def test_the_amsterdam_profile_is_the_published_table_mended(data_dir: Path) -> None:
    with (data_dir / "amsterdam-cmsa" / "peoplemeasurement_servicelevels.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file, delimiter=";")}
    rows["25"]["type_parameter"] = "Density"
    for scale in BUILT_IN["amsterdam@1"].scales:
        for area in scale.area_types:
            for time_type in [scale.time_type] if scale.time_type else list(TimeType):
                mine = [row for row in rows.values() if row["type_parameter"].lower() == scale.parameter
                        and row["type_gebied"] == area and row["type_tijd"].lower() == time_type]
                mine.sort(key=lambda row: float(row["level_nr"]))
                assert tuple(float(row["lowerlimit"]) for row in mine[1:]) == scale.limits
                assert tuple(row["level_label"] for row in mine) == scale.names
