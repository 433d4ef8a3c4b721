# SPDX-License-Identifier: Apache-2.0
"""Exercises that are on, as the page shows them. Pure."""

import datetime as dt
from collections.abc import Mapping

import msgspec

from schemas.command import Outcome
from streams.serve.wording import exercise_words


class DrillItem(msgspec.Struct, frozen=True, kw_only=True):
    """An exercise that is on: what opens at the site, or by the rule, says meanwhile that it is one.

    `kind` is site or rule, `words` where it is; `role` began it, `until` it ends by itself (null where a worker of an
    older release began it and did not say).
    """

    kind: str
    key: str
    words: str
    since: dt.datetime
    until: dt.datetime | None
    role: str


def drill_items(drills: Mapping[str, Outcome], site_names: Mapping[str, str]) -> list[DrillItem]:
    """Exercises, the one that began first first.

    Parameters
    ----------
    drills : mapping of str to Outcome
        By `site/KEY` or `rule/KEY`, the outcome that began each.
    site_names : mapping of str to str
        Names of the city's sites by key.
    """
    found = []
    for order, outcome in drills.items():
        kind, _, key = order.partition("/")
        name = site_names.get(key, key) if kind == "site" else key
        found.append(DrillItem(kind=kind, key=key, words=exercise_words(kind, name), role=outcome.role,
                               since=_moment(outcome.at_us),
                               until=None if outcome.until_us is None else _moment(outcome.until_us)))
    return sorted(found, key=lambda one: (one.since, one.kind, one.key))


def _moment(at_us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_us / 1e6, dt.UTC)
