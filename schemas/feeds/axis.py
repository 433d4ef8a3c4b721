# SPDX-License-Identifier: Apache-2.0
"""Axis Object Analytics over MQTT: running totals of crossline scenarios, people present of occupancy scenarios.

`vendor_id`: serial number / scenario, such as `ACCC8E012345/Device1Scenario2`; the scenario alone where neither
the message nor the default topic tells the serial number. A crossline scenario counts one way: each is a sensor
of its own at the gate, and `in_direction` of both names the scenario that counts in.
"""

import re

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.camera_messages import epoch_ms, json_object, observe, unmarked
from schemas.feeds.format import Context, Format
from schemas.feeds.json_body import name_or_none
from schemas.feeds.observed import Observed, refuse_persons
from schemas.reading import Metric
from schemas.refusal import Reason

ANALYTICS = "ObjectAnalytics"
OCCUPANCY = "occupancyinarea"
TOTAL_PEOPLE, TOTAL = "totalHuman", "total"
"""Since the last reset, of a crossline; of all classes together in `total`."""
PEOPLE = "human"
"""Present now, of an occupancy scenario of firmware that names classes without `total`."""

_SCENARIO = re.compile(r"Device\d{1,9}Scenario\d{1,9}", re.ASCII)
_DEFAULT_TOPIC = re.compile(r"axis/([0-9A-Za-z]{1,64})/event/.*", re.ASCII | re.DOTALL)
_CLASSES = (PEOPLE, "vehicle", "car", "bus", "truck", "bike", "motorcycle/bicycle", "unknown", "other")
_WHERE = "$.message.data"
_NO_PEOPLE = "counts vehicles only, no `totalHuman`, `total` or `human` of people; add humans to the scenario"
_NOT_PLAIN = "an interval, a threshold or the sum of all scenarios; publish the scenario's own topic"


def decode(body: bytes, source: Source, context: Context) -> Observed:
    """Read one event.

    Of a crossline the total of humans (where there is none, the total of a scenario with no other class) is a
    running count at the event's time, in the direction of its scenario. Of an occupancy scenario it is PEOPLE at an
    instant: where the event says `OccupancyInArea`, or has classes without `total`. Other classes are counted as
    read past, events of other applications too.

    Raises
    ------
    RefusedError
        `person-level` for events of single objects; `malformed`; `too-large`.
    """
    del source  # nothing of this format is open
    document = json_object(body)
    refuse_persons(unmarked(document))
    topic = document.get("topic", context.get("topic"))
    message = document.get("message")
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(topic, str) or not isinstance(data, dict):
        raise RefusedError(Reason.MALFORMED, "message holds no `topic` with `message.data`; publish Axis events")
    observed = Observed()
    if ANALYTICS not in topic.split("/"):
        observed.passed("other_events")
        return observed
    scenario = topic.rpartition("/")[2]
    counts = {name: raw for name, raw in data.items() if name.startswith(TOTAL) or name in _CLASSES}
    observed.passed("other_items", len(data) - len(counts))
    if _SCENARIO.fullmatch(scenario):
        device = _serial(document, context) + scenario
        _read(counts, _is_occupancy(data), device, scenario, epoch_ms(document.get("timestamp")), observed)
    elif counts:
        observed.refuse(Reason.UNUSED_TYPE, _WHERE, _NOT_PLAIN, len(counts))
    return observed


def _serial(document: dict[str, object], context: Context) -> str:
    serial = name_or_none(document.get("serial"))
    found = _DEFAULT_TOPIC.fullmatch(context.get("topic", ""))
    if serial is None and found is not None:
        serial = found[1]
    return "" if serial is None else f"{serial}/"


def _is_occupancy(data: dict[str, object]) -> bool:
    kind = data.get("scenarioType")
    if isinstance(kind, str):
        return kind.casefold() == OCCUPANCY
    return PEOPLE in data and not any(name.startswith(TOTAL) for name in data)


def _read(
    counts: dict[str, object], is_occupancy: bool, device: str, scenario: str, at_us: int, observed: Observed
) -> None:
    name = _count_of_people(counts)
    if name is not None:
        observe(
            observed, counts[name], device=device, metric=Metric.PEOPLE if is_occupancy else None, begin_us=at_us,
            end_us=at_us, where=f"{_WHERE}.{name}", direction="" if is_occupancy else scenario,
        )
        observed.passed("other_classes", len(counts) - 1)
    elif counts:
        observed.refuse(Reason.UNUSED_TYPE, _WHERE, _NO_PEOPLE, len(counts))


def _count_of_people(counts: dict[str, object]) -> str | None:
    """The name of the item that counts people; a `total` beside other classes holds vehicles."""
    for name in (TOTAL_PEOPLE, PEOPLE):
        if name in counts:
            return name
    return TOTAL if TOTAL in counts and len(counts) == 1 else None


def looks_like(body: bytes) -> bool:
    """Whether a body names the application."""
    return b"CameraApplicationPlatform" in body and body.lstrip()[:1] == b"{"


FORMAT = Format(
    key="axis", title="Axis Object Analytics (MQTT, JSON)",
    semantics="crossline: cumulative, one direction a scenario; occupancy in area: people at an instant",
    decode=decode, looks_like=looks_like, proven=False,
    notes="From published examples. An occupancy event is told by its scenario type or by classes without `total`.",
)
