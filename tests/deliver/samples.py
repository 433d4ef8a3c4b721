# SPDX-License-Identifier: Apache-2.0
"""Transitions as the broker had them."""

from typing import Any

from schemas.alert import State
from streams.deliver.present import Told
from tests.writer.samples import transition

START_US = 1_780_000_000_000_000
SECOND_US = 1_000_000


def told(alert_id: str = "00112233aabbccdd", seq: int = 1, at_s: float = 0.0, **changes: Any) -> Told:
    """A transition that the broker had `at_s` after the start; its alert opened in log time at its id's turn."""
    return Told(transition(alert_id, seq, **changes), START_US + round(at_s * SECOND_US))


def resolved(alert_id: str = "00112233aabbccdd", seq: int = 2, at_s: float = 0.0, **changes: Any) -> Told:
    """The end of an alert."""
    ended = {"state_from": State.RECOVERING, "state_to": State.RESOLVED, "level_to": 0}
    return told(alert_id, seq, at_s, **(ended | changes))
