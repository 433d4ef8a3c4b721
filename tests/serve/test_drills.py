# SPDX-License-Identifier: Apache-2.0
"""Exercises on the page: on from the command that began them to the one that ended them, whatever else is told."""

import datetime as dt

from msgspec.structs import replace

from schemas.command import Done, Outcome
from streams.serve.board import Changed
from streams.serve.document import Present
from streams.serve.outcomes import KEPT
from tests.serve.test_document import NOW, present
from tests.writer.samples import outcome, outcome_message

AT_US = round(NOW.timestamp() * 1e6) - 600_000_000


def drill(command_id: str, order: str, on: bool, minute: int, done: Done = Done.DONE) -> Outcome:
    return outcome(command_id, command="drill", done=done, alert_id="", seq=0, role="ovd", standing_order=order,
                   stands=on and done is Done.DONE, at_us=AT_US + 60_000_000 * minute)


SITE, RULE = drill("a", "drill/site/centrum", True, 0), drill("b", "drill/rule/oranje", True, 1)


def words(shown: Present) -> list[str]:
    return [one.words for one in shown.clock(NOW).drills]


def test_an_exercise_is_shown_with_its_words_its_role_and_its_begin_until_it_is_ended() -> None:
    shown = present(outcome_message(RULE), outcome_message(SITE))
    assert words(shown) == ["in Centrum", "met regel oranje"]
    first = shown.clock(NOW).drills[0]
    assert (first.kind, first.key, first.role) == ("site", "centrum", "ovd")
    assert first.since == NOW - dt.timedelta(minutes=10)
    shown.board.take(outcome_message(drill("c", "drill/site/centrum", False, 2)), Changed())
    assert words(shown) == ["met regel oranje"]
    assert [one.key for one in shown.whole(NOW).drills] == ["oranje"]


def test_an_exercise_says_when_it_ends_by_itself_and_is_not_shown_after_that_though_nobody_told_its_end() -> None:
    ends = NOW + dt.timedelta(minutes=5)
    shown = present(outcome_message(replace(SITE, until_us=round(ends.timestamp() * 1e6))))
    assert [one.until for one in shown.clock(NOW).drills] == [ends]
    assert shown.clock(ends).drills == []


def test_only_news_of_an_exercise_is_told_and_an_older_word_changes_nothing() -> None:
    shown, news = present(), []
    ended = drill("c", "drill/site/centrum", False, 2)
    for told in (SITE, SITE, ended, SITE, drill("d", "drill/site/centrum", True, 3, Done.REFUSED)):
        changed = Changed()
        shown.board.take(outcome_message(told), changed)
        news.append(bool(changed))
    assert news == [True, False, True, False, False]
    assert words(shown) == []


def test_an_exercise_that_is_told_again_is_known_though_its_first_word_said_less() -> None:
    older = drill("a", "", False, 0)
    shown = present(outcome_message(older))
    assert words(shown) == []
    shown.board.take(outcome_message(SITE), Changed())
    assert words(shown) == ["in Centrum"]


def test_many_other_commands_do_not_hide_an_exercise() -> None:
    shown = present(outcome_message(SITE))
    for number in range(KEPT + 1):
        shown.board.outcomes.take(0, outcome(f"n{number}"))
    assert words(shown) == ["in Centrum"]
