# SPDX-License-Identifier: Apache-2.0
"""What a forecast has learnt, as lessons for another one; and which of them it takes.

A forecast that begins anew knows nothing of how deviations of its city go on. Lessons are its own sums, as the same
model makes them of published windows; they replace the sums of a pool that has learnt less, and are never added to
what was learnt: both may have seen the same quarters.
"""

from collections.abc import Sequence

from schemas.lesson import SUMS, Lesson
from streams.core.forecast import Forecast

MODEL = 1
"""Rises whenever features, horizons or bins of the forecast get another meaning."""
Pools = Sequence[tuple[str, int]]
"""Of each pool of a forecast what it is about, and the number of its site."""


def lessons_of(forecast: Forecast, pools: Pools) -> tuple[Lesson, ...]:
    """What each pool has learnt; none of those that have learnt nothing."""
    return tuple(
        Lesson(about, site, MODEL, **{name: getattr(forecast, name)[at].reshape(-1).copy() for name in SUMS})
        for at, (about, site) in enumerate(pools) if forecast.histogram[at].any())


def teach(forecast: Forecast, pools: Pools, lessons: Sequence[Lesson]) -> int:
    """Let pools that have learnt less than a lesson go on from it.

    Parameters
    ----------
    forecast : Forecast
    pools : sequence of (str, int)
    lessons : sequence of Lesson
        Of other sites, models or sizes they change nothing.

    Returns
    -------
    int
        How many were taken.
    """
    numbers = {key: at for at, key in enumerate(pools)}
    taken = 0
    for lesson in lessons:
        at = numbers.get((lesson.about, lesson.site))
        if at is None or not _fits(forecast, lesson):
            continue
        # Each forecast that was held against its quarter counts 1 in the histogram, and fades.
        if lesson.histogram.sum() <= forecast.histogram[at].sum():
            continue
        for name in SUMS:
            sums = getattr(forecast, name)
            sums[at] = getattr(lesson, name).reshape(sums[at].shape)
        taken += 1
    return taken


def _fits(forecast: Forecast, lesson: Lesson) -> bool:
    return lesson.model == MODEL and all(
        getattr(lesson, name).size == getattr(forecast, name)[0].size for name in SUMS)
