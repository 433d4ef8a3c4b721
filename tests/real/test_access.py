# SPDX-License-Identifier: Apache-2.0
"""The access log in the database: written once, kept two years, shown to the officer."""

import datetime as dt
import json
import re
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from schemas.access import Access, Looked, encode_access
from schemas.log import Topic
from streams import cli, storage
from streams.access_log import note_access
from streams.settings import DatabaseSettings, Settings
from streams.writer.database import write_buffer
from streams.writer.rows import Message, RowBuffer
from tests.gateway.mock_broker import MockBroker
from tests.real.test_release_writer import LIMIT_S, Running
from tests.services.process import wait_until

pytestmark = pytest.mark.real
NOW = dt.datetime.now(dt.UTC)


def written(connection: storage.Connection, *ages: dt.timedelta) -> None:
    buffer = RowBuffer()
    for number, age in enumerate(ages):
        headers, value = encode_access(Access(
            id=str(number), at_us=round((NOW - age).timestamp() * 1e6), who=f"role-{number}", looked=Looked.TRACE,
            subject="cam"))
        buffer.add(Message(Topic.ACCESS, 0, number, headers, value))
    write_buffer(connection, buffer)


def kept(connection: storage.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT id FROM privacy.access ORDER BY id")]


def test_a_look_stays_for_two_years_and_cannot_be_changed(fresh_database: str, tmp_path: Path) -> None:
    with storage.connect(fresh_database, "test") as connection:
        for _ in range(2):  # what is written again is the same
            written(connection, dt.timedelta(), dt.timedelta(days=700), dt.timedelta(days=740))
        assert kept(connection) == ["0", "1", "2"]
        for statement in ("UPDATE privacy.access SET who = 'x'", "DELETE FROM privacy.access WHERE id = '1'",
                          "TRUNCATE privacy.access"):
            with pytest.raises(psycopg.errors.IntegrityError):
                connection.execute(statement)
        storage.drop_live_older_than(connection, 72)
        assert kept(connection) == ["0", "1"]
    settings = tmp_path / "drukte.toml"
    settings.write_text(f'city = "unused.toml"\n[database]\nuri = "{fresh_database}"\n')
    command = ["privacy", "access", "--settings", str(settings)]
    shown = json.loads(CliRunner().invoke(cli.app, [*command, "--json"]).stdout)
    assert [(one["who"], one["looked"], one["subject"]) for one in shown] == [("role-0", "trace", "cam")]
    older = CliRunner().invoke(cli.app, [*command, "--days", "731", "--who", "role-1"])
    assert "role-1" in older.output
    assert "role-0" not in older.output


def test_a_look_reaches_the_officer_through_a_running_writer(fresh_database: str, tmp_path: Path) -> None:
    broker = MockBroker()
    settings = tmp_path / "drukte.toml"
    settings.write_text(f'city = "unused.toml"\n[database]\nuri = "{fresh_database}"\n')

    def shown() -> list[tuple[str, str, str]]:
        told = CliRunner().invoke(cli.app, ["privacy", "access", "--json", "--settings", str(settings)])
        assert told.exit_code == 0, told.output
        return [(one["who"], one["looked"], one["subject"]) for one in _document(told.stdout)]

    running = Running(Settings(
        city=Path("unused.toml"), kafka=broker.kafka, database=DatabaseSettings(uri=fresh_database)))
    try:
        note_access(broker.kafka, "steward", Looked.TRACE, ["cam-plein", "cam-straat"])
        looks = [("steward", "trace", "cam-plein"), ("steward", "trace", "cam-straat")]
        wait_until(lambda: shown() == looks, LIMIT_S, "both looks are shown")
    finally:
        running.stop()
    assert running.error is None


def _document(said: str) -> list[dict[str, str]]:
    """The JSON among what the writer, which runs in this process, says."""
    found: list[dict[str, str]] = json.loads(said[re.search(r"^\[[\]{\n]", said, re.MULTILINE).start():])  # type: ignore[union-attr]
    return found
