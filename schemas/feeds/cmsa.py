# SPDX-License-Identifier: Apache-2.0
"""Amsterdam's crowd monitoring messages (CMSA), all three generations; the message tells which it is.

Lines are read: passages by azimuth (generations 1 and 3) or in and out (2). A zone's count is the number of people
*seen* in the interval, no state: it is read past. Where the message gives the time that they spent there, time /
interval is the mean number of people in the zone and is read as such. A source of the format `cmsa-zones` takes the
count of the others for a state at the interval's begin: for cameras that are known to send it so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.format import Context, Format
from schemas.feeds.json_body import NoNumberError, name_or_none, number_or_none, parse_json
from schemas.feeds.local_time import parse_stamp, zone_of
from schemas.feeds.observed import DIRECTION_SLACK_DEG, Observation, Observed, refuse_persons
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason, normalised

KEY: Final = "cmsa"
ZONES_KEY: Final = "cmsa-zones"
"""Format of sources whose zone counts are states."""
INTERVAL_S: Final = 60.0
"""Of messages that give none."""
LONGEST_INTERVAL_S: Final = 86_400.0
WELL: Final = ("operational", "ok")
"""What `sensor_state` and `status` say of a sensor that counts; at any other word its numbers are missing."""
SIGNALS: Final = "signals"
"""Rows of single persons inside a good count: the only field that `strip_person_fields` takes out."""
_Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Message:
    """What all generations say of a message: whose it is, which interval, and whether its numbers count."""

    sensor: str
    begin_us: int
    end_us: int
    is_well: bool
    source: Source
    where: str
    observed: Observed

    @property
    def interval_s(self) -> float:
        return (self.end_us - self.begin_us) / 1e6

    def count(self, fields: _Fields, name: str) -> tuple[float | None, NoValue]:
        """A count, or why there is none. Raises NoNumberError for what is neither a number nor null."""
        value = number_or_none(fields.get(name))
        if value is None:
            return None, NoValue.NULL
        if value < 0:
            return None, NoValue.NEGATIVE
        return (value, NoValue.NONE) if self.is_well else (None, NoValue.DATA_ERROR)

    def passages(
        self, device: str, fields: _Fields, name: str, where: str, metric: Metric | None, direction: str = ""
    ) -> None:
        """Hand on the passages that `fields` counts under `name`."""
        try:
            count, why = self.count(fields, name)
        except NoNumberError:
            self.observed.refuse(Reason.BAD_VALUE, f"{where}.{name}", "a count is a finite number or null")
            return
        self.observed.observations.append(Observation(
            device, metric, self.begin_us, self.end_us, count, where, direction=direction, no_value=why))


def decode(body: bytes, source: Source, context: Context) -> Observed:  # noqa: ARG001  the message says all
    """Read one message of any generation.

    A line's device is `SENSOR/LINE`, a zone's `SENSOR/ZONE`, and the sensor itself in generation 3.

    Raises
    ------
    RefusedError
        `person-level`: a field about one person anywhere but in a person message of generation 2, which is refused
        alone, and but for `signals` of generation 3 where the source says `strip_person_fields`. `malformed`: no
        JSON, or no message of CMSA.
    """
    document = parse_json(body)
    if not isinstance(document, dict):
        refuse_persons(document)
        raise RefusedError(Reason.MALFORMED, "body is no CMSA message: those are JSON objects")
    observed = Observed()
    if isinstance(document.get("data"), list):
        _read_second(document, source, observed)
    elif "direction" in document:
        _read_third(document, source, observed)
    else:
        refuse_persons(document)
        kind = document.get("type")
        read = _FIRST.get(kind) if isinstance(kind, str) else None
        if read is None:
            raise RefusedError(Reason.MALFORMED, (
                "body is no CMSA message: no `data` (2), no `direction` (3), and `type` is none of "
                f"{', '.join(_FIRST)} (1)"))
        _read_first(document, source, observed, read)
    return observed


# Generation 1: one object, with what it is about in `source`.

def _read_first(
    document: _Fields, source: Source, observed: Observed, read: Callable[[_Message, _Fields], None]
) -> None:
    about = document.get("source")
    if not isinstance(about, dict):
        raise RefusedError(Reason.MALFORMED, "$.source is missing; it says whose message it is")
    message = _message(about, "sensor", "timestamp", source.time_means, "state", source, "$", observed)
    if message is None:
        return
    read(message, document)


def _lines_of_first(message: _Message, document: _Fields) -> None:
    name = name_or_none(document.get("id"))
    _read_azimuths(message, f"{message.sensor}/{name}" if name else message.sensor, document.get("counts"), "$.counts")


def _area_of_first(message: _Message, document: _Fields) -> None:
    _read_zone(message, document, "$")
    for name in ("density", "totalDistance", "speed"):
        if name in document:
            message.observed.passed(name)


def _devices_of_first(message: _Message, document: _Fields) -> None:
    """Devices are not people, and the same one counts in every interval: nothing is read from them."""
    if "count" in document:
        message.observed.passed("device_counts")


_FIRST: Final[dict[str, Callable[[_Message, _Fields], None]]] = {
    "lineMetrics": _lines_of_first, "areaMetrics": _area_of_first, "countMetrics": _devices_of_first,
}


# Generation 2: messages of counts and of persons in one array.

def _read_second(document: dict[str, object], source: Source, observed: Observed) -> None:
    messages = document["data"]
    if not isinstance(messages, list):
        raise RefusedError(Reason.MALFORMED, "$.data is no array")
    refuse_persons({name: field for name, field in document.items() if name != "data"})
    counts: list[tuple[int, _Fields, str]] = []
    for at, one in enumerate(messages):
        where = f"$.data[{at}]"
        if not isinstance(one, dict):
            refuse_persons([one])
            observed.refuse(Reason.MALFORMED, where, "a message is a JSON object")
        elif _is_about_persons(one):
            observed.refuse(Reason.PERSON_LEVEL, where, "a message about one person; ask the supplier for counts only")
        else:
            refuse_persons({"data": [one]})
            counts.append((_sent_us(one), one, where))
    for _, one, where in sorted(counts, key=lambda item: item[0]):  # of two about one interval the later one wins
        _read_count_message(one, source, where, observed)


def _is_about_persons(message: _Fields) -> bool:
    """Whether it says that it is, whatever its fields are called."""
    kind = message.get("message_type")
    return isinstance(kind, str) and normalised(kind).startswith("person")


def _sent_us(message: _Fields) -> int:
    sent = message.get("timestamp_message")
    return parse_stamp(sent, None).first_us if isinstance(sent, str) else -(2**63)


def _read_count_message(fields: _Fields, source: Source, where: str, observed: Observed) -> None:
    parts = fields.get("aggregate")
    if fields.get("message_type") != "count" or not isinstance(parts, list):
        observed.refuse(Reason.MALFORMED, where, "`message_type` is neither `count` nor `person`, or no `aggregate`")
        return
    message = _message(fields, "sensor", "timestamp_start", "start", "sensor_state", source, where, observed)
    if message is None:
        return
    for at, part in enumerate(parts):
        place = f"{where}.aggregate[{at}]"
        kind = part.get("type") if isinstance(part, dict) else None
        name = name_or_none(part.get("id")) if isinstance(part, dict) else None
        if kind == "line" and name is not None:
            # They say themselves which way is in: an azimuth of the line adds nothing.
            for field, metric in (("count_in", Metric.IN), ("count_out", Metric.OUT)):
                message.passages(f"{message.sensor}/{name}", part, field, place, metric)
        elif kind == "zone" and name is not None:
            _read_zone(message, part, place)
        else:
            observed.refuse(Reason.MALFORMED, place, "a part has an `id` and the type `line` or `zone`")


# Generation 3: one sensor, its counts by azimuth.

def _read_third(document: dict[str, object], source: Source, observed: Observed) -> None:
    directions = document["direction"]
    if source.strip_person_fields and isinstance(directions, list):
        directions = [_without_signals(one, f"$.direction[{at}]", observed) for at, one in enumerate(directions)]
        document = {**document, "direction": directions}
    refuse_persons(document)
    message = _message(document, "sensor", "timestamp", "start", "status", source, "$", observed)
    if message is None:
        return
    if "density" in document:
        observed.passed("density")
    _read_azimuths(message, message.sensor, directions, "$.direction")


def _without_signals(direction: object, where: str, observed: Observed) -> object:
    if not isinstance(direction, dict):
        return direction
    for name in direction:
        if normalised(name) == SIGNALS:
            observed.refuse(Reason.PERSON_LEVEL, f"{where}.{SIGNALS}", (
                "rows of single persons beside a count; the field was dropped, ask the supplier to leave it out"))
    return {name: value for name, value in direction.items() if normalised(name) != SIGNALS}


# What the generations have in common.

def _message(
    fields: _Fields, sensor: str, time: str, time_means: str, state: str, source: Source, where: str,
    observed: Observed,
) -> _Message | None:
    """Whose message it is and of which interval; None where that cannot be told, and it is refused."""
    name, text = name_or_none(fields.get(sensor)), fields.get(time)
    stamp = parse_stamp(text, zone_of(source.timezone)) if isinstance(text, str) else None
    try:
        given_s = number_or_none(fields.get("interval"))
    except NoNumberError:
        given_s = 0.0
    interval_s = INTERVAL_S if given_s is None else given_s
    if name is None:
        observed.refuse(Reason.UNKNOWN_SENSOR, where, f"`{sensor}` names no sensor")
    elif stamp is None or not stamp.is_time:
        observed.refuse(Reason.BAD_TIME, where, (
            f"`{time}` is no time with an offset; where it is a local time, give the source a `timezone`"))
    elif not 0 < interval_s <= LONGEST_INTERVAL_S:
        observed.refuse(Reason.BAD_SPAN, where, "`interval` is a number of seconds of at most a day")
    else:
        length_us = max(round(interval_s * 1e6), 1)
        begin_us = stamp.first_us - (length_us if time_means == "end" else 0)
        word = fields.get(state)
        is_well = word is None or (isinstance(word, str) and word.strip().casefold() in WELL)
        if not is_well:
            observed.passed("messages_of_sensors_out_of_order")
        return _Message(name, begin_us, begin_us + length_us, is_well, source, where, observed)
    return None


def _read_azimuths(message: _Message, device: str, counts: object, where: str) -> None:
    """Passages by azimuth: at most two, opposite ways; of others nothing tells which way they count."""
    if not isinstance(counts, list):
        message.observed.refuse(Reason.MALFORMED, where, "is no array of counts by azimuth")
        return
    rows: list[tuple[float, _Fields, str]] = []
    for at, one in enumerate(counts):
        try:
            azimuth = number_or_none(one.get("azimuth")) if isinstance(one, dict) else None
        except NoNumberError:
            azimuth = None
        if azimuth is None:
            message.observed.refuse(Reason.MALFORMED, f"{where}[{at}]", "a direction is an object with an `azimuth`")
        else:
            rows.append((azimuth, one, f"{where}[{at}]"))
    if len(rows) > 2 or (len(rows) == 2 and not _are_opposite(rows[0][0], rows[1][0])):
        message.observed.refuse(Reason.BAD_VALUE, where, "a line has two directions, opposite to each other", len(rows))
        return
    for azimuth, fields, place in rows:
        for name in ("cumulative_distance", "cumulative_time", "median_speed"):
            if name in fields:
                message.observed.passed(name)
        message.passages(device, fields, "count", place, None, direction=f"{azimuth:g}")


def _are_opposite(first_deg: float, second_deg: float) -> bool:
    return abs((first_deg - second_deg + 180.0) % 360.0 - 180.0) > DIRECTION_SLACK_DEG


def _read_zone(message: _Message, fields: _Fields, where: str) -> None:
    """The mean number of people where the time that they spent is given; else their count, where it is a state."""
    name = name_or_none(fields.get("id"))
    if name is None:
        message.observed.refuse(Reason.UNKNOWN_SENSOR, where, "`id` names no zone")
        return
    try:
        count, why_no_count = message.count(fields, "count")
        person_s, why_no_time = message.count(fields, "totalTime")
    except NoNumberError:
        message.observed.refuse(Reason.BAD_VALUE, where, "`count` and `totalTime` are finite numbers or null")
        return
    if fields.get("totalTime") is not None:
        message.observed.passed("people_seen")
        people, why = None if person_s is None else person_s / message.interval_s, why_no_time
    elif message.source.format == ZONES_KEY:
        people, why = count, why_no_count
    else:
        message.observed.passed("people_seen")
        return
    message.observed.observations.append(Observation(
        f"{message.sensor}/{name}", Metric.PEOPLE, message.begin_us, message.begin_us, people, where, no_value=why))


def looks_like(body: bytes) -> bool:
    """Whether `body` looks like a message of any generation."""
    head = body[:4096]
    return b'"sensor"' in head and (
        (b'"aggregate"' in head and b'"data"' in head)
        or (b'"direction"' in head and b'"azimuth"' in head)
        or any(f'"{kind}"'.encode() in head for kind in _FIRST))


_NOTES = (
    "Generation 1 does not say which end of the interval its time names: `time_means` does, after a check against the "
    "sensor. Generation 2: messages about persons are refused, the others read. Generation 3: refused whole for "
    "`signals`, unless the source says `strip_person_fields`. Zones overlap: never add them.")
FORMAT = Format(
    key=KEY,
    title="Amsterdam CMSA, generations 1 to 3",
    semantics="in, out: interval; people: instant (the mean over the interval, where the time spent is given)",
    decode=decode, looks_like=looks_like, proven=False, notes=_NOTES,
)
ZONES_FORMAT = Format(
    key=ZONES_KEY,
    title="Amsterdam CMSA whose zone counts are people present, not people seen",
    semantics="in, out: interval; people: instant, at the begin of the interval",
    decode=decode, looks_like=looks_like, proven=False, notes=_NOTES,
)
