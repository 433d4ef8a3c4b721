# SPDX-License-Identifier: Apache-2.0
"""Xovis sensors, version 5: counts of lines and zones, and how the device is.

`vendor_id` of a line or zone: agent id / logic id, such as `7/2`; of the device itself, for its state: the
agent id, such as `9`. Agents are the sender's pushes: where two devices number theirs alike, give each a source.
"""

import re
from typing import Annotated, TypeVar

import msgspec

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.camera_messages import epoch_ms, json_object, observe, received_us, unmarked
from schemas.feeds.format import Context, Format
from schemas.feeds.instants import NO_INSTANT, parse_instant
from schemas.feeds.observed import Observed, refuse_persons
from schemas.reading import Metric
from schemas.refusal import Reason

LINE_COUNTS = ("fw", "bw")
"""Forward and backward over the line as it was drawn; the sensor's `in_direction` says which is in."""
ZONE_COUNT = "balance"
DEVICE_FAULT, CLOCK_FAULT, LIGHT_FAULT = 1, 2, 4
"""Added up in the device's state; 0 is well."""

_PACKAGES = ("logics_data", "status_data", "live_data")
_ATTRIBUTE = re.compile(
    r"(fw|bw|balance)[-_].*|.*(male|gender|mask|view.?direction|(?<![a-z])age(?![a-z])|adult|child|kid).*", re.DOTALL)
_Id = Annotated[int, msgspec.Meta(ge=0, le=2**62)] | str
_UNUSED = "neither `fw`, `bw` nor `balance`; take the logic out of the push"
_SPLIT = "counts by a person's looks; take the logic out of the push"

_Package = TypeVar("_Package")


class _PackageInfo(msgspec.Struct):
    agent_id: _Id


class _Count(msgspec.Struct):
    name: str
    value: object = None


class _Record(msgspec.Struct, rename={"from_": "from"}):
    from_: object
    to: object
    counts: list[_Count]


class _Logic(msgspec.Struct):
    id: _Id
    records: list[_Record]
    info: str = ""


class _Logics(msgspec.Struct):
    package_info: _PackageInfo
    logics: list[_Logic]


class _Status(msgspec.Struct):
    package_info: _PackageInfo
    states: dict[str, object]


def decode(body: bytes, source: Source, context: Context) -> Observed:
    """Read one push.

    Lines give passages of their own interval by direction `fw` and `bw`; zones give PEOPLE at the record's end.
    Each record of a push is read. A status gives DEVICE_STATE at the device's own time, or at `received_us` of the
    context where its clock is not well.

    Raises
    ------
    RefusedError
        `person-level` for live data, and for counts by looks unless the source strips them; `malformed`;
        `too-large`.
    """
    document = json_object(body)
    refuse_persons(unmarked(document))
    if "live_data" in document:
        raise RefusedError(
            Reason.PERSON_LEVEL, "field $.live_data holds the paths of single persons; push logics and status only")
    observed = Observed()
    if not any(name in document for name in _PACKAGES):
        raise RefusedError(Reason.MALFORMED, "message holds neither `logics_data` nor `status_data`; check the push")
    if "logics_data" in document:
        _read_logics(_typed(document["logics_data"], _Logics, "logics_data"), source, observed)
    if "status_data" in document:
        _read_status(_typed(document["status_data"], _Status, "status_data"), context, observed)
    observed.passed("other_packages", sum(name not in _PACKAGES for name in document))
    return observed


def _typed(package: object, kind: type[_Package], name: str) -> _Package:
    try:
        return msgspec.convert(package, kind)
    except msgspec.ValidationError:
        raise RefusedError(
            Reason.MALFORMED, f"`{name}` is not as version 5 of the format has it; set the push to version 5"
        ) from None


def _read_logics(package: _Logics, source: Source, observed: Observed) -> None:
    for at, logic in enumerate(package.logics):
        device = f"{package.package_info.agent_id}/{logic.id}"
        for number, record in enumerate(logic.records):
            for count in record.counts:
                where = f"$.logics_data.logics[{at}].records[{number}]"
                _read_count(count, record, logic.info, device, where, source, observed)


def _read_count(
    count: _Count, record: _Record, info: str, device: str, where: str, source: Source, observed: Observed
) -> None:
    begin_us, end_us = epoch_ms(record.from_), epoch_ms(record.to)
    if _ATTRIBUTE.fullmatch(count.name.casefold()) or _ATTRIBUTE.fullmatch(info.casefold()):
        if not source.strip_person_fields:
            raise RefusedError(Reason.PERSON_LEVEL, f"field {where}.counts[] {_SPLIT}")
        observed.refuse(Reason.PERSON_LEVEL, where, _SPLIT)
    elif count.name in LINE_COUNTS:
        observe(
            observed, count.value, device=device, metric=None, begin_us=begin_us, end_us=end_us, where=where,
            direction=count.name,
        )
    elif count.name == ZONE_COUNT:
        observe(
            observed, count.value, device=device, metric=Metric.PEOPLE, begin_us=end_us, end_us=end_us, where=where)
    else:
        observed.refuse(Reason.UNUSED_TYPE, where, _UNUSED)


def _read_status(package: _Status, context: Context, observed: Observed) -> None:
    states = package.states
    clock_is_well = _at(states, "time", "state", "state") == "OK"
    stamp = _at(states, "time", "state", "details", "time")
    at_us = parse_instant(stamp) if clock_is_well and isinstance(stamp, str) else NO_INSTANT
    if at_us == NO_INSTANT:
        at_us = received_us(context.get("received_us"))
    state = 0 if _at(states, "device", "state", "state") == "OK" else DEVICE_FAULT
    state += 0 if clock_is_well else CLOCK_FAULT
    # A device of several sensors has no light of its own.
    light = _at(states, "singlesensor", "status", "illumination")
    state += 0 if light in (None, "SUFFICIENT") else LIGHT_FAULT
    observe(
        observed, state, device=str(package.package_info.agent_id), metric=Metric.DEVICE_STATE, begin_us=at_us,
        end_us=at_us, where="$.status_data.states",
    )
    observed.passed("other_states", sum(name not in ("device", "time", "singlesensor") for name in states))


def _at(document: object, *path: str) -> object:
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def looks_like(body: bytes) -> bool:
    """Whether a body names one of the packages."""
    return b'"package_info"' in body and any(f'"{name}"'.encode() in body for name in _PACKAGES)


FORMAT = Format(
    key="xovis", title="Xovis V5 push (JSON)",
    semantics="lines: interval, by direction `fw` and `bw`; zones: people at an instant; device state: instant",
    decode=decode, looks_like=looks_like, proven=False,
    notes="From public examples of version 5. Live data are refused; counts by looks are refused or stripped.",
)
