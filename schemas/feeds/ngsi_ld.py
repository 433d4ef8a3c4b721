# SPDX-License-Identifier: Apache-2.0
"""NGSI-LD: CrowdFlowObserved, TrafficFlowObserved and ItemFlowObserved of the Smart Data Models.

Entities alone, in an array or in a notification's `data`; attributes as plain values, as `{"value": ...}`, or as
NGSI v2 writes them. Anything else in an entity is allowed by the model: it is read past and counted.
"""

import math
from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.format import Context, Format
from schemas.feeds.json_body import NoNumberError, name_or_none, number_or_none, parse_json
from schemas.feeds.local_time import zone_of
from schemas.feeds.observed import Observation, Observed, refuse_persons
from schemas.feeds.time_interval import TimeInterval, parse_interval
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason

CROWD, TRAFFIC, ITEM = "CrowdFlowObserved", "TrafficFlowObserved", "ItemFlowObserved"
COUNT: Final = {CROWD: "peopleCount", TRAFFIC: "intensity", ITEM: "intensity"}
SPEED: Final = {CROWD: "averageCrowdSpeed", TRAFFIC: "averageVehicleSpeed", ITEM: "averageSpeed"}
DIRECTION: Final = {CROWD: "direction", TRAFFIC: "laneDirection", ITEM: "laneDirection"}
PASSED: Final = (
    "averageHeadwayTime", "averageGapDistance", "averageVehicleLength", "averageLength", "occupancy", "congested",
    "reversedLane", "speedMin", "speedMax",
)
"""Measured, but nothing is read from them. `occupancy` is a share of time, not people."""
OTHER_ATTRIBUTES = "other_attributes"
"""Describe the entity, or were added by its sender."""
OLD_SPELLINGS = "geoproperty_spellings"
TIMES_DIFFER = "times_differ"
"""Entities whose `dateObserved` is an interval other than the one from `dateObservedFrom` to `dateObservedTo`."""
KM_H_OF: Final = {"KMH": 1.0, "KMT": 1.0, "MTS": 3.6, "KNT": 1.852}
"""A unit by its code of UN/CEFACT."""
WEIGHT_LIMIT = 1e6
"""More vehicles are no weight: nobody counts them in one interval."""
_KNOWN = frozenset({
    "id", "type", "@context", "dateObserved", "dateObservedFrom", "dateObservedTo", "direction", "laneDirection",
    "laneId", "itemType", "vehicleType", "refDevice",
})
_NULL = "urn:ngsi-ld:null"
"""How a notification says that an attribute was removed."""
_SHAPE = "neither an entity nor a list or notification of entities"
_TYPE = "an entity of a type that nothing is read from; do not subscribe to it"
_NO_ID = "an entity without `id`"
_TIME = "`dateObservedFrom` and `dateObservedTo`, or `dateObserved`, are RFC 3339 with an offset"
_VALUE = "a count or a speed is a number or null"
_UNIT = "unit of a speed; send KMH"
_ITEM = "`itemType` is not people or vehicle"
_CLASS = "vehicles of one class only; send all vehicles"


def decode(body: bytes, source: Source, context: Context) -> Observed:  # noqa: ARG001  the entities say all
    """Read entities.

    A count of people with a direction is passages, one without is people at an instant; vehicles have their mean
    speed beside them, weighed with their number. A device is `refDevice` (`/` and `laneId`), else the entity's id.

    Raises
    ------
    RefusedError
        The whole body: `malformed`, `person-level`.
    """
    document = parse_json(body)
    refuse_persons(document)
    observed = Observed()
    zone = zone_of(source.timezone)
    for where, entity in _entities(document):
        _read(entity, where, source, zone, observed)
    return observed


def looks_like(body: bytes) -> bool:
    """Whether such entities may stand in it."""
    return any(f'"{name}"'.encode() in body for name in COUNT)


def _entities(document: object) -> Iterator[tuple[str, object]]:
    if isinstance(document, dict) and isinstance(document.get("data"), list):
        yield from ((f"$.data[{at}]", entity) for at, entity in enumerate(document["data"]))
    elif isinstance(document, list):
        yield from ((f"$[{at}]", entity) for at, entity in enumerate(document))
    elif isinstance(document, dict) and "type" in document:
        yield "$", document
    else:
        raise RefusedError(Reason.MALFORMED, f"body is {_SHAPE}")


def _read(entity: object, where: str, source: Source, zone: ZoneInfo | None, observed: Observed) -> None:
    kind = entity.get("type") if isinstance(entity, dict) else None
    if not isinstance(entity, dict) or not isinstance(kind, str):
        observed.refuse(Reason.MALFORMED, where, _SHAPE)
        return
    kind = kind.rpartition("/")[2].rpartition("#")[2]  # a type may be written out as an address
    if kind not in COUNT:
        observed.refuse(Reason.UNUSED_TYPE, where, _TYPE)
        return
    values = {name: _value(attribute) for name, attribute in entity.items()}
    _count_passed(kind, entity, values, observed)
    wanted = [name for name in (COUNT[kind], SPEED[kind]) if name in entity and not _is_passed(kind, name, values)]
    device, times = _device(values, source), _times(values, zone, observed)
    if device is None or times is None:
        reason, detail = (Reason.MALFORMED, _NO_ID) if device is None else (Reason.BAD_TIME, _TIME)
        if wanted:
            observed.refuse(reason, where, detail, len(wanted))
        return
    for name in wanted:
        try:
            observed.observations.append(_observation(kind, name, entity, values, device, times, where))
        except RefusedError as refused:
            observed.refuse(Reason(refused.reason), f"{where}.{name}", str(refused))


def _value(attribute: object) -> object:
    """What an attribute says, in whichever form it is written."""
    if isinstance(attribute, dict):
        for name in ("value", "object", "@value"):
            if name in attribute:
                return _value(attribute[name])
    return None if attribute == _NULL else attribute


def _count_passed(kind: str, entity: dict[str, object], values: dict[str, object], observed: Observed) -> None:
    read = {COUNT[kind], SPEED[kind]}
    for name, attribute in entity.items():
        if name in PASSED or (name in read and _is_passed(kind, name, values)):
            observed.passed(name)
        elif name not in _KNOWN and name not in read:
            observed.passed(OTHER_ATTRIBUTES)
        if isinstance(attribute, dict) and attribute.get("type") == "Geoproperty":
            observed.passed(OLD_SPELLINGS)


def _is_people(kind: str, values: dict[str, object]) -> bool:
    return kind == CROWD or (kind == ITEM and _word(values.get("itemType")) == "people")


def _is_passed(kind: str, name: str, values: dict[str, object]) -> bool:
    """Speeds of people: no metric of ours."""
    return name == SPEED[kind] and _is_people(kind, values)


def _word(value: object) -> str:
    return value.strip().casefold() if isinstance(value, str) else ""


def _device(values: dict[str, object], source: Source) -> str | None:
    """`refDevice`, with the lane where there is one: a device may watch several. Else the entity's own id."""
    device = name_or_none(values.get("refDevice"))
    if device is not None:
        lane = name_or_none(values.get("laneId"))
        return device if lane is None else f"{device}/{lane}"
    own = name_or_none(values.get("id"))
    if own is None or not source.device_until_last:
        return own
    return own.rpartition(source.device_until_last)[0] or own


def _times(values: dict[str, object], zone: ZoneInfo | None, observed: Observed) -> TimeInterval | None:
    whole = parse_interval(values.get("dateObserved"), zone)
    ends = [values.get("dateObservedFrom"), values.get("dateObservedTo")]
    if ends == [None, None]:
        return whole
    begin, end = (parse_interval(text, zone) for text in ends)
    if begin is None or end is None or not begin.is_instant or not end.is_instant:
        return whole if whole is not None and not whole.is_instant and None in ends else None
    times = TimeInterval(begin.begin_us, end.end_us, min(begin.quality, end.quality))
    if whole is not None and not whole.is_instant and (whole.begin_us, whole.end_us) != (times.begin_us, times.end_us):
        observed.passed(TIMES_DIFFER)
    return times


def _observation(kind: str, name: str, entity: dict[str, object], values: dict[str, object], device: str,
                 times: TimeInterval, where: str) -> Observation:
    """One count or speed; raises `RefusedError` for it alone."""
    metric, direction = _meaning(kind, name, values)
    value = _number(values[name])
    weight, missing = math.nan, NoValue.NULL
    if metric is Metric.SPEED and value is not None:
        value *= _km_h(entity[name])
        weight = _vehicles(kind, values)
        if weight == 0:
            value, missing = None, NoValue.NO_VEHICLES
    if value is not None and value < 0:
        value, missing = None, NoValue.NEGATIVE
    return Observation(
        device=device, metric=metric, begin_us=times.begin_us, end_us=times.end_us, value=value,
        where=f"{where}.{name}", direction=direction, quality=times.quality, weight=weight, no_value=missing,
    )


def _meaning(kind: str, name: str, values: dict[str, object]) -> tuple[Metric | None, str]:
    """Metric and direction. Without a direction nobody can tell in from out: then it can only be a state."""
    if _is_people(kind, values):
        word = values.get(DIRECTION[kind])
        if isinstance(word, str) and word.strip():
            return None, word.strip().casefold()
        return Metric.PEOPLE, ""
    if kind == ITEM and _word(values.get("itemType")) != "vehicle":
        raise RefusedError(Reason.UNUSED_TYPE, _ITEM)
    if values.get("vehicleType") is not None:
        raise RefusedError(Reason.UNUSED_TYPE, _CLASS)
    return (Metric.SPEED if name == SPEED[kind] else Metric.VEHICLES), ""


def _number(value: object) -> float | None:
    try:
        return number_or_none(value)
    except NoNumberError:
        raise RefusedError(Reason.BAD_VALUE, _VALUE) from None


def _km_h(attribute: object) -> float:
    unit = attribute.get("unitCode") if isinstance(attribute, dict) else None
    factor = 1.0 if unit is None else KM_H_OF.get(unit) if isinstance(unit, str) else None
    if factor is None:
        raise RefusedError(Reason.BAD_VALUE, _UNIT)
    return factor


def _vehicles(kind: str, values: dict[str, object]) -> float:
    """How many vehicles stand behind a mean speed; NaN where that is not said."""
    try:
        vehicles = number_or_none(values.get(COUNT[kind]))
    except NoNumberError:
        return math.nan
    return vehicles if vehicles is not None and 0 <= vehicles <= WEIGHT_LIMIT else math.nan


FORMAT = Format(
    key="ngsi-ld",
    title="NGSI-LD and NGSI v2, Smart Data Models for Transportation",
    semantics="interval; people without a direction: instant",
    decode=decode,
    looks_like=looks_like,
    proven=False,
    notes="Fields from the published models; read with entities of our own. `occupancy` is a share of time, not "
          "people. No quality in any of them.",
)
