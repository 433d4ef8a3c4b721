# SPDX-License-Identifier: Apache-2.0
"""What an alert is about in words; a colour is never made up."""

import pytest

from schemas.alert import State
from schemas.alert_words import ABOUT, about, has_level, how_it_stands
from schemas.rules import RuleKind
from tests.writer.samples import transition


def test_every_kind_has_words_and_a_measure_of_a_newer_worker_its_own() -> None:
    assert set(ABOUT) == set(RuleKind)
    assert (about("people"), about("people", dutch=False), about("noise")) == ("drukte", "crowding", "noise")


@pytest.mark.parametrize("kind", [kind for kind in RuleKind if kind is not RuleKind.LEVEL])
@pytest.mark.parametrize("state", [State.RECOVERING, State.RESOLVED])
def test_what_is_no_rule_about_levels_is_never_green_when_it_eases(kind: RuleKind, state: State) -> None:
    one = transition(measure=str(kind), level_to=0, state_to=state)
    assert not has_level(one)
    assert "groen" not in how_it_stands(one, "groen")
    assert "green" not in how_it_stands(one, "green", dutch=False)
