# SPDX-License-Identifier: Apache-2.0
"""Alerts of a forecast: their level is expected, not there, and they are never sure. Pure."""

from schemas.alert import Certainty, State, Transition
from schemas.rules import RuleKind


def is_expected(one: Transition) -> bool:
    """Whether the level of an alert is one that a forecast rule expects."""
    return one.measure == RuleKind.FORECAST


def told_certainty(one: Transition) -> Certainty:
    """How sure an alert is: a forecast is likely at most, however well the present is seen."""
    sure = is_expected(one) and one.certainty is Certainty.SURE
    return Certainty.LIKELY if sure else one.certainty


def expected_level(one: Transition, word: str) -> str:
    """The word of an alert's level in Dutch: `rood verwacht` for a forecast, `rood` for all others.

    What has ended expects nothing: then the word stands alone.
    """
    return f"{word} verwacht" if is_expected(one) and one.state_to is not State.RESOLVED else word
