# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import json
from pathlib import Path

import msgspec

from schemas.log import Topic
from streams.door_settings import FolderSettings
from streams.gateway.folders import FileReport
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import running, settings_for
from tests.services.process import wait_until


def test_files_are_taken_and_put_away(broker: MockBroker, tmp_path: Path) -> None:
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=30)).isoformat()
    good = {"sensor": "cam-plein", "metric": "people", "from": at, "to": at, "value": 8}
    (tmp_path / "good.json").write_text(json.dumps(good))
    (tmp_path / "half.json").write_text(json.dumps([good, {**good, "sensor": "secret-name"}]))
    (tmp_path / "bad.json").write_text('{"secret": ')
    (tmp_path / ".unfinished").write_text("x")
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "good.json").write_text("of yesterday")
    settings = settings_for(broker.kafka)
    gateway = msgspec.structs.replace(
        settings.gateway, folders={"cameras": FolderSettings(path=tmp_path, poll_s=0.05)})
    with running(msgspec.structs.replace(settings, gateway=gateway)):
        wait_until(lambda: not list(tmp_path.glob("*.json")), 30, "all files are put away")
    assert {one.name for one in (tmp_path / "done").iterdir()} == {
        "good.json", "good.1.json", "half.json", "half.json.report.json"}
    assert {one.name for one in (tmp_path / "refused").iterdir()} == {"bad.json", "bad.json.report.json"}
    assert (tmp_path / ".unfinished").exists()
    half = msgspec.json.decode((tmp_path / "done" / "half.json.report.json").read_bytes(), type=FileReport)
    assert (half.readings, [one.reason for one in half.refused]) == (1, ["unknown-sensor"])
    reports = [one.read_text() for one in tmp_path.rglob("*.report.json")]
    assert all("secret" not in one for one in reports)
    assert broker.decoded(lambda found: sum(len(one.batch) for one in found if one.batch is not None) == 2)
    assert broker.read(Topic.DEAD_LETTERS, lambda found: len(found) == 2)
