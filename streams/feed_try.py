# SPDX-License-Identifier: Apache-2.0
"""What Drukte would make of a body: read, missing, refused and why, by the same decoders as the gateway's.

Nothing here shows a value about people but as a band, and no value of a field that describes a person at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from schemas.city import City, Source
from schemas.errors import DrukteError, RefusedError
from schemas.feeds import datex2v3, native
from schemas.feeds.datex2 import RoadChannels, TimeMeaning, decode_measured
from schemas.feeds.datex2_words import MEASURED_DATA_PUBLICATION, PAYLOAD, SITE_MEASUREMENTS, SITE_REFERENCE
from schemas.feeds.decoded import Decoded
from schemas.feeds.formats import FORMATS
from schemas.feeds.instants import NO_INSTANT, InstantCache
from schemas.feeds.native_reading import read_carefully
from schemas.feeds.observed import Observation, Observed, placed
from schemas.feeds.xml_stream import elements
from schemas.ids import Ids
from schemas.reading import METRIC_BY_KEY, QUALITY_FULL, Batch, Metric
from schemas.refusal import Reason, Refusal
from schemas.registry import Registry
from schemas.roads import RoadTable
from streams.core.admission import admit
from streams.feed_shown import Row, Seen, clean, row, seen

NATIVE, DATEX2 = "native", "datex2"
OWN_DOORS = {
    NATIVE: ("Native JSON", "as the city file says of each measure"),
    DATEX2: ("DATEX II measured data", "flows as hourly rates, speeds as means"),
}
"""Formats beside `FORMATS`: title and how they count."""
HEAD_BYTES = 16_384
"""So much of a body is looked at to tell what it is."""
DAY_US = 86_400_000_000


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one body.

    Parameters
    ----------
    format, title, semantics : str
    proven : bool
        Whether real messages of the format were ever read.
    suggestions : list of str
        Formats that the body looks like; empty where the format was given.
    city, source : str or None
    whole : Refusal or None
        Why the body as a whole is refused.
    readings, missing, refused : int
        Readings with a value, those without, and values that would be refused.
    passed : dict of str to int
        Read past on purpose, and tallies of the decoder.
    refusals : list of Refusal
    sensors : list of Seen
    rows : list of Row
        The first readings.
    sites : list of str
        Measuring sites of a road publication that is read without a city: what they measure stands in the site table.
    """

    format: str
    title: str
    semantics: str
    proven: bool
    suggestions: list[str]
    city: str | None
    source: str | None
    whole: Refusal | None = None
    readings: int = 0
    missing: int = 0
    refused: int = 0
    passed: dict[str, int] = {}
    refusals: list[Refusal] = []
    sensors: list[Seen] = []
    rows: list[Row] = []
    sites: list[str] = []

    @property
    def is_refused(self) -> bool:
        """Whether nothing of it would be read."""
        return self.whole is not None or (self.readings + self.missing == 0 and self.refused > 0)


@dataclass(frozen=True, slots=True)
class Setting:
    """What the body is judged by.

    Parameters
    ----------
    source : Source
        Settings of the sender; its `format` decides who decodes.
    key : str, optional
        The source's key in the city file.
    city : City, optional
        Without it sensors are taken as the file names them.
    context : mapping of str to str
        What came beside the body: `topic`, `name`.
    """

    source: Source
    key: str | None
    city: City | None
    context: Mapping[str, str]


def suggestions(body: bytes) -> list[str]:
    """Keys of the formats that a body (not compressed) looks like, the likeliest first."""
    head = body[:HEAD_BYTES]
    found = [key for key, looks_like in ((NATIVE, _looks_native), (DATEX2, _looks_datex2)) if looks_like(head)]
    found += [key for key, one in FORMATS.items() if key not in found and one.looks_like(body)]
    # A table of columns fits many a text; whatever says more about itself goes first.
    return sorted(found, key=lambda key: key == "csv")


def _looks_native(head: bytes) -> bool:
    begins = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    return begins and all(b'"%s"' % name in head for name in (b"sensor", b"metric", b"from", b"to", b"value"))


def _looks_datex2(head: bytes) -> bool:
    known = b"datex2.eu/schema/2/" in head or b"datex2.eu/schema/3/" in head
    return known and MEASURED_DATA_PUBLICATION.encode() in head.lower()


def check_format(key: str) -> None:
    """Raise `DrukteError` where nobody reads such a format."""
    if key not in OWN_DOORS and key not in FORMATS:
        raise DrukteError(f"format {key!r} is not known; known: {', '.join([*OWN_DOORS, *FORMATS])}")


def try_body(body: bytes, setting: Setting, row_limit: int, suggested: list[str]) -> Tried:
    """Decode a body and say what came of it.

    Ages are not judged: what a file holds is always old. Everything else is as at the gateway's door.

    Parameters
    ----------
    body : bytes
        Not compressed.
    setting : Setting
    row_limit : int
        How many readings to show.
    suggested : list of str
        Told in the result.

    Raises
    ------
    DrukteError
        The format is not known, or the city's ids lack the source.
    """
    key = setting.source.format
    check_format(key)
    title, semantics = OWN_DOORS[key] if key in OWN_DOORS else (FORMATS[key].title, FORMATS[key].semantics)
    tried = Tried(
        format=key, title=title, semantics=semantics, proven=key in OWN_DOORS or FORMATS[key].proven,
        suggestions=suggested, city=None if setting.city is None else setting.city.file.city, source=setting.key,
    )
    try:
        found = _decoded(body, setting)
    except RefusedError as error:
        whole = Refusal(reason=Reason(error.reason), where="$", detail=clean(str(error)))
        return msgspec.structs.replace(tried, whole=whole)
    readings = [one for one in found.readings if one.value is not None]
    return msgspec.structs.replace(
        tried, readings=len(readings), missing=len(found.readings) - len(readings),
        refused=sum(one.count for one in found.refusals), passed={clean(name): n for name, n in found.passed.items()},
        refusals=[msgspec.structs.replace(one, where=clean(one.where), detail=clean(one.detail))
                  for one in found.refusals],
        sensors=[*seen(found.readings, known=setting.city is not None), *seen(found.strangers, known=False)],
        rows=[row(one) for one in found.readings[:row_limit]], sites=found.sites,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """Readings under the names to show, sensors that the city file does not have, and the rest."""

    readings: list[Observation]
    strangers: list[Observation]
    refusals: list[Refusal]
    passed: dict[str, int]
    sites: list[str] = field(default_factory=list)


def _decoded(body: bytes, setting: Setting) -> _Found:
    if setting.city is None:
        return _without_city(body, setting)
    return _with_city(body, setting, setting.city)


def _observed(body: bytes, setting: Setting) -> Observed:
    if setting.source.format == NATIVE:
        return _native_observed(body)
    return FORMATS[setting.source.format].decode(body, setting.source, setting.context)


def _without_city(body: bytes, setting: Setting) -> _Found:
    if setting.source.format == DATEX2:
        told = decode_measured(body, RoadChannels.of(RoadTable.empty(), Ids()), TimeMeaning(setting.source.time_means))
        return _Found([], [], told.refusals, _beside(told.counts), _sites(body))
    observed = _observed(body, setting)
    sound = [one for one in observed.observations if _is_sound(one, observed)]
    return _Found(sound, [], observed.refusals, _beside(observed.counts))


def _with_city(body: bytes, setting: Setting, city: City) -> _Found:
    registry, strangers = Registry.of(city), []
    key = setting.key or ""
    if setting.source.format == DATEX2:
        told = decode_measured(
            body, RoadChannels.of(city.roads, city.ids), TimeMeaning(setting.source.time_means))
    elif setting.source.format == NATIVE:
        told = native.decode(body, registry, key)
        if told.refusals:
            strangers = [one for one in _native_observed(body).observations if one.device not in registry.sensors]
    else:
        observed = _observed(body, setting)
        strangers = [one for one in observed.observations if (key, one.device) not in registry.of_vendor]
        told = placed(observed, registry, key)
    kept, refusals = _admitted(told, registry)
    return _Found(_as_observations(kept, registry), strangers, told.refusals + refusals, _beside(told.counts))


def _admitted(told: Decoded, registry: Registry) -> tuple[Batch, list[Refusal]]:
    """As at the door, with the file's own last moment as the present."""
    if not len(told.batch):
        return told.batch, []
    first_us = int(told.batch.begin.min())
    last_us = int((told.batch.begin + told.batch.span_ms.astype(np.int64) * 1000).max())
    return admit(told.batch, registry, last_us, 0, last_us - first_us + DAY_US)


def _as_observations(batch: Batch, registry: Registry) -> list[Observation]:
    return [
        Observation(registry.key[sensor], Metric(metric), begin, begin + span_ms * 1000,
                    None if np.isnan(value) else value, "", quality=quality)
        for sensor, metric, begin, span_ms, value, quality in zip(
            batch.sensor.tolist(), batch.metric.tolist(), batch.begin.tolist(), batch.span_ms.tolist(),
            batch.value.tolist(), batch.quality.tolist(), strict=True)
    ]


def _beside(counts: Mapping[str, int]) -> dict[str, int]:
    """What a decoder counts beside readings and refusals, which are told elsewhere."""
    return {name: count for name, count in counts.items()
            if count and name not in ("readings", "readings_without_value", "refused_values")}


def _native_observed(body: bytes) -> Observed:
    """Native readings as they stand, without a city file to judge them by."""
    items, structural = read_carefully(body)
    observed, instants = Observed(refusals=[one.refusal("") for one in structural]), InstantCache()
    for item in items:
        said = item.reading
        begin, end, metric = instants[said.from_], instants[said.to], METRIC_BY_KEY.get(said.metric)
        if metric is None:
            observed.refuse(Reason.UNKNOWN_METRIC, item.where, f"`metric` is one of {', '.join(METRIC_BY_KEY)}")
        elif NO_INSTANT in (begin, end):
            observed.refuse(Reason.BAD_TIME, item.where, "`from` and `to` are RFC 3339 with an offset")
        else:
            observed.observations.append(Observation(
                said.sensor, metric, begin, end, said.value, item.where, quality=said.quality))
    return observed


def _is_sound(one: Observation, observed: Observed) -> bool:
    """Whether an observation can be taken at all; refuses it where not."""
    if one.end_us < one.begin_us:
        observed.refuse(Reason.BAD_TIME, one.where, "its end lies before its begin")
        return False
    finite = one.value is None or (np.isfinite(one.value) and one.value >= 0)
    if not finite or not 0 <= one.quality <= QUALITY_FULL:
        observed.refuse(Reason.BAD_VALUE, one.where, "no number from 0 up, or a quality that is not 0 to 100")
        return False
    return True


def _sites(body: bytes) -> list[str]:
    """The measuring sites of a publication, by name alone: what they measure stands in the site table."""
    names: dict[str, None] = {}
    sites, payloads = (SITE_MEASUREMENTS, datex2v3.SITE_MEASUREMENTS), (PAYLOAD, *datex2v3.PAYLOADS)
    for _, element in elements(body, sites, payloads, (), len(body)):
        if datex2v3.is_version_3(element):
            datex2v3.respell(element)
        reference = element.find(SITE_REFERENCE)
        if reference is not None:
            names.setdefault(clean(str(reference.get("id", ""))))
    return list(names)
