# SPDX-License-Identifier: Apache-2.0
"""Words for the watchdog's own alert, in Dutch and English. Pure: levels and places, no numbers of people."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from schemas.alert import State, Transition
from schemas.city import City
from schemas.moment import local_text
from streams.deliver.engine_watch import Blind, Change

SITE, PLACE, RULE = "drukte", "engine", "engine-silent"
MOST = 1_000
"""Words of the watchdog that are remembered; a receiver that was away for long gets the plain line."""
_CHANGES_TOLD = 100
_NAMES_TOLD = 50
"""In one line: an event may hold 64 KB."""
_DUTCH = {
    State.FIRING: "Drukte rekent niet: niets gehoord sinds {since}. Wat u ziet is van voor die tijd.",
    State.RECOVERING: "Drukte rekent weer, het was blind van {since} tot {until}. Wat er veranderde volgt.",
    State.RESOLVED: "Drukte rekent weer, het was blind van {since} tot {until}.",
}
_ENGLISH = {
    State.FIRING: "Drukte does not compute: nothing heard since {since}. What you see is from before.",
    State.RECOVERING: "Drukte computes again, it was blind from {since} to {until}. What changed follows.",
    State.RESOLVED: "Drukte computes again, it was blind from {since} to {until}.",
}


class EngineWords:
    """What is said of each change of the watchdog's alert.

    Parameters
    ----------
    city : City
    """

    def __init__(self, city: City) -> None:
        self._told: OrderedDict[tuple[str, int], Blind] = OrderedDict()
        self.take_over(city)

    def take_over(self, city: City) -> None:
        """Speak of another version of the city from now on."""
        self._file = city.file
        self._zone = ZoneInfo(city.file.timezone)

    def remember(self, one: Transition, blind: Blind) -> None:
        """What stands behind a transition."""
        self._told[one.alert_id, one.seq] = blind
        while len(self._told) > MOST:
            self._told.popitem(last=False)

    def summary(self, one: Transition, *, dutch: bool = True) -> str:
        """One line."""
        blind = self._told.get((one.alert_id, one.seq), Blind(one.opened_at_us, one.at_us))
        texts = _DUTCH if dutch else _ENGLISH
        return texts[one.state_to].format(since=self._clock(blind.since_us), until=self._clock(blind.until_us))

    def description(self, one: Transition, *, dutch: bool = True) -> str:
        """What stands behind it; after a silence all that changed."""
        blind = self._told.get((one.alert_id, one.seq))
        if blind is None:
            return self.summary(one, dutch=dutch)
        if one.state_to is State.FIRING:
            cause = ("de broker antwoordt niet" if dutch else "the broker does not answer") if blind.broker_away else (
                "de broker antwoordt; kijk naar de worker en de gateway" if dutch
                else "the broker answers; look at worker and gateway")
            sites = _listed(map(self._site_name, blind.sites), dutch=dutch)
            return f"{'Getroffen' if dutch else 'Affected'}: {sites or '?'}; {cause}."
        return "; ".join(self.changes(one, dutch=dutch)) or self.summary(one, dutch=dutch)

    def changes(self, one: Transition, *, dutch: bool = True) -> list[str]:
        """What changed while nobody looked, a line each; empty before the end."""
        blind = self._told.get((one.alert_id, one.seq))
        if blind is None or one.state_to is not State.RESOLVED:
            return []
        found = list(self._changes(blind, dutch=dutch))
        if len(found) > _CHANGES_TOLD:
            more = len(found) - _CHANGES_TOLD
            return [*found[:_CHANGES_TOLD], f"en nog {more}" if dutch else f"and {more} more"]
        return found or ["Niets veranderd." if dutch else "Nothing changed."]

    def _changes(self, blind: Blind, *, dutch: bool) -> Iterator[str]:
        if not blind.known:
            yield ("Wat er voor de storing was is niet bekend: drukte deliver was zelf weg." if dutch
                   else "What was before is not known: drukte deliver itself was away.")
        worst_first = sorted(blind.changes, key=lambda change: (-(change.after or 0), change.zone))
        for change in worst_first:
            yield self._change(change, dutch=dutch)
        opened = "melding geopend" if dutch else "alert opened"
        ended = "melding gesloten" if dutch else "alert ended"
        for word, alerts in ((opened, blind.opened), (ended, blind.ended)):
            yield from (f"{word}: {self._zone_name(one.place)}, {one.rule}" for one in alerts)
        if blind.unheard:
            names = _listed(map(self._zone_name, blind.unheard), dutch=dutch)
            yield f"{'Nog niets gehoord van' if dutch else 'Not heard yet'}: {names}"

    def _change(self, change: Change, *, dutch: bool) -> str:
        before, after = (self._level(change.zone, level, dutch=dutch) for level in (change.before, change.after))
        text = f"{self._zone_name(change.zone)}: {before} → {after}"
        if change.highest is not None and change.highest > max(change.before or 0, change.after or 0):
            highest = self._level(change.zone, change.highest, dutch=dutch)
            text += f" ({'tussendoor' if dutch else 'in between'} {highest})"
        return text

    def _level(self, zone: str, level: int | None, *, dutch: bool) -> str:
        if level is None:
            return "geen gegevens" if dutch else "no data"
        profile = self._file.profiles[self._file.zones[zone].profile] if zone in self._file.zones else None
        words = [] if profile is None else profile.levels
        word = words[level] if level < len(words) else f"{'niveau' if dutch else 'level'} {level}"
        return word if dutch else f"level {level} ({word})"

    def _zone_name(self, key: str) -> str:
        zone = self._file.zones.get(key)
        return key if zone is None else zone.name

    def _site_name(self, key: str) -> str:
        site = self._file.sites.get(key)
        return key if site is None else site.name

    def _clock(self, at_us: int) -> str:
        return local_text(at_us, self._zone, "%d-%m %H:%M:%S")


def _listed(names: Iterable[str], *, dutch: bool) -> str:
    """Names with commas; of very many the first, and how many more."""
    known = list(names)
    more = len(known) - _NAMES_TOLD
    text = ", ".join(known[:_NAMES_TOLD])
    return text if more <= 0 else f"{text} {'en nog' if dutch else 'and'} {more}{'' if dutch else ' more'}"
