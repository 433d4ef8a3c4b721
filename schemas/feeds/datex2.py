# SPDX-License-Identifier: Apache-2.0
"""Measured data of DATEX II as NDW and others publish it: flows and speeds of a city's road sensors.

Version 3 is respelled as version 2 (`schemas.feeds.datex2v3`). The rules N1 to N14 are those of the feed
reference, section 3.
"""

from collections import Counter
from enum import StrEnum
from typing import BinaryIO, cast

import numpy as np
from lxml.etree import _Element as Element

from schemas.errors import RefusedError
from schemas.feeds import datex2v3
from schemas.feeds.datex2_channels import RoadChannels, SiteChannels
from schemas.feeds.datex2_sites import SiteRecord, SiteTable, read_site_table
from schemas.feeds.datex2_values import ValueColumns
from schemas.feeds.datex2_words import (
    BASIC_DATA,
    DATA_ERROR,
    DATA_OF_TYPE,
    FLOW_RATE,
    MEASURED_DATA_PUBLICATION,
    MEASURED_VALUE,
    MEASURED_VALUE_EXTENSION,
    OWN_PERIOD,
    OWN_TIME,
    PAYLOAD,
    PUBLICATION_TIME,
    REFERENCE_VALUE,
    SITE_MEASUREMENTS,
    SITE_REFERENCE,
    SITE_TABLE_REFERENCE,
    TIME_DEFAULT,
    XSI_TYPE,
    canonical_version,
)
from schemas.feeds.decoded import Decoded, Tally
from schemas.feeds.instants import NO_INSTANT, InstantCache
from schemas.feeds.xml_stream import elements, local_name
from schemas.reading import Batch, Metric
from schemas.refusal import Reason, Refusal

__all__ = [
    "RoadChannels", "SiteRecord", "SiteTable", "TimeMeaning", "decode_measured", "read_site_table",
]

DECOMPRESSED_LIMIT_BYTES = 200_000_000
"""The national publication is 70 MB."""
PASSED_TYPES = {"trafficconcentration": "loop_occupancies", "trafficheadway": "headways"}
"""Types of values that loops measure and Drukte does not use, and the names under which they are counted."""
SINGLE_VEHICLES = "individualvehicledatavalues"
"""The type of a value about one vehicle: person-level."""
_TRUE = ("true", "1")


class TimeMeaning(StrEnum):
    """Which end of its period a value is stamped with."""

    START = "start"
    """NDW."""
    END = "end"


def decode_measured(
    stream: bytes | BinaryIO,
    channels: RoadChannels,
    time_meaning: TimeMeaning = TimeMeaning.START,
    limit_bytes: int = DECOMPRESSED_LIMIT_BYTES,
) -> Decoded:
    """Read a MeasuredDataPublication, with or without SOAP, gzipped or not.

    Every value under `basicData` becomes a reading (flows in vehicles per hour as delivered, speeds in
    km/h; NaN with its reason where the sensor has no value) or is counted in a refusal. The period is the
    channel's own, from the site table. Sites that the roads do not hold make one refusal together.

    Parameters
    ----------
    stream : bytes or binary file
    channels : RoadChannels
    time_meaning : TimeMeaning
        Of `measurementTimeDefault` and of a value's own time, which goes before it, where the document leaves it
        open: version 3 may say it.
    limit_bytes : int
        Of the document, after decompression.

    Raises
    ------
    RefusedError
        As `schemas.feeds.xml_stream.elements`, `malformed` for another kind of document, and `person-level` for
        values about single vehicles.
    """
    reader = _PublicationReader(channels, time_meaning)
    is_measured = False
    heads = (*_PAYLOADS, SITE_TABLE_REFERENCE)
    for kind, element in elements(stream, _SITES, _PAYLOADS, heads, limit_bytes):
        if kind == "item":
            reader.add_site(element)
        elif element.tag in _PAYLOADS:
            is_measured |= local_name(element.get(XSI_TYPE)) == MEASURED_DATA_PUBLICATION
            reader.begin_publication()
        else:
            reader.add_table_reference(element)
    if not is_measured:
        raise RefusedError(
            Reason.MALFORMED,
            "document holds no MeasuredDataPublication of DATEX II v2 or v3; check the address of the source",
        )
    return reader.decoded()


class _PublicationReader:
    """Gathers the values of one document."""

    def __init__(self, channels: RoadChannels, time_meaning: TimeMeaning) -> None:
        self._channels = channels
        self._instants = InstantCache()
        self._published_us: int | None = None
        self._publication_begins = False
        self._types = _TypeCache()
        self._values = {meaning: ValueColumns() for meaning in TimeMeaning}
        self._time_meaning = time_meaning
        self._columns = self._values[time_meaning]
        """Of the site at hand."""
        self._tally: Counter[str] = Counter(dict.fromkeys(Tally, 0))
        self._refused: Counter[tuple[Reason, str]] = Counter()
        self._sites_apart: dict[Reason, set[str]] = {Reason.UNKNOWN_SITE: set(), Reason.NOT_A_POINT: set()}
        self._values_apart: Counter[Reason] = Counter()

    def begin_publication(self) -> None:
        """Note that the next site is the first of a publication."""
        self._publication_begins = True

    def add_table_reference(self, reference: Element) -> None:
        """Compare the version of the whole table, which decides nothing (N8)."""
        known = self._channels.site_table_version
        if known is not None and canonical_version(reference.get("version")) != known:
            self._tally[Tally.TABLE_VERSION_DIFFERS] += 1

    def add_site(self, site: Element) -> None:
        """Sort a site into joined, other version, no detector or unknown (N8, N9), and read a joined one."""
        if self._publication_begins:
            self._publication_begins = False
            self._add_publication_time(site.getparent())
        self._tally[Tally.SITES] += 1
        if datex2v3.is_version_3(site):
            self._respell(site)
        reference = site.find(SITE_REFERENCE)
        key = "" if reference is None else reference.get("id", "").strip()
        known = self._channels.sites.get(key)
        if known is None or reference is None:
            is_route = key in self._channels.other_sites
            reason = Reason.NOT_A_POINT if is_route else Reason.UNKNOWN_SITE
            self._sites_apart[reason].add(key)
            self._values_apart[reason] += _value_count(site)
        elif canonical_version(reference.get("version")) != known.version:
            self._refused[Reason.SITE_VERSION, key] += _value_count(site)
        else:
            self._tally[Tally.SITES_JOINED] += 1
            self._read(site, key, known)

    def _respell(self, site: Element) -> None:
        """Give a site of version 3 the names of version 2; it may say itself what its stamp means."""
        said = datex2v3.respell(site)
        self._columns = self._values[_MEANINGS.get(said, self._time_meaning)]
        if said and said not in _MEANINGS:
            for stamp in site.findall(TIME_DEFAULT):
                stamp.text = None  # a meaning that is not known is no time

    def _add_publication_time(self, payload: Element | None) -> None:
        """Keep the latest publication time; what stands before a site is freed with it, so it is read early."""
        text = None
        if payload is not None:
            text = payload.findtext(PUBLICATION_TIME) or payload.findtext(datex2v3.PUBLICATION_TIME)
        published_us = self._instants[text]
        if published_us != NO_INSTANT:
            self._published_us = max(self._published_us or published_us, published_us)

    def _read(self, site: Element, key: str, known: SiteChannels) -> None:
        begin = self._instants[site.findtext(TIME_DEFAULT)]
        for outer in site:
            if outer.tag != MEASURED_VALUE:
                continue
            index = outer.get("index", "")
            for inner in outer:
                if inner.tag != MEASURED_VALUE:
                    continue
                for part in inner:
                    tag = part.tag
                    if tag == BASIC_DATA:
                        refused = self._read_value(part, index, known, begin)
                        if refused is not None:
                            self._refuse(part, refused, key)
                    elif tag == MEASURED_VALUE_EXTENSION:
                        self._count_references(part)

    def _refuse(self, basic: Element, reason: Reason, site: str) -> None:
        """Count a value that is not read: under its own name where a loop measures it, else as refused."""
        kind = local_name(basic.get(XSI_TYPE))
        if reason is Reason.UNUSED_TYPE and kind in PASSED_TYPES:
            self._tally[PASSED_TYPES[kind]] += 1
        else:
            self._refused[reason, site] += 1

    def _read_value(self, basic: Element, index: str, known: SiteChannels, begin: int) -> Reason | None:
        """Take in one value, or say why not."""
        read_as = self._types[basic.get(XSI_TYPE)]
        if read_as is None:
            return Reason.UNUSED_TYPE
        metric, data_tag, number_tag = read_as
        row = known.rows.get(metric, _NO_ROWS).get(index.strip())
        if row is None:
            return Reason.UNKNOWN_CHANNEL
        data: Element | None = None
        period: str | None = None
        for part in basic:
            tag = part.tag
            if tag == data_tag:
                data = part
            elif tag == OWN_TIME:
                begin = self._instants[part.text]
                self._tally[Tally.OWN_TIMES] += 1
            elif tag == OWN_PERIOD:
                period = part.text or ""
        if data is None:
            return Reason.UNUSED_TYPE  # an axle flow or a share of lorries: no vehicles per hour
        number: str | None = None
        data_error = False
        for part in data:
            tag = part.tag
            if tag == number_tag:
                number = part.text
            elif tag == DATA_ERROR:
                data_error = (part.text or "").strip().casefold() in _TRUE
        attributes = cast("list[tuple[str, str]]", data.items())  # lxml gives text, its stubs allow bytes
        self._columns.append(row, begin, number, data_error, period, attributes)
        return None

    def _count_references(self, extension: Element) -> None:
        """Norms are counted and never read (N6)."""
        for norm in extension.iter(REFERENCE_VALUE):
            self._tally[Tally.REFERENCE_VALUES] += 1
            self._tally[Tally.REFERENCE_FLOWS] += next(norm.iter(FLOW_RATE), None) is not None

    def decoded(self) -> Decoded:
        """Everything read so far."""
        refused = Counter(self._refused)
        batches = []
        for meaning, columns in self._values.items():
            if len(columns) or columns is self._values[self._time_meaning]:
                batch, unread = columns.readings(self._channels, meaning is TimeMeaning.END, self._tally)
                batches.append(batch)
                refused += unread
        batch = batches[0] if len(batches) == 1 else Batch.concatenated(batches)
        refusals = self._refusals(refused)
        self._tally[Tally.READINGS] = len(batch)
        self._tally[Tally.READINGS_WITHOUT_VALUE] = int(np.count_nonzero(np.isnan(batch.value)))
        self._tally[Tally.REFUSED_VALUES] = sum(refusal.count for refusal in refusals)
        counts = {str(name): count for name, count in self._tally.items()}
        return Decoded(batch, refusals, counts, self._published_us)

    def _refusals(self, refused: Counter[tuple[Reason, str]]) -> list[Refusal]:
        refusals = [
            Refusal(
                reason=reason, where=f"{len(sites)} sites {_APART[reason]}", detail=_DETAILS[reason],
                count=self._values_apart[reason],
            )
            for reason, sites in self._sites_apart.items()
            if sites
        ]
        refusals += [
            Refusal(reason=reason, where=site, detail=_DETAILS[reason], count=count)
            for (reason, site), count in sorted(refused.items())
        ]
        return refusals


class _TypeCache(dict[str | None, tuple[Metric, str, str] | None]):
    """How each `xsi:type` is read, prefix and case left aside; None for one that is not."""

    def __missing__(self, xsi_type: str | None) -> tuple[Metric, str, str] | None:
        kind = local_name(xsi_type)
        if kind == SINGLE_VEHICLES:
            raise _single_vehicles()
        read_as = self[xsi_type] = DATA_OF_TYPE.get(kind)
        return read_as


def _single_vehicles() -> RefusedError:
    return RefusedError(
        Reason.PERSON_LEVEL, "document holds values about single vehicles; ask the sender for flows and mean speeds")


_PAYLOADS = (PAYLOAD, *datex2v3.PAYLOADS)
_SITES = (SITE_MEASUREMENTS, datex2v3.SITE_MEASUREMENTS)
_MEANINGS = {datex2v3.BEGIN_TIME: TimeMeaning.START, datex2v3.END_TIME: TimeMeaning.END}
_NO_ROWS: dict[str, int] = {}
_APART = {
    Reason.UNKNOWN_SITE: "not in this city's roads",
    Reason.NOT_A_POINT: "along a route, no detectors",
}
_DETAILS = {
    Reason.UNKNOWN_SITE: "other cities' sites; if the city has new ones, run `drukte city import-ndw`",
    Reason.NOT_A_POINT: "travel times are not read",
    Reason.SITE_VERSION: "the site record has another version; run `drukte city import-ndw`",
    Reason.UNUSED_TYPE: "neither vehicles per hour nor a speed; nothing is read from it",
    Reason.UNKNOWN_CHANNEL: "index and type stand not in the site record; run `drukte city import-ndw`",
    Reason.BAD_TIME: "no time with an offset in a sensible year; tell the supplier",
    Reason.BAD_SPAN: "its own period is not the one of the site record; run `drukte city import-ndw`",
    Reason.BAD_VALUE: "no finite number, and no data error told; tell the supplier",
}


def _value_count(site: Element) -> int:
    count = 0
    for basic in site.iter(BASIC_DATA):
        if local_name(basic.get(XSI_TYPE)) == SINGLE_VEHICLES:
            raise _single_vehicles()
        count += 1
    return count
