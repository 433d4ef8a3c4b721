# SPDX-License-Identifier: Apache-2.0
"""Reports through the page's door and the command, from the topics where no database answers."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from schemas.alert import encode_transition
from schemas.ids import HEADER, IdKind
from schemas.live import LiveTable
from schemas.log import Topic
from streams import cli
from streams.city_files import assign_ids
from streams.settings import DatabaseSettings, Settings
from streams.writer.rows import Message
from tests.cities import SMALL_TOML
from tests.gateway.mock_broker import MockBroker
from tests.serve.running import page_city, running, send, settings_for
from tests.services.process import free_port
from tests.writer.samples import alert_headers, live_message, transition, zone_row


@pytest.fixture
def settings(broker: MockBroker) -> Settings:
    """Without a database; a red square and an open alert on the topics."""
    zone = page_city().ids[IdKind.ZONE]["plein"]
    send(broker, live_message(LiveTable.ZONE, zone_row(zone, level=3, percent_low=85.0, percent_high=86.0)),
         Message(Topic.ALERTS, 0, 0, alert_headers(), encode_transition(transition())))
    uri = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    return msgspec.structs.replace(settings_for(broker.kafka), database=DatabaseSettings(uri=uri))


def test_reports_over_http(settings: Settings) -> None:
    with running(settings) as client:
        found = client.get("/api/reports/handover").json()
        assert (found["origin"], [one["place_name"] for one in found["alerts"]]) == ("topics", ["Plein"])
        text = client.get("/api/reports/situation", params={"language": "nl"})
        assert text.headers["content-type"].startswith("text/plain")
        assert "Centrum: 3 rood, 85-86 % (Plein)" in text.text
        assert client.get("/api/reports/shift").json()["alarms"] == 1
        assert client.get("/api/reports/weather").status_code == 404
        assert client.get("/api/reports/shift", params={"since": "yesterday"}).status_code == 400
        assert client.get("/api/reports/shift", params={"site": "elsewhere"}).status_code == 400
        for year in ("0001", "2099", "9999"):  # of what is still to come nobody can hand anything over
            span = {"since": f"{year}-12-01T00:00:00Z", "until": f"{year}-12-02T00:00:00Z", "language": "nl"}
            assert client.get("/api/reports/handover", params=span).status_code == 400


def test_the_command(settings: Settings, tmp_path: Path) -> None:
    city = tmp_path / "klein.toml"
    city.write_text(SMALL_TOML)
    city.with_suffix(".ids").write_text(HEADER)
    assign_ids(city)
    file = tmp_path / "drukte.toml"
    file.write_text(f"""\
city = "klein.toml"
[kafka]
bootstrap = "{settings.kafka.bootstrap}"
partitions = {settings.kafka.partitions}
mock = true
[database]
uri = "{settings.database.uri}"
[clock]
kind = "simulated"
start_us = {settings.clock.start_us}
wall_start_us = {settings.clock.wall_start_us}
""")

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli.app, ["report", *words, "--settings", str(file)])
        assert done.exit_code == 0, done.output
        return done.stdout

    both = run("handover", "--site", "centrum")
    assert "Overdracht" in both
    assert "Hand-over" in both
    assert msgspec.json.decode(run("situation", "--json"))["sites"][0]["level"] == 3
    assert "Overdracht" not in run("handover", "--language", "en")
