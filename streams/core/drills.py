# SPDX-License-Identifier: Apache-2.0
"""The end of exercises: by an operator, by their time, or because nobody knows any more when they began.

An alert of an exercise that is over may stand on a real crowd: it ends with the exercise, and where its condition
holds a real one with an id of its own opens at the next step.
"""

from collections.abc import Sequence
from hashlib import blake2b

from schemas.alert import Transition
from schemas.command import DRILL_H, DRILL_ORDER, ENGINE, Done, Drill, Outcome, tag_of
from streams.core.alerting import exercise_over
from streams.core.cases import NOBODY, By, CaseBook

DRILL_US = DRILL_H * 3_600_000_000
IT_IS_TIME = f"it ended by itself after {DRILL_H} hours"
NOBODY_KNOWS = "it ended by itself: nobody knows when it began"


def alerts_over(book: CaseBook, now_us: int, by: By = NOBODY) -> list[Transition]:
    """End the open alerts of exercises that are no longer on; real ones are left alone."""
    told: list[Transition] = []
    for number in book.open_numbers():
        case = book.cases[number]
        if case.exercise and not book.is_drilled(number):
            told += book.told_again(number, exercise_over(case, book.parameters[number]), now_us, by)
    return told


def drills_over(drilled: Sequence[str], standing: Sequence[Outcome], now_us: int) -> list[Outcome]:
    """What is told of exercises that end now by themselves.

    Parameters
    ----------
    drilled : sequence of str
        `site/KEY` and `rule/KEY` of those that are on.
    standing : sequence of Outcome
        With the outcomes that began them; one without (of an older release's state) ends at once, since an exercise
        that may be forgotten must mark no real alert.
    now_us : int
        Log time, microseconds since 1970, UTC.
    """
    begun = {one.standing_order: one for one in standing}
    found = []
    for key in drilled:
        began = begun.get(f"{DRILL_ORDER}{key}")
        if began is None:
            found.append(_over(key, f"{key}/{now_us}", NOBODY_KNOWS, now_us))
        elif now_us >= began.at_us + DRILL_US:
            found.append(_over(key, began.command_id, IT_IS_TIME, now_us))
    return found


def _over(key: str, begun_by: str, reason: str, now_us: int) -> Outcome:
    """The outcome by which an exercise ends: of no command, with an id of its own that the same log gives again."""
    kind, _, subject = key.partition("/")
    order = f"{DRILL_ORDER}{key}"
    return Outcome(
        command_id=blake2b(f"{order}\x1f{begun_by}".encode(), digest_size=16).hexdigest(), command=tag_of(Drill),
        done=Done.DONE, reason=reason, alert_id="", seq=0, site=subject if kind == "site" else "", role=ENGINE,
        at_us=now_us, standing_order=order, stands=False)
