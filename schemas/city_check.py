# SPDX-License-Identifier: Apache-2.0
"""What makes a city file sound: every fault at once, each with its key path and what to do.

Only the level thresholds' distance from the privacy bands is judged elsewhere, by the core that makes them.
"""

import re
import zoneinfo
from collections.abc import Iterator, Mapping

from schemas.city import FORMAT, OUTSIDE, CityFile
from schemas.city_activations import activation_faults
from schemas.city_fault import CityFaultsError, Fault, key_path, meant, reference_faults
from schemas.city_places import place_faults
from schemas.city_sensors import DATEX2_FORMAT, FORMATS, sensor_faults
from schemas.event_check import event_faults
from schemas.ids import IdKind, Ids
from schemas.level_check import profile_faults, zone_column_faults
from schemas.roads import NDW_SOURCE, RoadTable, road_keys
from schemas.rule_check import rule_faults

__all__ = ["CityFaultsError", "Fault", "city_faults"]

KEY = re.compile(r"[a-z0-9][a-z0-9-]*")
"""Keys become labels, topic keys and parts of addresses."""
_KEY_TEXT = "{!r} is no key; use small letters, digits and hyphens, beginning with a letter or digit"
_ROAD_SECTIONS = (("sites", IdKind.SITE), ("zones", IdKind.ZONE), ("sensors", IdKind.SENSOR))


def city_faults(file: CityFile, ids: Ids, roads: RoadTable) -> list[Fault]:
    """All faults of a city file whose types are right.

    Parameters
    ----------
    file : CityFile
    ids : Ids
        The numbers given so far.
    roads : RoadTable
        The companion's content; empty where there is none.

    Returns
    -------
    list of Fault
        In the order of the file; empty for a sound city.
    """
    return [
        *_head_faults(file),
        *_key_faults(file, roads),
        *_source_faults(file, roads),
        *place_faults(file),
        *sensor_faults(file),
        *activation_faults(file),
        *(fault for key, profile in file.profiles.items()
          for fault in profile_faults(key_path("profiles", key), profile)),
        *(fault for key, zone in file.zones.items() if zone.profile in file.profiles
          for fault in zone_column_faults(key, zone, file.profiles[zone.profile])),
        *rule_faults(file, roads),
        *event_faults(file, roads),
        *_id_faults(file, ids, roads),
    ]


def _head_faults(file: CityFile) -> Iterator[Fault]:
    if file.format != FORMAT:
        yield Fault("format", f"format {file.format} is not known here; this program reads format {FORMAT}")
    if not KEY.fullmatch(file.city):
        yield Fault("city", _KEY_TEXT.format(file.city))
    if not file.name.strip():
        yield Fault("name", "is empty; give the city's name as people read it")
    try:
        zoneinfo.ZoneInfo(file.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        yield Fault("timezone", f"{file.timezone!r} is no time zone; write one as 'Europe/Amsterdam'")


def _key_faults(file: CityFile, roads: RoadTable) -> Iterator[Fault]:
    sections: dict[str, Mapping[str, object]] = {
        "sources": file.sources, "sites": file.sites, "zones": file.zones, "gates": file.gates,
        "sensors": file.sensors, "activations": file.activations, "profiles": file.profiles, "rules": file.rules,
        "events": file.events, "plans": file.plans,
        **{f"{key_path('plans', key)}.measures": plan.measures for key, plan in file.plans.items()},
    }
    for section, entries in sections.items():
        for key in entries:
            if not KEY.fullmatch(key):
                yield Fault(key_path(section, key), _KEY_TEXT.format(key))
    for section in ("zones", "gates"):
        if OUTSIDE in sections[section]:
            yield Fault(f"{section}.{OUTSIDE}", "means the far side of a gate; choose another key")
    for key in sorted(file.gates.keys() & file.zones.keys()):
        yield Fault(key_path("gates", key), "a zone has the same key; alerts name both alike: choose another")
    for section, kind in _ROAD_SECTIONS:
        for key in sorted(sections[section].keys() & set(road_keys(roads, kind))):
            yield Fault(key_path(section, key), "the roads companion has the same key; choose another key")


def _source_faults(file: CityFile, roads: RoadTable) -> Iterator[Fault]:
    for key, source in file.sources.items():
        if source.format not in FORMATS:
            yield Fault(
                f"{key_path('sources', key)}.format",
                f"{source.format!r} is no format{meant(source.format, FORMATS)}",
            )
        yield from _datastream_faults(file, key)
    if len(roads) and NDW_SOURCE not in file.sources:
        text = f'is missing; road sensors need it: add it with format = "{DATEX2_FORMAT}"'
        yield Fault(f"sources.{NDW_SOURCE}", text)


def _datastream_faults(file: CityFile, source_key: str) -> Iterator[Fault]:
    measures = {
        sensor.vendor_id or key: sensor.measures for key, sensor in file.sensors.items() if sensor.source == source_key
    }
    for stream_key, stream in file.sources[source_key].datastreams.items():
        path = key_path(f"{key_path('sources', source_key)}.datastreams", stream_key)
        yield from reference_faults(f"{path}.sensor", "sensor of this source", stream.sensor, measures)
        if stream.sensor in measures:
            known = measures[stream.sensor]
            yield from reference_faults(f"{path}.metric", "measure of this sensor", stream.metric, known)


def _id_faults(file: CityFile, ids: Ids, roads: RoadTable) -> Iterator[Fault]:
    own: dict[IdKind, Mapping[str, object]] = {
        IdKind.SOURCE: file.sources, IdKind.SITE: file.sites, IdKind.ZONE: file.zones,
        IdKind.GATE: file.gates, IdKind.SENSOR: file.sensors,
    }
    remedy = "no number in the ids file; run `drukte city check --assign-ids`"
    for kind, entries in own.items():
        for key in entries:
            if key not in ids[kind]:
                yield Fault(key_path(f"{kind.value}s", key), f"has {remedy}")
    for section, kind in _ROAD_SECTIONS:
        missing = set(road_keys(roads, kind)) - ids[kind].keys()
        if missing:
            yield Fault("roads", f"{len(missing)} {section} such as {min(missing)!r} have {remedy}")
