# SPDX-License-Identifier: Apache-2.0
"""How the page words bands, levels and states of alerts, in Dutch. Pure."""

from collections.abc import Sequence

from schemas.alert import Cause, State
from schemas.health import SensorState
from schemas.sighting import Disagreement, Role
from streams.core.privacy import FIRST_BAND

NO_DATA = "geen gegevens"
"""What stands where there is no value: never a number, never a level."""
CANNOT_SAY = "niet te zeggen"
TONES = 4
"""Colours of levels, calm to worst."""
FINEST_STEP, TOLD_RATIO, TELLING_FROM = 5, 4, 100
"""A forecast is told in steps of so many at least, and not at all where it reaches from its low edge (or from
`TELLING_FROM`) to more than so many times it."""
STATES = {
    State.NORMAL: "normaal",
    State.PENDING: "in aanloop",
    State.FIRING: "actief",
    State.RECOVERING: "neemt af",
    State.RESOLVED: "voorbij",
}
ROLES = {Role.STEWARD: "steward", Role.OPERATOR: "centralist", Role.POLICE: "politie", Role.MEDIC: "hulpverlener"}
DISAGREEMENTS = {
    Disagreement.AGREES: "sensor klopt ermee",
    Disagreement.SENSOR_LOWER: "sensor ziet minder",
    Disagreement.SENSOR_HIGHER: "sensor ziet meer",
    Disagreement.NO_SENSOR: "geen sensor",
    Disagreement.NOT_COMPARED: "nog niet vergeleken",
}
"""How the sensor's band lies to a sighting."""
CORRECTIONS = {
    "area-sensor": "bijgesteld naar camera",
    "devices": "bijgesteld naar apparaten",
    "empty-hour": "leeg volgens het uur",
    "sighting": "bijgesteld naar waarneming",
    "zone-empty": "leeg gemeld",
    "set-occupancy": "aantal opgegeven",
    "not-negative": "niet onder nul",
    "sum-of-zones": "bijgesteld naar de zones samen",
    "swapped-gate": "poort telde andersom",
}
"""What corrected the people inside, as rows of `inside_minute` name it."""
SENSOR_STATES: dict[int, str] = {
    SensorState.FRESH: "in orde",
    SensorState.LATE: "meldt te laat",
    SensorState.SKEWED: "klok loopt voor",
    SensorState.JUMPED: "maakte een sprong",
    SensorState.UNHEARD: "nog niet gehoord",
    SensorState.SILENT: "stil",
    SensorState.OUT_OF_SERVICE: "buiten dienst",
    SensorState.STUCK: "vastgelopen",
    SensorState.FAULTY: "defect",
}
"""By number; live.sensor_state_text of the database says the same."""
CAUSES = {
    Cause.THRESHOLD: "gemeten",
    Cause.SKIP: "sprong van niveaus",
    Cause.NO_DATA: "geen gegevens, of weer wel",
    Cause.CITY: "nieuwe versie van het stadsbestand",
    Cause.ADOPT: "herstart van de rekenmotor",
    Cause.COMMAND: "opdracht",
    Cause.TIMER: "tijd verstreken",
    Cause.INHIBITED: "hoger niveau op dezelfde plek",
    Cause.DRILL: "einde van de oefening",
}
"""Why an alert changed."""
SEVERITIES = {"info": "ter informatie", "warning": "waarschuwing", "critical": "kritiek"}


def exercise_words(kind: str, name: str) -> str:
    """Where an exercise is, of a site's name or a rule's key.

    Examples
    --------
    >>> exercise_words("site", "Centrum"), exercise_words("rule", "oranje")
    ('in Centrum', 'met regel oranje')
    """
    return f"in {name}" if kind == "site" else f"met regel {name}"


def level_word(level: int, names: Sequence[str]) -> str:
    """The profile's word for a level."""
    return names[level] if 0 <= level < len(names) else f"niveau {level}"


def tone(level: int, levels: int) -> int:
    """Which of the `TONES` a level has; the highest level always has the last one.

    Examples
    --------
    >>> [tone(level, 2) for level in range(2)]
    [0, 3]
    """
    last = TONES - 1
    return max(0, min(last, round(level * last / max(1, levels - 1))))


def band_text(low: int, high: int, thousands: str = ".") -> str:
    """A band of people or passages; `thousands` stands between groups of digits, in Dutch a point.

    Examples
    --------
    >>> band_text(0, 9), band_text(310, 314), band_text(20_390, 20_399)
    ('<10', '310–314', '20.390–20.399')
    """
    edges = [_grouped(number, thousands) for number in (low, high, high + 1)]
    return f"<{edges[2]}" if low == 0 else f"{edges[0]}–{edges[1]}"


def ahead_text(low: int, high: int, band_width: int, unit: str) -> str:
    """A forecast range, rounded outwards to two digits and never finer than bands; in words where it says nothing.

    Parameters
    ----------
    low, high : int
        Nine times of ten it is from low to high.
    band_width : int
        People in a band of the place.
    unit : str

    Examples
    --------
    >>> ahead_text(38_624, 99_386, 25, "mensen"), ahead_text(311, 389, 5, "mensen"), ahead_text(0, 8, 5, "mensen")
    ('38.000–100.000 mensen', '310–390 mensen', '<10 mensen')
    >>> ahead_text(2_091, 130_889, 5, "mensen")
    'niet te zeggen'
    """
    if high > TOLD_RATIO * max(low, TELLING_FROM):
        return CANNOT_SAY
    step = _step(max(FINEST_STEP, band_width, 10 ** (len(str(high)) - 2)))
    first, last = low // step * step, (high // step + 1) * step if high % step else max(high, step)
    if first < FIRST_BAND:
        return f"<{_grouped(max(last, FIRST_BAND))} {unit}"
    return f"{_grouped(first)}{'' if first == last else f'–{_grouped(last)}'} {unit}"


def _step(least: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, ... that is not below `least`."""
    size: int = 10 ** (len(str(least)) - 1)
    steps: list[int] = [size, 2 * size, 5 * size, 10 * size]
    return next(step for step in steps if step >= least)


def _grouped(number: int, thousands: str = ".") -> str:
    return f"{number:,}".replace(",", thousands)


def range_text(low: float, high: float, digits: int = 0, unit: str = "") -> str:
    """A range with a decimal comma; one number where both ends read the same.

    Examples
    --------
    >>> range_text(0.31, 0.314, 2), range_text(77.4, 78.6, 0, " %")
    ('0,31', '77–79 %')
    """
    first, last = (f"{value:.{digits}f}".replace(".", ",") for value in (low, high))
    return f"{first}{unit}" if first == last else f"{first}–{last}{unit}"
