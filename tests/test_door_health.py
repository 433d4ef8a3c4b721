# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import msgspec
import pytest

from schemas.errors import TransientError
from streams.doctor import Grade, examine
from streams.door_health import PATIENCE_S, DoorHealth, doors_of, has_doors, told_failing
from streams.door_settings import FolderSettings, MqttSettings, PullSettings
from streams.settings import GatewaySettings
from tests.gateway.mock_broker import MockBroker, nowhere
from tests.gateway.running import running, settings_for
from tests.services.process import free_port, wait_until
from tests.test_doctor import nowhere_uri, written


def _door(failing_s: float, failures: int = 5) -> DoorHealth:
    return DoorHealth(failures=failures, failing_s=failing_s, success_age_s=failing_s + 120)


def test_only_doors_that_fail_for_long_are_told_with_their_section() -> None:
    told = list(told_failing({
        "mqtt": _door(600), "pull paden": _door(PATIENCE_S + 1), "pull ndw": _door(1e4), "folder csv": _door(1e4),
        "pull other": _door(PATIENCE_S - 1), "folder well": _door(0, 0),
    }))
    assert [one.partition(" has")[0] for one in told] == [
        "mqtt (gateway.mqtt)", "pull paden (gateway.pulls.paden)", "pull ndw (gateway.ndw)",
        "folder csv (gateway.folders.csv)"]
    assert "10 min, 5 tries; its last success is 12 min ago" in told[0]


def test_without_a_door_nobody_is_asked() -> None:
    assert not has_doors(GatewaySettings())
    assert has_doors(GatewaySettings(folders={"a": FolderSettings(path=Path())}))


def test_a_running_gateway_says_which_of_its_doors_fail(tmp_path: Path) -> None:
    broker = MockBroker()
    settings = settings_for(broker.kafka)
    gateway = msgspec.structs.replace(
        settings.gateway, mqtt=MqttSettings(port=free_port(), topics={"a/#": "cameras"}),
        folders={"cameras": FolderSettings(path=tmp_path, poll_s=0.05)},
        pulls={"counters": PullSettings(kind="telraam", url=f"http://127.0.0.1:{free_port()}", api_key="k",
                                        devices=["1"])})
    with running(msgspec.structs.replace(settings, gateway=gateway)):
        wait_until(lambda: _failing(gateway) == {"mqtt", "pull counters"}, 30, "two doors fail")
        assert set(doors_of(gateway)) == {"mqtt", "pull counters", "folder cameras"}
    with pytest.raises(TransientError, match="does it run"):
        doors_of(gateway)


def _failing(gateway: GatewaySettings) -> set[str]:
    return {name for name, door in doors_of(gateway).items() if door.failures}


def test_the_doctor_looks_at_doors_where_there_are_some(tmp_path: Path) -> None:
    more = f'[gateway]\nport = {free_port()}\n[gateway.folders.cameras]\npath = "{tmp_path}"\n'
    findings = {one.check: one for one in examine(written(tmp_path, nowhere().bootstrap, nowhere_uri(), more=more))}
    assert findings["doors"].grade is Grade.BAD
    assert "does it run" in findings["doors"].says
