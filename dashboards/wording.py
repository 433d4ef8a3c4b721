# SPDX-License-Identifier: Apache-2.0
"""Pieces of SQL that turn columns of the state functions into Dutch words."""

from dashboards.look import NO_DATA, TIMEZONE
from schemas.alert_words import ABOUT, BLIND, LEVEL_MEASURE
from schemas.rules import RuleKind

MOMENT = "$__timeTo()::timestamptz"
"""The moment a dashboard looks at: the end of its time range, so that the past can be looked at too."""
BUSIEST_FIRST = "level DESC NULLS LAST, percent_high DESC NULLS LAST, density_high_per_m2 DESC NULLS LAST, name"
"""An order of zones. A zone without data is no calm one, see `ATTENTION_FIRST`."""
ATTENTION_FIRST = "attention DESC, percent_high DESC NULLS LAST, density_high_per_m2 DESC NULLS LAST, name"
"""As the table orders: zones without data above the calm ones."""

LEVEL = "live.level_text(level, level_names)"
PEOPLE = "coalesce(live.people_text(people_low, people_high), '–')"
PERCENT = "coalesce(live.range_text(percent_low, percent_high, 0) || ' %', '–')"
DENSITY = "coalesce(live.range_text(density_low_per_m2, density_high_per_m2, 2), '–')"
COVERAGE = "floor(coverage * 100 + 0.0001)::integer || ' %'"
"""Only a full one reads 100 %."""
TREND = "CASE trend WHEN 1 THEN '↑ drukker' WHEN 0 THEN '→ gelijk' WHEN -1 THEN '↓ rustiger' ELSE '–' END"
INSIDE = """coalesce((
        SELECT coalesce(live.range_text(i.percent_low, i.percent_high, 0) || ' %', '')
            || ' (' || live.people_text(i.inside_low, i.inside_high) || ')'
        FROM inside AS i WHERE i.key = zones.key), '–')"""
"""Of a query over `zones` and `inside`: what the gates say, beside what sensors see and never instead of it."""
STEP = "$__interval_ms * interval '1 millisecond'"


_BLIND = ", ".join(f"'{kind}'" for kind in BLIND)
_ABOUT = " ".join(
    f"WHEN '{LEVEL_MEASURE if kind is RuleKind.LEVEL else kind}' THEN '{dutch}'" for kind, (dutch, _) in ABOUT.items())


def has_level(measure: str, level: str) -> str:
    """Whether the level of an alert says anything, by the columns of its measure and of a level that it had."""
    return f"({measure} = '{LEVEL_MEASURE}' OR {measure} NOT IN ({_BLIND}) AND {level} > 0)"


def alert_level(measure: str, level: str, level_names: str) -> str:
    """The level of an alert in words, of one without a level what it is about; a forecast expects its level."""
    return f"""CASE WHEN NOT {has_level(measure, level)} THEN CASE {measure} {_ABOUT} ELSE {measure} END
         ELSE live.level_text({level}, {level_names})
             || CASE {measure} WHEN '{RuleKind.FORECAST}' THEN ' verwacht' ELSE '' END END"""


def clock(column: str) -> str:
    """The time of day of a column, with the date where it is not today."""
    return f"live.clock_text({column}, {MOMENT}, '{TIMEZONE}')"


SINCE = f"""CASE WHEN level IS NULL AND since IS NULL THEN 'meer dan 24 uur'
         WHEN level = 0 THEN '–'
         WHEN since_before THEN 'vóór ' || {clock('since')}
         ELSE {clock('since')} END"""
"""Since when the level, or the lack of data, holds."""


def age(column: str) -> str:
    """How long before the moment a column's time lies."""
    seconds = f"extract(epoch FROM {MOMENT} - {column})::integer"
    return f"""CASE WHEN {column} IS NULL THEN '{NO_DATA}'
         WHEN {seconds} < 120 THEN greatest(0, {seconds}) || ' s'
         ELSE {seconds} / 60 || ' min' END"""
