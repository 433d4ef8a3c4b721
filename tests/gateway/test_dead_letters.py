# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from schemas.errors import TransientError
from schemas.kept_body import body_id, kept_body, may_name_a_person
from schemas.log import Topic
from schemas.refusal import Reason
from streams.cli import app
from streams.dead_letters import read_letters
from streams.settings import KafkaSettings
from tests.cities import small_city
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import road_city, running, settings_for
from tests.services.process import free_port


def _reading(sensor: str) -> dict[str, object]:
    at = dt.datetime.now(dt.UTC).isoformat()
    return {"sensor": sensor, "metric": "people", "from": at, "to": at, "value": 4711}


def _run(folder: Path, *words: str, status: int = 0) -> str:
    ended = CliRunner().invoke(app, ["dead-letters", *words, "--settings", str(folder / "drukte.toml")])
    assert ended.exit_code == status, (ended.output, ended.exception)
    return ended.stdout


def _listed(folder: Path, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_run(folder, "list", "--json", *words))
    return found


def test_a_letter_is_listed_shown_and_redone(
    broker: MockBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drukte.toml").write_text(
        f'city = "city.toml"\n[kafka]\nbootstrap = "{broker.kafka.bootstrap}"\npartitions = 4\nmock = true\n')
    with running(settings_for(broker.kafka)) as client:
        client.post("/in/cameras", json=_reading("cam-nieuw"))
        client.post("/in/cameras", json=_reading("00:6e:02:11:22:33"))
        client.post("/in/cameras", content=b"{")
    broker.read(Topic.DEAD_LETTERS, lambda found: len(found) == 3)
    assert {(one["reason"], one["kept"]) for one in _listed(tmp_path)} == {
        ("unknown-sensor", "kept"), ("unknown-sensor", "no"), ("malformed", "no")}
    assert len(_listed(tmp_path, "--reason", "malformed", "--source", "cameras", "--since", "1h")) == 1
    assert _listed(tmp_path, "--source", "counters") == []
    assert _run(tmp_path, "list", "--source", "counters") == "no letter fits\n"
    kept = next(one for one in _listed(tmp_path) if one["kept"] == "kept")
    said = _run(tmp_path, "list") + _run(tmp_path, "show", kept["id"]) + _run(tmp_path, "show", kept["id"], "--json")
    assert "4711" not in said
    assert "cam-nieuw" not in said

    # The city file of then does not know the sensor; that of now does.
    monkeypatch.setattr("streams.city_files.load_city", lambda _: road_city())
    assert "unknown-sensor: 1" in _run(tmp_path, "redo", "--all", status=1)
    file = small_city().file
    renamed = {"cam-nieuw" if key == "cam-plein" else key: one for key, one in file.sensors.items()}
    monkeypatch.setattr("streams.city_files.load_city", lambda _: small_city(sensors=renamed))
    assert "redone" in _run(tmp_path, "redo", kept["id"])
    assert "redone before" in _run(tmp_path, "redo", kept["id"])
    assert "nothing to redo" in _run(tmp_path, "redo", "--all")
    values = [float(value) for one in broker.decoded(bool) if one.batch is not None for value in one.batch.value]
    assert values == [4711.0]
    bodies = broker.read(Topic.DEAD_LETTER_BODIES, lambda found: len(found) >= 2)
    assert [bool(one.value()) for one in bodies] == [True, False]  # redoing kept nothing for longer


def test_a_broker_that_is_away_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.dead_letters.ANSWER_S", 0.3)
    away = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", partitions=1)
    with pytest.raises(TransientError, match=rf"dead-letters: broker {away.bootstrap} does not answer.*is it running"):
        read_letters(away)


@pytest.mark.parametrize("words", [["redo"], ["redo", "0-1", "--all"], ["list", "--since", "soon"], ["show", "9-9"]])
def test_what_makes_no_sense_is_refused(broker: MockBroker, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "drukte.toml").write_text(
        f'city = "city.toml"\n[kafka]\nbootstrap = "{broker.kafka.bootstrap}"\npartitions = 4\nmock = true\n')
    _run(tmp_path, *words, status=1)


@pytest.mark.parametrize("text", [
    "00:6e:02:11:22:33", "006e02112233", "00-6E-02-11-22-33", "an@example.org", "0031612345678", "AB-123-C",
    "5f4dcc3b5aa765d61d8327deb882cf99", "123e4567-e89b-12d3-a456-426614174000",
])
def test_what_may_name_a_person_is_not_kept(text: str) -> None:
    body = json.dumps({"sensor": text, "from": "2026-03-01T12:04:00.123456+01:00"}).encode()
    assert kept_body("cameras", body, {}, [Reason.UNKNOWN_SENSOR]) is None
    assert kept_body("cameras", b"[]", {"topic": text}, [Reason.UNKNOWN_SENSOR]) is None


@given(st.sets(st.sampled_from(list(Reason)), min_size=1))
def test_only_what_a_city_file_or_a_clock_may_mend_is_kept(reasons: set[Reason]) -> None:
    kept = kept_body("cameras", msgspec.json.encode(_reading("cam-nieuw")), {}, reasons)
    assert (kept is not None) == (reasons <= {
        Reason.UNKNOWN_SENSOR, Reason.UNKNOWN_METRIC, Reason.WRONG_SOURCE, Reason.UNKNOWN_SITE, Reason.SITE_VERSION,
        Reason.CITY_VERSION, Reason.IN_FUTURE, Reason.TOO_OLD})


def test_ordinary_readings_name_nobody() -> None:
    for sensor in ("gate-a-cam", "cam-plein-01", "RWS01_MONIBAS_0120vwg0001ra/lane1"):
        assert not may_name_a_person(msgspec.json.encode({**_reading(sensor), "value": 12.123456789012}))
    assert body_id("a", b"x") != body_id("b", b"x")
