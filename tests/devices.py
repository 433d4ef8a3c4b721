# SPDX-License-Identifier: Apache-2.0
"""The small city with a counter of devices on its square, and leave to use it in the first days of March 2026."""

import datetime as dt
from typing import Any

import msgspec

from schemas.city import Activation, City, Measure, Semantics, Source
from tests.cities import small_city, small_file

WIFI = "gdh-wifi-03"
ACTIVATION = Activation(
    zone="plein", from_=dt.date(2026, 3, 1), until=dt.date(2026, 3, 8), legal_basis="event permit", dpia="DPIA-7")


def city_with_devices(semantics: Semantics = Semantics.INTERVAL, zone: str = "plein", **changes: Any) -> City:
    """`small_city` with a source `pax` and the sensor `WIFI`, whose two radios report every 60 s."""
    file = small_file()
    measure = Measure(semantics=semantics, interval_s=60)
    sensor = msgspec.structs.replace(
        file.sensors["cam-plein"], source="pax", zone=zone,
        measures={"devices_wifi": measure, "devices_ble": measure})
    given = {
        "sources": {**file.sources, "pax": Source(format="device-counts")},
        "sensors": {**file.sensors, WIFI: sensor}, "activations": {"feest": ACTIVATION},
    }
    return small_city(**{**given, **changes})
