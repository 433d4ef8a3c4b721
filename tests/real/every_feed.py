# SPDX-License-Identifier: Apache-2.0
"""What each feed of `docs/feeds` sends through which door, the city that knows them, and what they say, by hand."""

import datetime as dt
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import tomlkit

from schemas.city import City
from schemas.city_load import roads_name
from schemas.ids import HEADER
from schemas.reading import Metric
from schemas.roads import ANY_VEHICLE, SCHEMA, RoadTable, encode_roads
from streams.city_files import assign_ids, load_city
from tests.cities import SMALL_TOML
from tests.conftest import ROOT

PAGES = ROOT / "docs" / "feeds"
CANARY = "5e1f0ca4a7d3"
MALFORMED = b"\xff\xfe" + CANARY.encode()
_OWN = re.compile(r"^\[(?:sources|sensors)\.[^\n]*\n(?:[^\[\n][^\n]*\n|\n)*", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SIGNED = {"supplier": "Voorbeeld BV", "purpose": "crowd safety", "legal_basis": "public task",
           "start": dt.date(2026, 1, 1), "end": dt.date(2027, 12, 31)}
Row = tuple[str, str, str, str, float | None]
"""Source, sensor, metric, begin and value; None where the sensor says that it has none."""


def blocks(page: str, *languages: str) -> list[str]:
    """The blocks of a page in some languages."""
    found = _BLOCK.findall((PAGES / f"{page}.md").read_text())
    return [body for language, body in found if language in languages]


def bodies(page: str) -> list[bytes]:
    """The messages of a page."""
    return [body.encode() for body in blocks(page, "json", "xml", "csv")]


def city_tables() -> dict[str, Any]:
    """The small city's places with sources, sensors and activations of all pages; what they leave open filled in."""
    tables: dict[str, Any] = tomllib.loads(_OWN.sub("", SMALL_TOML))
    merged: dict[str, Any] = {"sources": {}, "sensors": {}, "activations": {}}
    for path in sorted(PAGES.glob("*.md")):
        page = tomllib.loads("\n".join(blocks(path.stem, "toml")))
        for name, table in merged.items():
            assert not table.keys() & page.get(name, {}).keys(), path
            table |= page.get(name, {})
    merged["sources"] |= {"telzones": {"format": "cmsa-zones"}, "poorten": {"format": "native"}}
    sensors = merged["sensors"]
    sensors["teller-plein-straat"]["gate"] = "plein-straat"
    line = {"semantics": "interval", "interval_s": 60}
    sensors["sta-teller"] = {"source": "sta", "vendor_id": "teller-plein-straat", "gate": "straat-uit", "measures": {
        "in": {**line, "interval_s": 900}, "out": {**line, "interval_s": 900}}}
    sensors["poort-noord"] = {"source": "poorten", "gate": "straat-uit", "measures": {"in": line, "out": line}}
    sensors["zone-07"] = {"source": "telzones", "vendor_id": "GDH-CAM-07/Zone 0", "zone": "plein", "measures": {
        "people": {"semantics": "instant", "interval_s": 60, "view_area_m2": 40}}}
    merged["sensors"] = {key: _SIGNED | sensor for key, sensor in sensors.items()}
    return tables | merged


def road() -> RoadTable:
    """The measuring site of the page about DATEX II."""
    return RoadTable(pa.Table.from_pylist([{
        "site": "roads-16-91", "zone": "GDH01_A", "record_version": "3", "name": "Example", "lon": 4.33, "lat": 52.08,
        "lanes": 1, "computation": "arithmeticAverageOfSamplesInATimePeriod", "equipment": "lus", "index": "0",
        "sensor": "GDH01_A/lane1", "lane": "lane1", "vehicle_class": ANY_VEHICLE, "metric": Metric.VEHICLES.value,
        "period_s": 60.0,
    }], schema=SCHEMA))


def written_city(folder: Path) -> City:
    """The city on disk, with its road."""
    encoded = encode_roads(road())
    (folder / roads_name(encoded)).write_bytes(encoded)
    path = folder / "klein.toml"
    path.write_text(tomlkit.dumps({"roads": roads_name(encoded)} | city_tables()))
    path.with_suffix(".ids").write_text(HEADER)
    assign_ids(path)
    return load_city(path)


def spoiled(body: bytes, name: str = "trackId") -> bytes:
    """A JSON message in which one object tells of one person."""
    document = json.loads(body)
    (document[0] if isinstance(document, list) else document)[name] = CANARY
    return json.dumps(document).encode()


def with_element(body: bytes, before: str, element: str) -> bytes:
    """An XML message with one more element."""
    assert before.encode() in body
    return body.replace(before.encode(), element.encode() + before.encode(), 1)


@dataclass(frozen=True)
class Feed:
    """What a source sends through a door, and a message of it about one person.

    Parameters
    ----------
    source : str
    sends : list of bytes
    person : bytes
    topic : str
        Of MQTT.
    """

    source: str
    sends: list[bytes]
    person: bytes
    topic: str = ""

    @property
    def all(self) -> list[bytes]:
        """Also what has to be refused."""
        return [*self.sends, self.person, MALFORMED]


_CMSA_LINES, _CMSA_ONE = bodies("cmsa")
_CMSA_ZONES = json.dumps({"data": json.loads(_CMSA_LINES)["data"][:1]}).encode()
_HIK, _XML_ONVIF = bodies("hikvision")[0], bodies("onvif")[1]
_NATIVE = [
    json.dumps({"sensor": "poort-noord", "metric": metric, "from": "2026-06-01T11:04:00Z",
                "to": "2026-06-01T11:05:00Z", "value": value}).encode() for metric, value in (("in", 21), ("out", 16))]
_ECO_ROWS = json.dumps(json.loads(bodies("eco_counter")[0])[0]["data"]).encode()

OVER_HTTP = [
    Feed("telcameras", [_CMSA_LINES, _CMSA_ONE.replace(b"11:04:00Z", b"11:05:00Z")], spoiled(_CMSA_ONE)),
    Feed("telzones", [_CMSA_ZONES], spoiled(_CMSA_ZONES)),
    Feed("hik-plein", [_HIK], with_element(_HIK, "<channelID>", f"<faceId>{CANARY}</faceId>")),
    Feed("onvif-plein", [_XML_ONVIF], with_element(
        _XML_ONVIF, "</tt:Data>", f'<tt:SimpleItem Name="ObjectId" Value="{CANARY}"/>')),
    Feed("xovis-plein", bodies("xovis"), json.dumps({"live_data": {"tracked_objects": [CANARY]}}).encode()),
    Feed("fiware", bodies("ngsi_ld"), spoiled(bodies("ngsi_ld")[0], "macAddress")),
    Feed("ndw", bodies("datex2"), bodies("datex2")[0].replace(b"roa:TrafficFlow", b"roa:IndividualVehicleDataValues")),
    Feed("ndw-situations", bodies("situations"), with_element(
        bodies("situations")[0], "<sit:validity>", f"<sit:licencePlate>{CANARY}</sit:licencePlate>")),
]
OVER_MQTT = [
    Feed("axis-plein", bodies("axis"), spoiled(bodies("axis")[0], "objectId"), "axis/ACCC8E000001/event/x"),
    Feed("onvif-plein", bodies("onvif")[:1], spoiled(bodies("onvif")[0], "ObjectId"),
         "plein/noord/onvif-ej/RuleEngine/CountAggregation/Counter/&1/Straße in"),
    Feed("sta", bodies("sensorthings"), spoiled(bodies("sensorthings")[0]), "v1.1/Datastreams(17)/Observations"),
    Feed("pax", bodies("device_counts")[:1], spoiled(bodies("device_counts")[0], "mac"), "pax/gdh-wifi-03"),
]
FILTERS = {"axis/#": "axis-plein", "plein/noord/#": "onvif-plein", "v1.1/#": "sta", "pax/+": "pax"}
IN_FOLDERS = [
    Feed("bezoekers", bodies("mapped_csv"), f"datum;tijd;mac\n01-03-2026;12:00 PM;{CANARY}\n".encode()),
    Feed("straattellers", bodies("telraam"), spoiled(bodies("telraam")[0], "userId")),
]
FROM_EDGE = Feed("poorten", _NATIVE, spoiled(_NATIVE[0], "mac"))
PULLED = Feed("paden", [_ECO_ROWS], spoiled(_ECO_ROWS, "mac"))
FEEDS = [*OVER_HTTP, *OVER_MQTT, *IN_FOLDERS, FROM_EDGE, PULLED]

_MARCH, _JUNE = "2026-03-01T", "2026-06-01T"
EXPECTED: set[Row] = {
    ("telcameras", "lijn-07", "in", _MARCH + "11:04:00", 21.0),
    ("telcameras", "lijn-07", "out", _MARCH + "11:04:00", 16.0),
    ("telcameras", "lijn-07", "in", _MARCH + "11:05:00", 21.0),
    ("telcameras", "lijn-07", "out", _MARCH + "11:05:00", 16.0),
    ("telzones", "zone-07", "people", _MARCH + "11:04:00", 9.0),
    ("hik-plein", "ingang", "in", _JUNE + "11:04:00", 29.0), ("hik-plein", "ingang", "out", _JUNE + "11:04:00", 14.0),
    ("onvif-plein", "teller-uit", "out", _JUNE + "11:04:20", 498.0),
    ("onvif-plein", "vak", "people", _JUNE + "11:04:30", 37.0),
    ("onvif-plein", "teller-in", "in", _JUNE + "11:04:10.500000", 517.0),
    ("xovis-plein", "deur-noord", "in", _JUNE + "11:04:00", 31.0),
    ("xovis-plein", "deur-noord", "out", _JUNE + "11:04:00", 12.0),
    ("xovis-plein", "deur-noord", "in", _JUNE + "11:05:00", 27.0),
    ("xovis-plein", "deur-noord", "out", _JUNE + "11:05:00", 0.0),
    ("xovis-plein", "vak-noord", "people", _JUNE + "11:06:00", 44.0),
    ("xovis-plein", "xovis-plein-toestand", "device_state", _JUNE + "11:06:00", 4.0),
    ("fiware", "teller-plein-straat", "in", _MARCH + "11:04:00", 37.0),
    ("ndw", "GDH01_A/lane1", "vehicles", _MARCH + "11:04:00", 840.0),
    ("axis-plein", "lijn-uit", "out", _JUNE + "11:04:10.250000", 806.0),
    ("sta", "sta-teller", "in", _MARCH + "11:00:00", 143.0),
    ("pax", "gdh-wifi-03", "devices_wifi", _MARCH + "11:04:00", 212.0),
    ("pax", "gdh-wifi-03", "devices_ble", _MARCH + "11:04:00", 88.0),
    ("bezoekers", "gdh-1", "in", _MARCH + "11:00:00", 6.0), ("bezoekers", "gdh-1", "out", _MARCH + "11:00:00", 24.0),
    ("bezoekers", "gdh-1", "in", _MARCH + "11:03:00", 18.0), ("bezoekers", "gdh-1", "out", _MARCH + "11:03:00", None),
    ("straattellers", "raam-straat", "uptime", _MARCH + "11:00:00", 0.75),
    ("straattellers", "raam-straat", "in", _MARCH + "11:00:00", 60.25),
    ("straattellers", "raam-straat", "out", _MARCH + "11:00:00", 30.25),
    ("poorten", "poort-noord", "in", _JUNE + "11:04:00", 21.0),
    ("poorten", "poort-noord", "out", _JUNE + "11:04:00", 16.0),
    ("paden", "pad-uit", "in", _MARCH + "11:00:00", 57.0), ("paden", "pad-uit", "in", _MARCH + "11:15:00", None),
}
"""All that the messages say, read from the pages by hand."""
REFUSED = {
    # One of each feed; in the examples themselves a message about one person (CMSA) and counts by age (Hikvision).
    "person-level": len(FEEDS) + 1 + 2, "malformed": len(FEEDS),
    # Of the zones alone, the line beside them.
    "unknown-sensor": 2,
}
