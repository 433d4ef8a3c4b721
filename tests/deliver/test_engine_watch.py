# SPDX-License-Identifier: Apache-2.0
"""When the engine counts as silent, when as back, and what is told of the time between."""

import msgspec

from schemas.alert import State
from schemas.alert_outputs import EVENT_SOURCE, webhook_headers
from schemas.alertmanager import ENGINE_MEASURE
from schemas.event_profile import HTTP_PREFIX, attributes_of, profile_faults
from schemas.ids import IdKind
from streams.core.layout import partition_of_site
from streams.deliver.engine_watch import Blind, Change, EngineWatch, Phase, Seen
from streams.deliver.engine_wording import EngineWords
from streams.deliver.present import Told
from streams.deliver.wording import Wording
from tests.cities import small_city
from tests.writer.samples import transition

S = 1_000_000
CITY = small_city()
PLEIN, STRAAT = CITY.ids[IdKind.ZONE]["plein"], CITY.ids[IdKind.ZONE]["straat"]
PARTITION = partition_of_site(CITY.ids[IdKind.SITE]["centrum"], 4)
LIMIT_S = 60 + 10 + 10 + 60
"""Row, camera's allowed delay, step and the settings' silence."""
BEGAN_S = 1_000_000_000


def watch() -> EngineWatch:
    return EngineWatch(CITY, 4, 60 * S, 180 * S, BEGAN_S * S)


def close(watched: EngineWatch, at_s: float, plein: int | None, straat: int | None = 0) -> None:
    """A minute of both zones that ended then."""
    end_us = round((BEGAN_S + at_s) * S)
    watched.zones_closed({PLEIN: Seen(end_us, plein), STRAAT: Seen(end_us, straat)})
    watched.heard(PARTITION, end_us)


def phases(watched: EngineWatch, at_s: float, *, away: bool = False) -> list[Phase]:
    return [phase for phase, _ in watched.look(round((BEGAN_S + at_s) * S), broker_away=away)]


def test_an_engine_that_speaks_every_minute_is_never_silent() -> None:
    watched = watch()
    for minute in range(1, 30):
        close(watched, 60 * minute, 0)
        assert phases(watched, 60 * minute + 75) == []


def test_it_is_silent_only_after_its_places_and_the_settings_allow() -> None:
    watched = watch()
    close(watched, 60, 0)
    assert phases(watched, 60 + LIMIT_S) == []
    assert phases(watched, 60 + LIMIT_S + 1) == [Phase.SILENT]
    assert phases(watched, 60 + LIMIT_S + 2) == []


def test_an_engine_that_never_spoke_gets_its_time_first() -> None:
    watched = watch()
    assert phases(watched, LIMIT_S) == []
    assert phases(watched, LIMIT_S + 1, away=True) == [Phase.SILENT]


def test_partitions_without_places_are_not_waited_for() -> None:
    watched = watch()
    for other in set(range(4)) - {PARTITION}:
        watched.heard(other, (BEGAN_S + 10_000) * S)
    assert phases(watched, LIMIT_S + 1) == [Phase.SILENT]


def test_what_changed_is_told_when_every_zone_was_heard_again() -> None:
    watched = watch()
    close(watched, 60, 1, 0)
    assert phases(watched, 600) == [Phase.SILENT]
    opened = transition("a" * 16, 1, opened_at_us=(BEGAN_S + 200) * S, at_us=(BEGAN_S + 200) * S)
    early = transition("b" * 16, 1, opened_at_us=(BEGAN_S + 10) * S, at_us=(BEGAN_S + 10) * S)
    watched.told([opened, early, transition("b" * 16, 2, opened_at_us=early.opened_at_us, state_to=State.RESOLVED,
                                            at_us=(BEGAN_S + 300) * S)])
    close(watched, 300, 3, 0)  # an old window, of the backlog
    assert phases(watched, 605) == []
    end_us = (BEGAN_S + 600) * S
    watched.zones_closed({PLEIN: Seen(end_us, 2)})
    watched.heard(PARTITION, end_us)
    assert phases(watched, 610) == [Phase.BACK]
    watched.zones_closed({STRAAT: Seen(end_us, 0)})
    [(phase, blind)] = watched.look((BEGAN_S + 620) * S, broker_away=False)
    assert phase is Phase.SPEAKING
    assert blind.changes == (Change("plein", 1, 2, 3),)
    assert ([one.alert_id for one in blind.opened], [one.alert_id for one in blind.ended]) == (["a" * 16], ["b" * 16])
    assert (blind.since_us, blind.until_us) == ((BEGAN_S + 60) * S, (BEGAN_S + 610) * S)


def test_a_zone_that_stays_away_is_named_and_holds_nothing_up_for_ever() -> None:
    watched = watch()
    close(watched, 60, 1, 0)
    assert phases(watched, 600) == [Phase.SILENT]
    for at_s in range(600, 840, 60):
        end_us = (BEGAN_S + at_s) * S
        watched.zones_closed({PLEIN: Seen(end_us, 1)})
        watched.heard(PARTITION, end_us)
        if at_s == 600:
            assert phases(watched, 610) == [Phase.BACK]
    assert phases(watched, 780) == []
    [(phase, blind)] = watched.look((BEGAN_S + 795) * S, broker_away=False)
    assert (phase, blind.unheard, blind.changes) == (Phase.SPEAKING, ("straat",), ())


def test_silent_again_ends_one_silence_and_begins_another() -> None:
    watched = watch()
    close(watched, 60, 1)
    assert phases(watched, 600) == [Phase.SILENT]
    watched.heard(PARTITION, (BEGAN_S + 600) * S)
    assert phases(watched, 610) == [Phase.BACK]
    assert phases(watched, 600 + LIMIT_S + 1) == [Phase.SPEAKING, Phase.SILENT]


def test_a_broker_that_is_away_is_not_back() -> None:
    watched = watch()
    close(watched, 60, 1)
    assert phases(watched, 600, away=True) == [Phase.SILENT]
    close(watched, 600, 1)
    assert phases(watched, 605, away=True) == []
    assert phases(watched, 606) == [Phase.BACK]


def test_the_words_tell_levels_and_never_people() -> None:
    words = EngineWords(CITY)
    watched = watch()
    close(watched, 60, 1)
    watched.look((BEGAN_S + 600) * S, broker_away=False)
    close(watched, 600, 3)
    watched.look((BEGAN_S + 610) * S, broker_away=False)
    [(_, blind)] = watched.look((BEGAN_S + 620) * S, broker_away=False)
    ended = transition(measure=ENGINE_MEASURE, state_to=State.RESOLVED)
    words.remember(ended, blind)
    assert words.changes(ended) == ["Plein: geel → rood"]
    assert words.changes(ended, dutch=False) == ["Plein: level 1 (geel) → level 3 (rood)"]
    assert "weer" in words.summary(ended)
    assert "again" in words.summary(ended, dutch=False)


def test_after_a_silence_of_a_whole_country_the_event_still_fits() -> None:
    words = Wording(CITY)
    sites = tuple(f"site-{number}" for number in range(2_000))
    zones = tuple(f"measuring-site-{number:012d}" for number in range(20_000))
    changes = tuple(Change(zone, 0, 3, 3) for zone in zones)
    blind = Blind(0, 60 * S, sites, changes=changes, unheard=zones)
    for state in (State.FIRING, State.RECOVERING, State.RESOLVED):
        one = transition(measure=ENGINE_MEASURE, state_to=state)
        words.engine.remember(one, blind)
        body = msgspec.json.encode(words.event(Told(one, 0), 0, late=False))
        said = words.engine.description(one, dutch=False)
        headers = webhook_headers(one, EVENT_SOURCE, "drukte/engine")
        attributes = attributes_of([(name, value.encode()) for name, value in headers.items()], HTTP_PREFIX)
        assert profile_faults(attributes, body) == []
        assert len(said) < 10_000
    ended = transition(measure=ENGINE_MEASURE, state_to=State.RESOLVED)
    words.engine.remember(ended, Blind(0, 60 * S, unheard=zones))
    assert words.engine.changes(ended, dutch=False)[0].endswith("and 19950 more")
