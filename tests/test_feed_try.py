# SPDX-License-Identifier: Apache-2.0
"""`drukte feed try`: what would be read, missing, refused and why, and what is never shown."""

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from schemas.city import Source
from schemas.errors import DrukteError
from schemas.ids import HEADER, format_ids
from schemas.reading import Metric
from schemas.refusal import Reason
from streams.cli import app
from streams.core.privacy import band
from streams.feed_lines import city_lines
from streams.feed_report import Document, certificate, checks, missed
from streams.feed_shown import ADDRESS, TEXT_CHARACTERS, Seen, clean, shown_value
from streams.feed_try import Setting, Tried, suggestions, try_body
from tests.cities import SMALL_TOML, small_city
from tests.schemas.feeds.documents import flow, measurements, publication

Json = dict[str, Any]
NATIVE = Source(format="native")
PLACE = Document("n.json", 10, "0" * 64)


def reading(at: str = "12:04:00", *, sensor: str = "cam-plein", metric: str = "people", until: str | None = None,
            value: float | None = 21) -> Json:
    day = "2026-03-01T{}+01:00"
    return {"sensor": sensor, "metric": metric, "from": day.format(at), "to": day.format(until or at), "value": value}


def body(*readings: Json) -> bytes:
    return json.dumps(readings).encode()


def passages(sensor: str = "nieuw", value: float | None = 3, at: int = 4) -> Json:
    return reading(f"12:{at:02}:00", sensor=sensor, metric="in", until=f"12:{at + 1:02}:00", value=value)


def tried(content: bytes, *, city: bool = False, key: str | None = None, rows: int = 10) -> Tried:
    return try_body(content, Setting(NATIVE, key, small_city() if city else None, {}), rows, [])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["feed", "try", *map(str, arguments)], env={"COLUMNS": "300"})


@pytest.fixture
def city_path(tmp_path: Path) -> Path:
    path = tmp_path / "klein.toml"
    path.write_text(SMALL_TOML)
    numbers = [(kind, number, name) for kind, known in small_city().ids.numbers.items()
               for name, number in known.items()]
    path.with_suffix(".ids").write_text(HEADER + format_ids(numbers))
    return path


def test_without_a_city_sensors_are_as_the_file_names_them() -> None:
    found = tried(body(reading(), reading("12:04:10", value=None), passages()))
    assert (found.readings, found.missing, found.refused, found.is_refused) == (2, 1, 0, False)
    assert [(one.sensor, one.metric, one.span_s, one.every_s, one.known) for one in found.sensors] == [
        ("cam-plein", "people", 0.0, 10.0, False), ("nieuw", "in", 60.0, None, False)]


def test_with_a_city_strangers_are_refused_and_still_listed() -> None:
    found = tried(body(reading(), passages()), city=True, key="cameras")
    assert (found.readings, found.refused) == (1, 1)
    assert [one.reason for one in found.refusals] == [Reason.UNKNOWN_SENSOR]
    assert [(one.sensor, one.known) for one in found.sensors] == [("cam-plein", True), ("nieuw", False)]


def test_what_the_door_would_refuse_is_refused_here() -> None:
    found = tried(body(reading(value=-1), reading("12:04:10", value=1e9)), city=True, key="cameras")
    assert (found.readings, found.is_refused) == (0, True)
    assert {one.reason for one in found.refusals} == {Reason.BAD_VALUE}
    before_its_start = body(reading() | {"from": "2025-03-01T12:00:00Z", "to": "2025-03-01T12:00:00Z"})
    assert [one.reason for one in tried(before_its_start, city=True, key="cameras").refusals] == [
        Reason.OUT_OF_SERVICE]


def test_values_are_accounted_for_without_a_city() -> None:
    bad = [reading(metric="peeple"), reading() | {"from": "noon"}, reading(value=-1),
           reading("12:05:00", until="12:04:00")]
    found = tried(body(reading(), *bad))
    assert (found.readings, found.refused) == (1, 4)
    assert [one.reason for one in found.refusals] == [
        Reason.UNKNOWN_METRIC, Reason.BAD_TIME, Reason.BAD_VALUE, Reason.BAD_TIME]


def test_people_are_shown_as_bands_and_public_figures_as_they_are() -> None:
    assert tried(body(reading())).rows[0].value == "20-24"
    assert shown_value(Metric.IN, 9.9) == shown_value(None, 0) == "<10"
    assert shown_value(Metric.SPEED, 43.5) == "43.5"
    assert shown_value(Metric.PEOPLE, None) == "no value"


@given(st.integers(min_value=10, max_value=100_000), st.sampled_from([None, Metric.PEOPLE, Metric.IN, Metric.OUT]))
def test_two_values_of_one_band_look_the_same(people: int, metric: Metric | None) -> None:
    low, high = (int(edge) for edge in band(people))
    assert shown_value(metric, people) == shown_value(metric, low) == shown_value(metric, high)


def test_a_person_level_body_is_refused_whole_and_nothing_of_it_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "sniffed.json"
    path.write_bytes(body(reading() | {"mac": "aa:bb:cc:dd:ee:ff", "wie": {"kenteken": "12-ABC-3"}}))
    for arguments in ([], ["--json"], ["--certificate"]):
        result = run(path, "--format", "native", *arguments)
        assert result.exit_code == 1
        assert "person-level" in result.output
        assert "mac" in result.output
        assert not any(said in result.output for said in ("aa:bb", "12-ABC-3"))


@given(st.text(max_size=400))
def test_a_text_of_the_sender_is_one_short_printable_line(text: str) -> None:
    assert clean(text).isprintable()
    assert len(clean(text)) <= TEXT_CHARACTERS


@pytest.mark.parametrize("address", ["AA:bb:0C:dd:ee:ff", "aa-bb-cc-dd-ee-ff", "00:11:22:33:44:55:66:77"])
def test_a_hardware_address_in_a_name_is_not_shown(address: str) -> None:
    found = tried(body(reading(sensor=f"x {address}")))
    assert clean(f"x {address}") == f"x {ADDRESS}"
    assert address not in msgspec.json.encode(found).decode()
    assert "vendor_id" not in city_lines(found.sensors, "native", None)


def test_the_lines_to_paste_become_a_sound_city_once_the_blanks_are_filled(city_path: Path, tmp_path: Path) -> None:
    lines = city_lines(tried(body(passages())).sensors, "native", "counters")
    for blank, filled in (('gate = ""', 'gate = "plein-straat"'), ('supplier = ""', 'supplier = "X"'),
                          ('purpose = ""', 'purpose = "safety"'), ('legal_basis = ""', 'legal_basis = "task"'),
                          ("# start", "start"), ("# end", "end")):
        assert blank in lines
        lines = lines.replace(blank, filled)
    city_path.write_text(SMALL_TOML + lines)
    checked = CliRunner().invoke(app, ["city", "check", str(city_path), "--assign-ids"])
    assert checked.exit_code == 0, checked.output
    path = tmp_path / "n.json"
    path.write_bytes(body(passages()))
    result = run(path, "--city", city_path, "--source", "counters", "--json")
    assert result.exit_code == 0
    assert json.loads(result.output)["readings"] == 1


def test_the_lines_left_open_are_refused_by_city_check(city_path: Path) -> None:
    city_path.write_text(SMALL_TOML + city_lines(tried(body(passages())).sensors, "native", "counters"))
    assert CliRunner().invoke(app, ["city", "check", str(city_path)]).exit_code == 1


def test_a_native_sensor_is_told_the_key_that_it_has_to_use() -> None:
    lines = city_lines(tried(body(passages('Teller "X"'))).sensors, "native", "counters")
    assert "[sensors.teller-x]" in lines
    assert "vendor_id" not in lines
    assert r'let the sender write teller-x for "Teller \"X\""' in lines


def test_a_direction_becomes_both_ways() -> None:
    one = Seen(sensor="Line 0", known=False, metric="direction", directions=["170", "350"], readings=2, missing=0,
               repeats=0, first_us=0, last_us=60_000_000, span_s=60.0, every_s=None)
    lines = city_lines([one], "cmsa", None)
    assert 'vendor_id = "Line 0"' in lines
    assert 'in_direction = "170"' in lines
    assert "measures.in]" in lines
    assert "measures.out]" in lines


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "message.json"
    path.touch()
    assert "is empty" in str(run(path).exception)


def test_the_format_is_suggested(tmp_path: Path) -> None:
    assert suggestions(body(reading())) == ["native"]
    assert suggestions(b"") == suggestions(b"hello") == []
    path = tmp_path / "x.json"
    path.write_bytes(body(reading()))
    assert "looks like: native" in run(path).output
    path.write_bytes(b"\x00\x01")
    assert isinstance(run(path).exception, DrukteError)


def test_gzip_is_taken_off_and_a_large_file_politely_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.json.gz"
    path.write_bytes(gzip.compress(body(reading())))
    assert json.loads(run(path, "--json").output)["readings"] == 1
    path.write_bytes(gzip.compress(b" " * 1_000_001))
    result = run(path, "--limit-mb", 1)
    assert result.exit_code == 1
    assert "too-large" in result.output
    path.write_bytes(gzip.compress(body(reading()))[:-9])
    assert "cut off" in run(path).output


def test_all_refused_is_exit_1_and_some_is_0(tmp_path: Path) -> None:
    path = tmp_path / "n.json"
    path.write_bytes(body(reading(metric="x")))
    assert run(path).exit_code == 1
    path.write_bytes(body(reading(metric="x"), reading()))
    assert run(path).exit_code == 0


def test_arguments_that_cannot_be_meant_are_told(tmp_path: Path, city_path: Path) -> None:
    path = tmp_path / "n.json"
    path.write_bytes(body(reading()))
    for arguments, said in (
        (["--format", "smoke"], "'smoke' is not known"), (["--city", city_path], "several sources"),
        (["--city", city_path, "--source", "x"], "'x' is not there"), (["--json", "--certificate"], "one of"),
    ):
        assert said in str(run(path, *arguments).exception)


def test_an_entry_gives_the_source_before_it_stands_in_a_city(tmp_path: Path) -> None:
    path, entry = tmp_path / "n.json", tmp_path / "entry.toml"
    path.write_bytes(body(reading()))
    entry.write_text('[sources.nieuw]\nformat = "native"\n')
    assert json.loads(run(path, "--entry", entry, "--json").output)["source"] == "nieuw"
    entry.write_text('[sources.nieuw]\nformat = "native"\ncolour = 1\n')
    assert "not TOML" in str(run(path, "--entry", entry).exception)


def test_the_certificate_names_every_check_and_its_result() -> None:
    good = certificate(tried(body(reading(), reading("12:04:10")), city=True, key="cameras"), PLACE)
    assert "Result: **passed**" in good
    assert "signature" in good
    bad = tried(body(passages(at=4), passages(at=4), passages(at=5), passages(at=8), reading(metric="x")))
    results = {one.name: one.passed for one in checks(bad)}
    assert results == {
        "The document can be read": True, "No field describes one person or device": True,
        "Nothing is refused": False, "Every sensor stands in the city file": None,
        "The intervals of a measure have one length": True, "No value is there twice": False,
        "No report is missing between the first and the last": False,
    }
    assert "Result: **not passed**" in certificate(bad, PLACE)


def test_missing_reports_are_counted_between_first_and_last() -> None:
    regular = tried(body(*(passages(at=minute) for minute in (1, 2, 3, 4, 7)))).sensors[0]
    assert missed(regular) == 2
    assert missed(tried(body(passages())).sensors[0]) == 0


def test_the_certificate_holds_no_mark_up_of_the_sender() -> None:
    page = certificate(tried(body(reading(sensor="<script>|`x"))), PLACE)
    assert "<script>" not in page
    assert "|`x" not in page


@given(st.binary(max_size=300))
def test_no_body_breaks_a_trial(content: bytes) -> None:
    for key in ("native", "datex2", *suggestions(content)):
        found = try_body(content, Setting(Source(format=key), None, None, {"name": "x"}), 3, [])
        assert certificate(found, PLACE)
        assert found.whole is not None or found.is_refused == (
            found.readings + found.missing == 0 and found.refused > 0)


def test_roads_are_named_without_a_city_and_counted_with_one() -> None:
    document = publication(measurements("MEETPUNT_1", flow("1", "60")), measurements("MEETPUNT_2", flow("1", "60")))
    assert suggestions(document) == ["datex2"]
    found = try_body(document, Setting(Source(format="datex2"), None, None, {}), 3, [])
    assert found.sites == ["MEETPUNT_1", "MEETPUNT_2"]
    assert found.is_refused
    assert [one.reason for one in found.refusals] == [Reason.UNKNOWN_SITE]
