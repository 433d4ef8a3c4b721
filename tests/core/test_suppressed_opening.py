# SPDX-License-Identifier: Apache-2.0
"""An alert that opens while its place is suppressed is so from its first transition on: nobody is told in between."""

import pytest

from schemas.alert import Cause
from schemas.command import Done, Suppress
from tests.cities import small_city
from tests.core.play import Player, at_us


@pytest.mark.parametrize("restarted", [False, True])
def test_it_is_suppressed_from_its_first_transition_until_the_time_is_over(restarted: bool) -> None:
    player = Player(small_city())
    outcome = player.command(5, Suppress(id="c-1", role="operator", place="plein", until_us=at_us(200)))
    assert outcome.done is Done.DONE
    if restarted:
        player.restart()
    player.camera("cam-plein", [(second, 380.0) for second in range(10, 260, 10)])
    opened = player.transitions
    assert opened, "nothing opened"
    assert all(one.suppressed for one in opened if one.at_us < at_us(200))
    assert {one.cause for one in opened if one.at_us >= at_us(200) and not one.suppressed} >= {Cause.TIMER}
