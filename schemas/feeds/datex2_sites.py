# SPDX-License-Identifier: Apache-2.0
"""The measurement site table of DATEX II v2 or v3: where each detector stands and what its channels count."""

import math
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from lxml.etree import _Element as Element
from lxml.etree import tostring

from schemas.errors import RefusedError
from schemas.feeds import datex2v3
from schemas.feeds.datex2_words import (
    COMPARISONS,
    METRIC_OF_VALUE_TYPE,
    NAMESPACE,
    PAYLOAD,
    SITE_RECORD,
    SITE_TABLE,
    SITE_TABLE_PUBLICATION,
    XSI_TYPE,
    canonical_version,
    is_plain_key,
    spelled,
)
from schemas.feeds.xml_stream import elements, local_name
from schemas.refusal import Reason
from schemas.roads import ANY_VEHICLE

DECOMPRESSED_LIMIT_BYTES = 1_000_000_000
"""A national table was 145 MB in 2016 and has since grown to some 100,000 records."""
SHORTEST_PERIOD_S = 0.001
LONGEST_PERIOD_S = 86_400.0

_CHANNEL = NAMESPACE + "measurementSpecificCharacteristics"
_LOCATION = NAMESPACE + "measurementSiteLocation"
_PLACES = tuple(
    "/".join(NAMESPACE + name for name in path)
    for path in (("locationForDisplay",), ("pointByCoordinates", "pointCoordinates"))
)
_VEHICLE_TYPE = NAMESPACE + "vehicleType"
_LENGTH = NAMESPACE + "lengthCharacteristic"
_COMPARISON = NAMESPACE + "comparisonOperator"
_VEHICLE_LENGTH = NAMESPACE + "vehicleLength"
_PERIOD = NAMESPACE + "period"
_CLASS = NAMESPACE + "specificVehicleCharacteristics"
_VALUE_TYPE = NAMESPACE + "specificMeasurementValueType"
_LANE = NAMESPACE + "specificLane"
_EXTENSIONS = tuple(
    NAMESPACE + name
    for name in (
        "linearByCoordinatesExtension", "measurementSpecificCharacteristicsExtension",
        "measurementSiteRecordExtension", "measurementSiteLocationExtension",
    )
)


class SiteTally(StrEnum):
    """Names of the counts of a site table: what was read and what was dropped, and why."""

    RECORDS = "records"
    POINTS = "points"
    ITINERARIES = "itineraries"
    CHANNELS = "channels"
    EXTENSIONS = "extension_elements"
    """Elements outside the strict schema that are known to occur; they are not read."""
    RECORDS_WITHOUT_ID = "records_without_usable_id"
    RECORDS_REPEATED = "records_repeated"
    """The same id again: the last record stands."""
    POINTS_WITHOUT_PLACE = "points_without_place"
    CHANNELS_WITHOUT_PERIOD = "channels_without_period"
    CHANNELS_WITHOUT_CLASS = "channels_without_readable_class"
    CHANNELS_WITHOUT_LANE = "channels_without_lane"
    """Of flow or speed at a Point; a travel time has none."""
    CHANNELS_REPEATED = "channels_repeated"
    """The same index and value type, or the same lane, class and value type, again: the first stands."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One series of a site.

    Parameters
    ----------
    index : str
        As the measurements name it.
    value_type : str
        `trafficFlow`, `trafficSpeed`, `travelTimeInformation`, `trafficStatusInformation` or another.
    lane : str
        `lane1` ..., `hardShoulder`, `allLanesCompleteCarriageway`; empty where none is given.
    vehicle_class : str
        `anyVehicle`, or the limits of the class in one spelling: `len>=5.6,<=12.2` (metres).
    period_s : float
        Length of its measuring period.
    """

    index: str
    value_type: str
    lane: str
    vehicle_class: str
    period_s: float


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """One measuring site.

    Parameters
    ----------
    id, version, name : str
        `version` in the spelling of `canonical_version`.
    is_point : bool
        Whether it is a detector; else a route, without a place.
    lon, lat : float
        WGS 84; NaN where it is no Point.
    lanes : int
        0 where none is given.
    computation : str
        How speeds are averaged; only `harmonicAverageOfSamplesInATimePeriod` is a space mean.
    equipment : str
        In lower case.
    channels : tuple of Channel
        In the table's order.
    """

    id: str
    version: str
    name: str
    is_point: bool
    lon: float
    lat: float
    lanes: int
    computation: str
    equipment: str
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class SiteTable:
    """A whole table: records by site id, and tallies by `SiteTally`."""

    id: str
    version: str
    records: dict[str, SiteRecord]
    counts: dict[str, int]

    @property
    def itineraries(self) -> frozenset[str]:
        """Ids of the records that are no Points."""
        return frozenset(key for key, record in self.records.items() if not record.is_point)


def read_site_table(
    stream: bytes | BinaryIO, limit_bytes: int = DECOMPRESSED_LIMIT_BYTES
) -> SiteTable:
    """Read a MeasurementSiteTablePublication, with or without SOAP, gzipped or not.

    Reading is lenient: what is not understood is dropped and counted, never guessed.

    Raises
    ------
    RefusedError
        As `schemas.feeds.xml_stream.elements`, and `malformed` for another kind of document.
    """
    reader = _TableReader()
    headings: list[tuple[str, str]] = []
    is_table = False
    tables = (SITE_TABLE, datex2v3.SITE_TABLE)
    heads = (PAYLOAD, *datex2v3.PAYLOADS, *tables)
    for kind, element in elements(stream, (SITE_RECORD, datex2v3.SITE), tables, heads, limit_bytes):
        if kind == "item":
            if datex2v3.is_version_3(element):
                datex2v3.respell(element)
            reader.add(element)
        elif element.tag not in tables:
            is_table |= local_name(element.get(XSI_TYPE)) == SITE_TABLE_PUBLICATION
        else:
            headings.append((element.get("id", "").strip(), canonical_version(element.get("version"))))
    if not is_table:
        raise RefusedError(
            Reason.MALFORMED,
            "document holds no MeasurementSiteTablePublication of DATEX II v2 or v3; fetch `measurement_current`",
        )
    table_id, version = headings[0] if headings else ("", "")
    return SiteTable(table_id, version, reader.records, {str(name): count for name, count in reader.tally.items()})


class _TableReader:
    """Gathers records; one instance a table."""

    def __init__(self) -> None:
        self.records: dict[str, SiteRecord] = {}
        self.tally: Counter[str] = Counter(dict.fromkeys(SiteTally, 0))
        self._seen: dict[bytes, Channel | SiteTally] = {}

    def add(self, element: Element) -> None:
        """Take in one record, or count why not."""
        self.tally[SiteTally.RECORDS] += 1
        self.tally[SiteTally.EXTENSIONS] += sum(1 for _ in element.iter(*_EXTENSIONS))
        key = element.get("id", "").strip()
        if not is_plain_key(key):
            self.tally[SiteTally.RECORDS_WITHOUT_ID] += 1
            return
        location = element.find(_LOCATION)
        is_point = location is not None and local_name(location.get(XSI_TYPE)) == "point"
        lon, lat = _place(location) if is_point and location is not None else (math.nan, math.nan)
        if is_point and math.isnan(lon):
            self.tally[SiteTally.POINTS_WITHOUT_PLACE] += 1
            return
        self.tally[SiteTally.POINTS if is_point else SiteTally.ITINERARIES] += 1
        self.tally[SiteTally.RECORDS_REPEATED] += key in self.records
        self.records[key] = SiteRecord(
            id=key,
            version=canonical_version(element.get("version")),
            name=_multilingual(element, "measurementSiteName") or key,
            is_point=is_point,
            lon=lon,
            lat=lat,
            lanes=_lanes(element),
            computation=_text(element, "computationMethod"),
            equipment=_multilingual(element, "measurementEquipmentTypeUsed").casefold(),
            channels=self._channels(element, is_point),
        )

    def _channels(self, element: Element, is_point: bool) -> tuple[Channel, ...]:
        channels: list[Channel] = []
        taken: set[tuple[str, ...]] = set()
        for outer in element.findall(_CHANNEL):
            channel = self._channel(outer)
            detects = is_point and isinstance(channel, Channel) and channel.value_type in METRIC_OF_VALUE_TYPE
            if isinstance(channel, Channel) and detects and not is_plain_key(channel.lane):
                channel = SiteTally.CHANNELS_WITHOUT_LANE
            if isinstance(channel, SiteTally):
                self.tally[channel] += 1
                continue
            places: list[tuple[str, ...]] = [("index", channel.index, channel.value_type)]
            if detects:
                places.append(("series", channel.lane, channel.vehicle_class, channel.value_type))
            if taken.isdisjoint(places):
                channels.append(channel)
            else:
                self.tally[SiteTally.CHANNELS_REPEATED] += 1
            taken.update(places)
        self.tally[SiteTally.CHANNELS] += len(channels)
        return tuple(channels)

    def _channel(self, outer: Element) -> Channel | SiteTally:
        # A national table spells some thousand different channels 180,000 times.
        spelling = tostring(outer, with_tail=False)
        if spelling not in self._seen:
            self._seen[spelling] = _read_channel(outer)
        return self._seen[spelling]


def _read_channel(outer: Element) -> Channel | SiteTally:
    """A channel, or the tally under which it is dropped."""
    inner = outer.find(_CHANNEL)
    parts = {part.tag: part for part in (outer if inner is None else inner)}
    period_s = _number(_content(parts.get(_PERIOD)))
    if not SHORTEST_PERIOD_S <= period_s <= LONGEST_PERIOD_S:
        return SiteTally.CHANNELS_WITHOUT_PERIOD
    vehicle_class = _vehicle_class(parts.get(_CLASS))
    if not vehicle_class:
        return SiteTally.CHANNELS_WITHOUT_CLASS
    value_type, lane = spelled(_content(parts.get(_VALUE_TYPE))), spelled(_content(parts.get(_LANE)))
    return Channel(outer.get("index", "").strip(), value_type, lane, vehicle_class, period_s)


def _vehicle_class(characteristics: Element | None) -> str:
    """A class in one spelling; empty for one that is described by anything but types and lengths."""
    types: set[str] = set()
    limits: set[tuple[bool, float, str]] = set()
    for part in () if characteristics is None else characteristics:
        if part.tag == _VEHICLE_TYPE:
            word = _content(part)
            types.add(ANY_VEHICLE if word.casefold() == ANY_VEHICLE.casefold() else word)
        elif part.tag == _LENGTH:
            limits.add(_limit(part))
        else:
            return ""
    if not all(map(is_plain_key, types)) or any(math.isnan(length_m) for _, length_m, _ in limits):
        return ""
    # Any vehicle within limits is the class of those limits.
    named = sorted(types - {ANY_VEHICLE} if limits else types)
    lengths = ["len" + ",".join(text for _, _, text in sorted(limits))] if limits else []
    return ",".join([*named, *lengths])


def _limit(characteristic: Element) -> tuple[bool, float, str]:
    """Whether it is an upper limit, its length in m (NaN where it cannot be read), and its spelling."""
    parts = {part.tag: part for part in characteristic}
    comparison = COMPARISONS.get(_content(parts.get(_COMPARISON)).casefold(), "")
    length_m = _number(_content(parts.get(_VEHICLE_LENGTH))) if comparison else math.nan
    return "<" in comparison, length_m, f"{comparison}{length_m:g}"


def _place(location: Element) -> tuple[float, float]:
    for path in _PLACES:
        point = location.find(path)
        if point is not None:
            lon, lat = _number(_text(point, "longitude")), _number(_text(point, "latitude"))
            if abs(lon) <= 180 and abs(lat) <= 90:
                return lon, lat
    return math.nan, math.nan


def _lanes(element: Element) -> int:
    number = _number(_text(element, "measurementSiteNumberOfLanes"))
    return int(number) if 0 <= number <= 99 else 0


def _content(element: Element | None) -> str:
    return "" if element is None else (element.text or "").strip()


def _text(element: Element, name: str) -> str:
    return (element.findtext(NAMESPACE + name) or "").strip()


def _multilingual(element: Element, name: str) -> str:
    path = "/".join(NAMESPACE + step for step in (name, "values", "value"))
    return _in_one_line(element.findtext(path) or "")


def _in_one_line(text: str) -> str:
    """Words with one space between them, without control characters."""
    return " ".join("".join(filter(str.isprintable, word)) for word in text.split())


def _number(text: str) -> float:
    """A finite number; NaN for anything else."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan
