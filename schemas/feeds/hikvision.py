# SPDX-License-Identifier: Apache-2.0
"""Hikvision ISAPI people counting: XML pushed by itself or in a multipart form, whose pictures are refused.

`vendor_id`: address / channel / region, such as `10.0.3.17/1/2`, as `ipAddress`, `channelID` and `regionsID` of the
message say; parts that the message lacks are left out.
"""

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from lxml.etree import _Element as Element

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.camera_messages import child, leaves, name_of, names_in, observe, text_of, xml_root
from schemas.feeds.format import Context, Format
from schemas.feeds.instants import NO_INSTANT
from schemas.feeds.local_time import AMBIGUOUS_QUALITY, Stamp, parse_stamp, zone_of
from schemas.feeds.observed import Observed, refuse_persons
from schemas.reading import QUALITY_FULL, Metric
from schemas.refusal import Reason

ALERT = "EventNotificationAlert"
PEOPLE_COUNTING = "peoplecounting"
REAL_TIME, TIME_RANGE = "realtime", "timerange"
PARTS_LIMIT = 32

_METRICS = {"enter": Metric.IN, "exit": Metric.OUT}
_NO_VALUES = ("statisticalmethods", "realtime", "timerange", "time", "starttime", "endtime", "countingscenemode",
              "regionsid")
"""Parts of `peopleCounting` that are no counts."""
_BOUNDARY = re.compile(r'boundary\s*=\s*"?([^";,\r\n]{1,200})', re.IGNORECASE)
_PART_TYPE = re.compile(rb"^content-type\s*:\s*([\w.+/-]+)", re.IGNORECASE | re.MULTILINE)
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM")
_PICTURE_OF_PEOPLE = "a picture; nothing of it is kept: switch picture upload off"
_AGES = "counts by age; nothing of it is kept: switch child counting off"
_NOT_READ = "neither XML of an alert nor a picture; nothing is read from it"


def decode(body: bytes, source: Source, context: Context) -> Observed:
    """Read one push: an alert, or a form of alerts and pictures.

    `realTime` gives running counts at its time, `timeRange` counts of its interval, `enter` as IN and `exit` as OUT,
    each for the sensor's semantics in the city file to take or refuse. Data that the camera sends again are late
    data of their own time. The camera's own MAC address is dropped; pictures and `childCounting` are dropped and
    counted as refused. Stamps without an offset are local times of the source's `timezone`.

    Parameters
    ----------
    context : mapping
        `content-type` of a form; without it the form's first line is its boundary.

    Raises
    ------
    RefusedError
        `person-level` for any other field that describes a person; `malformed`, `forbidden-xml`, `too-large`.
    """
    observed = Observed()
    zone = zone_of(source.timezone)
    for document in _documents(body, context, observed):
        _read_alert(document, zone, observed)
    return observed


def _documents(body: bytes, context: Context, observed: Observed) -> Iterator[bytes]:
    boundary = _boundary(body, context)
    if boundary is None:
        yield body
        return
    parts = (b"\r\n" + body).replace(b"\r\n", b"\n").split(b"\n--" + boundary, PARTS_LIMIT + 1)[1:]
    if not parts:
        raise RefusedError(Reason.MALFORMED, "form holds no part with the boundary that its type names; send it again")
    if len(parts) > PARTS_LIMIT:
        raise RefusedError(Reason.TOO_LARGE, f"form holds more than {PARTS_LIMIT} parts; check what the camera sends")
    for part in parts:
        if part.startswith(b"--"):
            return
        head, blank, content = part.partition(b"\n\n")
        kind = _PART_TYPE.search(head)
        if not blank:
            raise RefusedError(Reason.MALFORMED, "form is cut off; the camera sends it again")
        if (kind is not None and kind[1].lower().startswith(b"image/")) or content.startswith(_PICTURES):
            observed.refuse(Reason.PERSON_LEVEL, "picture in the form", _PICTURE_OF_PEOPLE)
        elif content.lstrip(b"\xef\xbb\xbf \t\n").startswith(b"<"):
            yield content
        else:
            observed.refuse(Reason.UNUSED_TYPE, "part of the form", _NOT_READ)


def _boundary(body: bytes, context: Context) -> bytes | None:
    """What stands between the parts of a form; None for a body that is none."""
    content_type = next((text for name, text in context.items() if name.casefold() == "content-type"), "")
    if content_type.strip().casefold().startswith("multipart/"):
        found = _BOUNDARY.search(content_type)
        if found is not None:
            return found[1].strip().encode("utf-8", "replace")
    if body.startswith(b"--"):
        return body.partition(b"\n")[0].strip()[2:202] or None
    return None


def _read_alert(document: bytes, zone: ZoneInfo | None, observed: Observed) -> None:
    alert = xml_root(document)
    if name_of(alert) != ALERT:
        raise RefusedError(Reason.MALFORMED, f"document is no {ALERT}; check what the camera is set to send")
    _drop_own_address(alert, observed)
    _drop_ages(alert, observed)
    refuse_persons(names_in(alert))
    counting = child(alert, "peopleCounting")
    if text_of(alert, "eventType").casefold() != PEOPLE_COUNTING or counting is None:
        observed.passed("other_events")
        return
    _read_counts(alert, counting, zone, observed)


def _drop_own_address(alert: Element, observed: Observed) -> None:
    # The camera's own address describes no person, but the name alone would refuse the message.
    for element in [inner for inner in alert if name_of(inner).casefold() == "macaddress"]:
        alert.remove(element)
        observed.passed("own_addresses")


def _drop_ages(alert: Element, observed: Observed) -> None:
    for element in [inner for inner in alert.iter() if name_of(inner).casefold() == "childcounting"]:
        parent = element.getparent()
        # One within another was counted and dropped with it.
        is_outermost = all(name_of(outer).casefold() != "childcounting" for outer in element.iterancestors())
        if parent is not None and is_outermost:
            parent.remove(element)
            observed.refuse(Reason.PERSON_LEVEL, "childCounting", _AGES, max(1, sum(1 for _ in leaves(element))))


def _read_counts(alert: Element, counting: Element, zone: ZoneInfo | None, observed: Observed) -> None:
    names = (text_of(alert, "ipAddress"), text_of(alert, "channelID"), text_of(counting, "regionsID"))
    device = "/".join(name for name in names if name)
    method = text_of(counting, "statisticalMethods").casefold()
    values = [leaf for leaf in leaves(counting) if name_of(leaf).casefold() not in _NO_VALUES]
    if method not in (REAL_TIME, TIME_RANGE):
        observed.refuse(
            Reason.UNUSED_TYPE, "peopleCounting",
            "`statisticalMethods` is neither `realTime` nor `timeRange`; set one of them", max(1, len(values)))
        return
    begin, end = _span(alert, counting, method, zone)
    for leaf in values:
        name = name_of(leaf).casefold()
        metric = _METRICS.get(name) if leaf.getparent() is counting else None
        if metric is None:
            observed.passed("other_counts")
            continue
        observe(
            observed, (leaf.text or "").strip(), device=device, metric=metric, begin_us=begin.first_us,
            end_us=end.first_us, where=f"peopleCounting/{name}",
            quality=AMBIGUOUS_QUALITY if begin.is_ambiguous or end.is_ambiguous else QUALITY_FULL,
        )


def _span(alert: Element, counting: Element, method: str, zone: ZoneInfo | None) -> tuple[Stamp, Stamp]:
    """Begin and end; equal for a running count. `dateTime` is when the alert was made, no end of an interval."""
    if method == TIME_RANGE:
        begin, end = (parse_stamp(text_of(counting, "TimeRange", name), zone) for name in ("startTime", "endTime"))
        # An hour that the clock shows twice: an interval never ends before it begins.
        return begin, Stamp(end.second_us, end.second_us) if NO_INSTANT < end.first_us < begin.first_us else end
    at = parse_stamp(text_of(counting, "RealTime", "time") or text_of(alert, "dateTime"), zone)
    return at, at


def looks_like(body: bytes) -> bool:
    """Whether a body names an alert."""
    return f"<{ALERT}".encode() in body


FORMAT = Format(
    key="hikvision", title="Hikvision ISAPI people counting (XML push)",
    semantics="realTime: cumulative; timeRange: interval; enter and exit",
    decode=decode, looks_like=looks_like, proven=False,
    notes="From published alerts in both namespaces. Pictures and counts by age are refused, the counts beside read.",
)
