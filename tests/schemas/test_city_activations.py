# SPDX-License-Identifier: Apache-2.0
"""Counting devices needs a sound activation, and a Datastream a sensor and measure that there are."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from schemas.city import Source
from schemas.city_check import city_faults
from schemas.city_columns import Datastream
from schemas.city_fault import Fault
from schemas.city_types import typed_city_file
from tests.cities import SMALL_TOML, small_file
from tests.devices import ACTIVATION, WIFI, city_with_devices


def faults(**changes: Any) -> list[Fault]:
    city = city_with_devices(**changes)
    return city_faults(city.file, city.ids, city.roads)


def test_an_activated_counter_of_devices_is_sound() -> None:
    assert faults() == []


def test_an_activation_that_has_ended_is_no_fault() -> None:
    ended = msgspec.structs.replace(ACTIVATION, from_=dt.date(2020, 1, 1), until=dt.date(2020, 1, 1))
    assert faults(activations={"feest": ended}) == []


def test_without_an_activation_of_its_zone_the_measures_are_faults() -> None:
    expected = [f"sensors.{WIFI}.measures.{name}" for name in ("devices_wifi", "devices_ble")]
    assert [fault.path for fault in faults(activations={})] == expected
    elsewhere = msgspec.structs.replace(ACTIVATION, zone="straat")
    assert [fault.path for fault in faults(activations={"feest": elsewhere})] == expected


@pytest.mark.parametrize(("change", "path"), [
    ({"zone": "plain"}, "activations.feest.zone"), ({"until": dt.date(2026, 2, 1)}, "activations.feest.until"),
    ({"legal_basis": " "}, "activations.feest.legal_basis"), ({"dpia": ""}, "activations.feest.dpia"),
])
def test_faults_of_an_activation(change: dict[str, object], path: str) -> None:
    bad = msgspec.structs.replace(ACTIVATION, **change)
    assert [fault.path for fault in faults(activations={"feest": bad, "goed": ACTIVATION})] == [path]
    assert [fault.path for fault in faults(activations={"Feest": ACTIVATION})] == ["activations.Feest"]


def test_devices_are_counted_in_zones_only() -> None:
    sensors = dict(city_with_devices().file.sensors)
    sensors[WIFI] = msgspec.structs.replace(sensors[WIFI], zone=None, gate="plein-straat")
    assert {fault.path for fault in faults(sensors=sensors)} == {
        f"sensors.{WIFI}.measures.{name}" for name in ("devices_wifi", "devices_ble")}


def test_an_activation_as_it_stands_in_a_file() -> None:
    toml = SMALL_TOML + (
        '\n[activations.feest]\nzone = "plein"\nfrom = 2026-03-01\nuntil = 2026-03-08\n'
        'legal_basis = "event permit"\ndpia = "DPIA-7"\n')
    assert typed_city_file(toml.encode()).activations == {"feest": ACTIVATION}


def test_a_datastream_names_a_sensor_of_its_source_and_one_of_its_measures() -> None:
    streams = {
        "1": Datastream(sensor="cam-plein", metric="people"), "2": Datastream(sensor="cam-plain", metric="people"),
        "3": Datastream(sensor="teller-plein-straat", metric="in"), "4": Datastream(sensor="cam-straat", metric="in"),
    }
    sources = dict(city_with_devices().file.sources) | {
        "cameras": Source(format="sensorthings", datastreams=streams), "counters": small_file().sources["counters"]}
    assert [fault.path for fault in faults(sources=sources)] == [
        "sources.cameras.datastreams.2.sensor", "sources.cameras.datastreams.3.sensor",
        "sources.cameras.datastreams.4.metric",
    ]
