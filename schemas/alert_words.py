# SPDX-License-Identifier: Apache-2.0
"""What an alert is about, in words, and whether its level is one that its place has. Pure.

Only a rule about levels carries the level of its zone. Others carry the level of their rule while their condition
holds and none afterwards; one about missing data says nothing of the crowd at all.
"""

from schemas.alert import State, Transition
from schemas.expected import is_expected
from schemas.rules import RuleKind

LEVEL_MEASURE = "people"
"""What alerts of rules about levels say that they are about."""
BLIND = (RuleKind.NO_DATA, RuleKind.SENSOR_LOSS)
"""Kinds that say that something is not seen."""
ABOUT: dict[RuleKind, tuple[str, str]] = {
    RuleKind.LEVEL: ("drukte", "crowding"),
    RuleKind.DENSITY: ("hoge dichtheid", "high density"),
    RuleKind.OCCUPANCY: ("bezetting", "occupancy"),
    RuleKind.FLOW: ("sterke stroom", "strong flow"),
    RuleKind.RISE: ("snelle toename", "fast rise"),
    RuleKind.STOP_AND_GO: ("stilstand in de stroom", "stop-and-go"),
    RuleKind.FORECAST: ("verwachte drukte", "expected crowding"),
    RuleKind.SURGE: ("ongewone drukte", "unusual crowding"),
    RuleKind.CONGESTION: ("file", "congestion"),
    RuleKind.INCIDENT: ("verkeersincident", "traffic incident"),
    RuleKind.NO_DATA: ("geen gegevens", "no data"),
    RuleKind.SENSOR_LOSS: ("uitval van sensoren", "sensor loss"),
    RuleKind.EFFECT: ("maatregel zonder effect", "measure without effect"),
}
"""By kind, in Dutch and English."""
_OF_LEVEL = {
    State.FIRING: ("nu {level}", "now {level}"), State.RECOVERING: ("neemt af, nu {level}", "easing, now {level}"),
    State.RESOLVED: ("voorbij, nu {level}", "over, now {level}"),
}
_EXPECTED = {
    State.FIRING: ("{level} verwacht", "{level} expected"),
    State.RECOVERING: ("{level} verwacht, neemt af", "{level} expected, easing"),
    State.RESOLVED: ("voorbij, niet meer verwacht", "over, no longer expected"),
}
_UNSEEN = {
    State.FIRING: ("{about}", "{about}"), State.RECOVERING: ("{about}: herstelt", "{about}: recovering"),
    State.RESOLVED: ("{about}: voorbij", "{about}: over"),
}
_OTHER = {
    State.FIRING: ("{about}{known}", "{about}{known}"),
    State.RECOVERING: ("{about}: neemt af", "{about}: easing"), State.RESOLVED: ("{about}: voorbij", "{about}: over"),
}


def about(measure: str, *, dutch: bool = True) -> str:
    """What alerts of a measure are about; the measure itself where it is of a newer worker."""
    words = ABOUT.get(RuleKind(measure)) if measure in list(RuleKind) else None
    if words is None:
        words = ABOUT[RuleKind.LEVEL] if measure == LEVEL_MEASURE else (measure, measure)
    return words[0] if dutch else words[1]


def is_of_level(one: Transition) -> bool:
    """Whether its level is that of its zone now, so that it may be told as such."""
    return one.measure == LEVEL_MEASURE


def has_level(one: Transition) -> bool:
    """Whether its level says anything: never of missing data, of other rules only while their condition holds."""
    return has_level_of(one.measure, one.level_to)


def has_level_of(measure: str, level: int) -> bool:
    """As `has_level`, of a measure and a level that its alert had."""
    return measure == LEVEL_MEASURE or (measure not in BLIND and level > 0)


def is_calm(one: Transition) -> bool:
    """Whether it says that its zone is calm: seen now, and at the lowest level by a rule about levels."""
    return is_of_level(one) and one.level_to == 0 and not one.stale


def how_it_stands(one: Transition, level: str, *, dutch: bool = True) -> str:
    """How an alert stands, in a few words; of a rule that is not about levels what it is about, and never `now green`.

    Parameters
    ----------
    one : Transition
    level : str
        Its level in words; empty where nobody has words for it.
    dutch : bool
        Else English.
    """
    if is_of_level(one):
        words = _OF_LEVEL
    elif is_expected(one) and (one.state_to is State.RESOLVED or (level and has_level(one))):
        words = _EXPECTED
    else:
        words = _UNSEEN if one.measure in BLIND else _OTHER
    known = f" ({level})" if level and has_level(one) else ""
    texts = words.get(one.state_to, ("{about}{known}", "{about}{known}"))
    return texts[0 if dutch else 1].format(level=level, about=about(one.measure, dutch=dutch), known=known)
