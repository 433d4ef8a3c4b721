# SPDX-License-Identifier: Apache-2.0
"""What outsiders read: annotations, bands as text, the summary in Dutch. Pure.

Everything about people comes from the band of the transition; nothing here knows a value.
"""

import math
from zoneinfo import ZoneInfo

from schemas.alert import Transition
from schemas.alert_words import about, has_level, how_it_stands
from schemas.alertmanager import ENGINE_MEASURE, PostedAlert, labels
from schemas.city import City
from schemas.delivery import AlertEvent
from schemas.expected import is_expected, told_certainty
from schemas.moment import local_text, rfc3339
from schemas.roads import RoadTable
from streams.deliver.engine_wording import EngineWords
from streams.deliver.present import Alert, Told

UNKNOWN = "onbekend"
NOBODY_CAN_SAY = "niet te zeggen"
ARROWS = {-1: "↓", 0: "→", 1: "↑"}
_UNITS = {
    "persons": "personen", "persons/m2": "personen/m2", "persons/min": "personen/min", "percent": "%",
    "persons/m/min": "personen/m/min", "probability": "kans", "km/h": "km/u", "share": "aandeel",
    "standard deviations": "standaardafwijkingen",
}


def band_text(low: float | None, high: float | None, digits: int = 0) -> str:
    """A band: `<10`, `340-344`, or `onbekend` where there is none."""
    if low is None or high is None:
        return UNKNOWN
    first, last = f"{low:.{digits}f}", f"{high:.{digits}f}"
    return first if first == last else f"{first}-{last}"


def people_text(low: int | None, high: int | None) -> str:
    """A band of people; the lowest one reads `<10`."""
    if low == 0 and high is not None:
        return f"<{high + 1}"
    return band_text(low, high)


def minutes_text(low: float | None, high: float | None) -> str:
    """Minutes as a range, whole and outwards; open where one end is not known."""
    first = None if low is None else math.floor(low)
    last = None if high is None else math.ceil(high)
    if first is None or last is None:
        return f">= {first}" if first is not None else f"<= {last}" if last is not None else NOBODY_CAN_SAY
    return band_text(first, last)


class Wording:
    """Words for the alerts of one city.

    Parameters
    ----------
    city : City
        Names of places and levels. A profile or place of another version that it lacks is named by its key.
    alert_url : str, optional
        Page of an alert; `{alert_id}` in it is replaced.
    """

    def __init__(self, city: City, alert_url: str | None = None) -> None:
        self._alert_url = alert_url
        self.engine = EngineWords(city)
        """Words of the watchdog's alert."""
        self.take_over(city)

    def take_over(self, city: City) -> None:
        """Speak of another version of the city from now on."""
        self._file, self._zone = city.file, ZoneInfo(city.file.timezone)
        self.engine.take_over(city)
        self._road_names = _road_names(city.roads)

    def place_name(self, place: str) -> str:
        """The name of a zone, a gate or a road's measuring site."""
        zone, gate = self._file.zones.get(place), self._file.gates.get(place)
        if zone is not None:
            return zone.name
        return gate.name or place if gate is not None else self._road_names.get(place, place)

    def level(self, one: Transition) -> str:
        """The profile's word for the level that the alert has now; of what has none, what it is about."""
        if not has_level(one):
            return about(one.measure)
        profile = self._file.profiles.get(one.profile)
        if profile is None or not 0 <= one.level_to < len(profile.levels):
            return f"niveau {one.level_to}"
        return profile.levels[one.level_to]

    def seen(self, one: Transition) -> str:
        """When its figures were seen, local time: it is told for as long as it stands, they are not of now."""
        return local_text(one.window_end_us, self._zone, "%d-%m %H:%M")

    def summary(self, one: Transition) -> str:
        """One Dutch line: which place, how it stands."""
        if one.measure == ENGINE_MEASURE:
            return self.engine.summary(one)
        text = how_it_stands(one, self.level(one))
        stale = ", geen gegevens" if one.stale else ""
        muted = ", onderdrukt" if one.suppressed else ""
        return f"{self.place_name(one.place)}: {text}{stale}{muted}"

    def description(self, one: Transition) -> str:
        """What stands behind it, in Dutch."""
        if one.measure == ENGINE_MEASURE:
            return self.engine.description(one)
        parts = [f"Regel {one.rule}", f"stand van {self.seen(one)}",
                 f"mensen {people_text(one.people_low, one.people_high)}"]
        if one.percent_low is not None:
            parts.append(f"{band_text(one.percent_low, one.percent_high)} % van de toegestane bezetting")
        if one.limit is not None:
            seen = "verwacht" if is_expected(one) else "gemeten"
            parts.append(f"{seen} {band_text(one.low, one.high, 2)}, grens {one.limit:g} {self._unit(one)}")
        if one.trend is not None:
            parts.append(f"verloop {ARROWS[one.trend]}")
        if one.next_low_min is not None or one.next_high_min is not None:
            parts.append(f"volgend niveau over {minutes_text(one.next_low_min, one.next_high_min)} min")
        parts.append(f"dekking {int(one.coverage * 100)} %")
        parts.append(str(told_certainty(one)))
        if one.stale:
            parts.append("er komen geen gegevens: het niveau is dat van voor de storing")
        return "; ".join(parts) + "."

    def annotations(self, one: Transition) -> dict[str, str]:
        """All that changes while an alert is open; times are log times."""
        texts = {
            "summary": self.summary(one),
            "description": self.description(one),
            "level": self.level(one),
            "state": str(one.state_to),
            "people": people_text(one.people_low, one.people_high),
            "percent": band_text(one.percent_low, one.percent_high),
            "coverage": f"{one.coverage:.2f}",
            "profile": f"{one.profile} v{one.city_version}",
            "stale": flag_text(one.stale),
            "alert_id": one.alert_id,
            "window_start": rfc3339(one.window_start_us),
            "window_end": rfc3339(one.window_end_us),
            "opened_at": rfc3339(one.opened_at_us),
        }
        return texts | self._flags(one) | self._density(one)

    def _flags(self, one: Transition) -> dict[str, str]:
        """Flags, and what only some alerts have; an annotation without a text would not be kept."""
        texts = {
            "certainty": str(told_certainty(one)),
            "acknowledged": flag_text(one.acknowledged),
            "escalated": flag_text(one.escalated),
            "suppressed": flag_text(one.suppressed),
            "minutes_to_next": minutes_text(one.next_low_min, one.next_high_min),
            "assigned": one.assigned,
            "trend": "" if one.trend is None else ARROWS[one.trend],
            "limit": "" if one.limit is None else f"{one.limit:g} {self._unit(one)}",
            "measured": "" if one.low is None else f"{band_text(one.low, one.high, 2)} {self._unit(one)}",
        }
        return {name: text for name, text in texts.items() if text}

    def _unit(self, one: Transition) -> str:
        return _UNITS.get(one.unit, one.unit)

    def _density(self, one: Transition) -> dict[str, str]:
        zone = self._file.zones.get(one.place)
        known = one.people_low is not None and one.people_high is not None
        # Another version may have another area.
        if zone is None or not known or one.city_version != self._file.version:
            return {}
        low, high = (None if edge is None else edge / zone.area_m2 for edge in (one.people_low, one.people_high))
        return {"density": f"{band_text(low, high, 2)} p/m2"}

    def posted(self, alert: Alert) -> PostedAlert:
        """An alert's present state for Alertmanager; a suppressed one has ended there."""
        one = alert.newest.transition
        url = None if self._alert_url is None else self._alert_url.replace("{alert_id}", one.alert_id)
        return PostedAlert(
            labels=labels(one, exercise=one.exercise), annotations=self.annotations(one),
            starts_at=rfc3339(alert.starts_us),
            ends_at=None if alert.inactive_us is None else rfc3339(alert.inactive_us), generator_url=url,
        )

    def event(self, told: Told, starts_us: int, *, late: bool) -> AlertEvent:
        """A transition for a webhook; `starts_us` is the wall time at which its alert opened."""
        one = told.transition
        return AlertEvent(
            alert_id=one.alert_id, seq=one.seq, site=one.site, place=one.place,
            place_name=self.place_name(one.place), rule=one.rule, severity=one.severity, exercise=one.exercise,
            measure=one.measure, unit=one.unit, state_from=one.state_from, state_to=one.state_to,
            level_from=one.level_from, level_to=one.level_to, level=self.level(one), stale=one.stale,
            late=late, people=people_text(one.people_low, one.people_high), people_low=one.people_low,
            people_high=one.people_high, percent_low=one.percent_low, percent_high=one.percent_high,
            coverage=one.coverage, profile=one.profile, city_version=one.city_version, cause=one.cause,
            window_start=rfc3339(one.window_start_us), window_end=rfc3339(one.window_end_us),
            opened_at=rfc3339(one.opened_at_us), at=rfc3339(one.at_us), starts_at=rfc3339(starts_us),
            ends_at=None if told.open else rfc3339(max(told.appended_us, starts_us)),
            summary=self.summary(one), acknowledged=one.acknowledged, escalated=one.escalated,
            suppressed=one.suppressed, assigned=one.assigned, certainty=told_certainty(one), low=one.low, high=one.high,
            limit=one.limit, trend=one.trend, next_low_min=one.next_low_min, next_high_min=one.next_high_min,
            changes=self.engine.changes(one) if one.measure == ENGINE_MEASURE else [],
        )


def flag_text(flag: bool) -> str:
    """True and false as outside formats write them."""
    return "true" if flag else "false"


def _road_names(roads: RoadTable) -> dict[str, str]:
    columns = roads.table.select(["zone", "name"]).to_pydict()
    return dict(zip(columns["zone"], columns["name"], strict=True))
