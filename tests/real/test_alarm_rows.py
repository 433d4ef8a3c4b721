# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608  The queries are put together from constants of this module.
"""Alerts with their flags, outcomes of commands and notes in a real database."""

import datetime as dt

import psycopg
import pytest

from schemas.command import Done
from schemas.errors import RefusedError
from streams import storage
from streams.verify.stored import Stored, row_of_transition
from streams.writer.database import Database, write_buffer
from streams.writer.rows import RowBuffer
from tests.writer.samples import NOON, alert_message, note, note_message, outcome, outcome_message, transition

pytestmark = pytest.mark.real
DAY = dt.timedelta(days=1)
FLAGGED = transition(
    seq=2, acknowledged=True, escalated=True, suppressed=True, exercise=True, low=12.5, high=15.0, limit=14.0, trend=-1,
    next_low_min=5.0, next_high_min=9.5, reached=3, method=1, assigned="police", command_id="c-1", actor="operator",
    note_id="n-1",
)
COLUMNS = ("acknowledged, escalated, suppressed, exercise, low, high, \"limit\", trend, next_low_min, next_high_min, "
           "reached, method, assigned, command_id, actor, note_id")
FLAGS = (True, True, True, True, 12.5, 15.0, 14.0, -1, 5.0, 9.5, 3, 1, "police", "c-1", "operator", "n-1")
PLAIN = (False, False, False, False, None, None, None, None, None, None, 0, 1, "", "", "", "")


def ago_us(age: dt.timedelta) -> int:
    return round((dt.datetime.now(dt.UTC) - age).timestamp() * 1e6)


def test_flags_and_reasons_are_stored_and_rows_of_before_have_none(fresh_database: str) -> None:
    with storage.connect(fresh_database) as session:
        # As a writer of before the flags wrote it.
        old = "INSERT INTO live.{} (alert_id, seq, site, place, rule, severity, measure, unit, level_from, level_to, " \
              "state_from, state_to, stale, window_start, window_end, coverage, profile, city_version, cause, " \
              "opened_at, at) VALUES ('old', 1, 'centrum', 'plein', 'rood', 'critical', 'people', 'persons', 0, 3, " \
              "'normal', 'firing', false, now(), now(), 1, 'x', 1, 'threshold', now(), now())"
        for table in ("transition", "alert"):
            session.execute(old.format(table).encode())
        buffer = RowBuffer()
        buffer.add(alert_message(transition(seq=1), offset=1))
        buffer.add(alert_message(FLAGGED, offset=2))
        for _ in range(2):  # what is written again is the same
            write_buffer(session, buffer)
        found = session.execute(
            f"SELECT alert_id, seq, {COLUMNS} FROM live.transition ORDER BY alert_id, seq".encode()).fetchall()
        assert found == [(FLAGGED.alert_id, 1, *PLAIN), (FLAGGED.alert_id, 2, *FLAGS), ("old", 1, *PLAIN)]
        latest = session.execute(f"SELECT alert_id, {COLUMNS} FROM live.alert ORDER BY alert_id".encode()).fetchall()
        assert latest == [(FLAGGED.alert_id, *FLAGS), ("old", *PLAIN)]
        [shown] = session.execute(
            "SELECT acknowledged, escalated, suppressed, exercise, assigned, trend, next_low_min, next_high_min "
            "FROM live.open_alert_at(%s) WHERE alert_id = %s", (NOON + DAY, FLAGGED.alert_id)).fetchall()
        assert shown == (True, True, True, True, "police", -1, 5.0, 9.5)
        [then] = session.execute(
            "SELECT acknowledged, trend FROM live.open_alert_at(%s) WHERE alert_id = %s",
            (NOON + dt.timedelta(seconds=11), FLAGGED.alert_id)).fetchall()
        assert then == (False, None)


def test_a_transition_is_given_back_as_verification_expects_it(fresh_database: str) -> None:
    tenth = transition(seq=1, percent_low=87.6, percent_high=88.4, coverage=0.9, low=12.1, high=15.3, limit=14.7,
                       next_low_min=8.609, next_high_min=10.716)
    buffer = RowBuffer()
    buffer.add(alert_message(tenth, offset=1))
    with storage.connect(fresh_database) as session:
        write_buffer(session, buffer)
        assert Stored(session).transitions([tenth.site], 0) == {(tenth.alert_id, 1): row_of_transition(tenth)}


def test_outcomes_stand_and_are_kept_as_long_as_alerts(fresh_database: str) -> None:
    buffer = RowBuffer()
    buffer.add(outcome_message(outcome("a", at_us=ago_us(700 * DAY)), partition=1, offset=0))
    buffer.add(outcome_message(outcome("a", at_us=ago_us(700 * DAY), done=Done.REFUSED, reason="no such rule"),
                               partition=2, offset=1))
    buffer.add(outcome_message(outcome("b", at_us=ago_us(731 * DAY)), offset=2))
    with storage.connect(fresh_database) as session:
        for _ in range(2):
            write_buffer(session, buffer)
        stored = "SELECT command_id, partition, done, reason, role FROM live.command_outcome ORDER BY 1, 2"
        assert session.execute(stored).fetchall() == [
            ("a", 1, "done", "", "operator"), ("a", 2, "refused", "no such rule", "operator"),
            ("b", 0, "done", "", "operator"),
        ]
        assert storage.drop_alerts_older_than(session, 730) == 1
        assert [row[0] for row in session.execute(stored)] == ["a", "a"]


def test_notes_are_kept_a_week_whatever_their_stamp_says(fresh_database: str) -> None:
    buffer = RowBuffer()
    ages = {"new": 6 * DAY, "old": 8 * DAY, "ahead": -400 * DAY}
    for offset, (named, age) in enumerate(ages.items()):
        buffer.add(note_message(note(id=named, at_us=ago_us(age)), offset))
    with storage.connect(fresh_database) as session:
        for _ in range(2):
            write_buffer(session, buffer)
        text = session.execute("SELECT text FROM live.note WHERE id = 'new'").fetchall()
        assert text == [(note().text,)]
        storage.drop_live_older_than(session, 72)
        ids = "SELECT id FROM live.note ORDER BY id"
        assert [row[0] for row in session.execute(ids)] == ["ahead", "new"]
        session.execute("UPDATE live.note SET written_at = now() - interval '8 days'")
        storage.drop_live_older_than(session, 72)
        assert session.execute(ids).fetchall() == []


def test_operations_alone_read_notes_and_the_writer_can_write_them(fresh_database: str) -> None:
    with storage.connect(fresh_database) as session:
        session.execute("SET ROLE drukte_writer")
        buffer = RowBuffer()
        buffer.add(note_message(note()))
        buffer.add(outcome_message(outcome()))
        buffer.add(alert_message(FLAGGED))
        write_buffer(session, buffer)
        session.execute("SET ROLE drukte_reader")
        assert session.execute("SELECT count(*) FROM live.command_outcome").fetchone() == (1,)
        for refused in ("drukte_reader", "drukte_research", "drukte_officer"):
            session.execute(f"SET ROLE {refused}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("SELECT text FROM live.note")
        session.execute("SET ROLE drukte_operations")
        assert session.execute("SELECT id FROM live.note").fetchall() == [("n-1",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("DELETE FROM live.note")


def test_a_text_that_no_column_can_hold_is_refused_without_a_word_of_it(fresh_database: str) -> None:
    database = Database(fresh_database)
    buffer = RowBuffer()
    buffer.add(note_message(note(text="Jan\x00")))
    try:
        with pytest.raises(RefusedError) as refused:
            database.write(buffer)
    finally:
        database.close()
    assert "Jan" not in str(refused.value)
