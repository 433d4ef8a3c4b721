# SPDX-License-Identifier: Apache-2.0
"""Words of the reports in Dutch and English. Pure."""

from enum import StrEnum
from zoneinfo import ZoneInfo

from schemas.alert import Certainty, State
from schemas.health import SensorState
from schemas.moment import local_text

FULL_PERCENT, HIGHEST_PERCENT = 100, 200
"""Of the permitted capacity. Beyond the second a figure says no more; a band that begins below the first and is wider
than it does not tell calm from danger."""
BY_GATES = ("volgens de poorten", "by its gates")
"""Of a zone in which no sensor sees people; the page says the same."""
ARROWS = {-1: "↓", 0: "→", 1: "↑"}


class Language(StrEnum):
    """In which a report is written."""

    DUTCH = "nl"
    ENGLISH = "en"


_ENGLISH = {
    Certainty.SURE: "sure", Certainty.LIKELY: "likely", Certainty.UNSURE: "unsure",
}
_STATES = {
    State.FIRING: ("actief", "active"), State.RECOVERING: ("neemt af", "easing"), State.RESOLVED: ("voorbij", "over"),
}
_SENSORS = {
    SensorState.UNHEARD: ("nooit gehoord", "never heard"), SensorState.SILENT: ("stil", "silent"),
    SensorState.STUCK: ("staat vast", "stuck"), SensorState.FAULTY: ("defect", "faulty"),
}


class Speech:
    """One language, in the time zone of one city.

    Parameters
    ----------
    language : Language
    timezone : str

    Attributes
    ----------
    is_dutch : bool
    """

    def __init__(self, language: Language, timezone: str) -> None:
        self.is_dutch = language is Language.DUTCH
        self._zone = ZoneInfo(timezone)

    def say(self, dutch: str, english: str) -> str:
        """One of the two."""
        return dutch if self.is_dutch else english

    def clock(self, at_us: int) -> str:
        """A time of day with its date; in the hour that comes twice also which of the two."""
        return local_text(at_us, self._zone, "%d-%m %H:%M")

    def percent(self, low: float | None, high: float | None) -> str:
        """A band of the permitted capacity, rounded outwards; words where it is beyond all measure or says nothing."""
        if low is None or high is None:
            return self.say("percentage onbekend", "percentage unknown")
        if low >= HIGHEST_PERCENT:
            return self.say(f"meer dan {HIGHEST_PERCENT} %", f"more than {HIGHEST_PERCENT} %")
        if low < FULL_PERCENT < high - low:
            return self.say("percentage niet te zeggen", "percentage cannot be said")
        if high > HIGHEST_PERCENT:
            return self.say(f"{int(low)} % of meer", f"{int(low)} % or more")
        first, last = int(low), -int(-high // 1)
        return f"{first} %" if first == last else f"{first}-{last} %"

    def certainty(self, word: Certainty) -> str:
        """How sure it is."""
        return str(word) if self.is_dutch else _ENGLISH[word]

    def state(self, state: State) -> str:
        """The state of an alert."""
        return self.say(*_STATES.get(state, (str(state), str(state))))

    def sensor(self, state: int) -> str:
        """The state of a sensor."""
        words = _SENSORS.get(SensorState(state)) if state in list(SensorState) else None
        return self.say(*(words or (str(state), str(state))))

    def level(self, level: int | None, word: str) -> str:
        """A level by its number and the profile's word, which stays as the city file has it."""
        if level is None:
            return self.say("geen gegevens", "no data")
        return f"{level} {word}".strip()
