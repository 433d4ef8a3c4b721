# SPDX-License-Identifier: Apache-2.0
"""Invented cities of any size, for load: streets of zones with a camera each and counters at every gate."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from schemas.city import City
from schemas.city_load import parse_city
from schemas.ids import HEADER, IdKind, Ids, format_ids

ZONES_OF_SITE = 10
"""Zones in a row; people pass from one to the next."""
WAYS_OUT = (0, 4, 9)
"""Zones of a site from which a gate leads to outside."""
SIDE_M = 25.0
AREA_M2 = 560
"""Net area of a zone: somewhat less than its square."""
CAPACITY = 1000
GATE_M = 20.0
SITES_OF_ROW = 50
WEST_SOUTH = (4.0, 51.6)
LATITUDE_M, LONGITUDE_M = 111_260.0, 68_600.0
"""Metres in a degree, near enough in the south-west of the Netherlands."""
_HEAD = """\
# Invented for load tests: no such place exists.

format = 1
city = "synthetic"
name = "Synthetic, {zones} zones"
version = 1
timezone = "Europe/Amsterdam"

[sources.cameras]
format = "native"

[sources.counters]
format = "native"

[profiles.nl-evenement]
levels = ["groen", "geel", "oranje", "rood"]
percent_of_capacity = [0, 70, 85, 100]
density_per_m2 = {{ standing = [0, 2, 2.5, 4.7] }}
source = "Dutch event practice"

[rules.oranje]
kind = "level"
level = 2
severity = "warning"

[rules.rood]
kind = "level"
level = 3
severity = "critical"
"""
_TABLE = re.compile(r"^\[(source|site|zone|gate|sensor)s\.([a-z0-9-]+)\]$", re.MULTILINE)
_SENSOR = """
[sensors.{key}]
source = "{source}"
supplier = "simulated"
{place}
purpose = "load test"
legal_basis = "no person is counted"
start = 2026-01-01
end = 2099-12-31
"""


@dataclass(frozen=True, slots=True)
class SyntheticFiles:
    """The files of an invented city: the TOML and `CITY.ids`."""

    toml: str
    ids: str

    @classmethod
    def of(cls, zones: int) -> Self:
        """The files of a city of so many zones, 1 to 50,000; ten make a site."""
        sites = range(math.ceil(zones / ZONES_OF_SITE))
        parts = [_HEAD.format(zones=zones)]
        for site in sites:
            parts.extend(_site(site, min(ZONES_OF_SITE, zones - site * ZONES_OF_SITE)))
        toml = "".join(parts)
        # Reading a large file only for its keys would take longer than simulating it.
        wanted: dict[IdKind, list[str]] = {kind: [] for kind in IdKind}
        for section, key in _TABLE.findall(toml):
            wanted[IdKind(section)].append(key)
        return cls(toml, HEADER + format_ids(Ids().extended(wanted)[1]))

    def city(self) -> City:
        """The city, read and checked as any other one is."""
        return parse_city(self.toml.encode(), self.ids, None)


def _site(site: int, zones: int) -> Iterator[str]:
    yield f'\n[sites.site-{site}]\nname = "Straat {site}"\n'
    keys = [f"zone-{site}-{number}" for number in range(zones)]
    for number, key in enumerate(keys):
        west, south = _corner(site, number)
        east, north = _corner(site, number, 1)
        yield (
            f'\n[zones.{key}]\nsite = "site-{site}"\nname = "Vak {site}.{number}"\nfacility = "standing"\n'
            f'area_m2 = {AREA_M2}\ncapacity = {CAPACITY}\nprofile = "nl-evenement"\n'
            f"polygon = [[{west}, {south}], [{east}, {south}], [{east}, {north}], [{west}, {north}]]\n"
        )
        yield _SENSOR.format(key=f"camera-{key}", source="cameras", place=f'zone = "{key}"')
        yield (
            f"[sensors.camera-{key}.measures.people]\nsemantics = \"instant\"\ninterval_s = 10\n"
            f"view_area_m2 = {AREA_M2}\n"
        )
    for number, (one, other) in enumerate(pairwise(keys)):
        yield _gate(site, f"door-{site}-{number}", one, other, number + 1)
    for number in WAYS_OUT:
        if number < zones:
            yield _gate(site, f"out-{site}-{number}", keys[number], "outside", number)


def _gate(site: int, key: str, one: str, other: str, number: int) -> str:
    west, south = _corner(site, number)
    _, north = _corner(site, number, 1)
    counter = _SENSOR.format(key=f"counter-{key}", source="counters", place=f'gate = "{key}"')
    measures = "".join(
        f'[sensors.counter-{key}.measures.{metric}]\nsemantics = "interval"\ninterval_s = 60\n'
        for metric in ("in", "out")
    )
    return (
        f'\n[gates.{key}]\nsite = "site-{site}"\nfrom = "{one}"\nto = "{other}"\nwidth_m = {GATE_M:g}\n'
        f"line = [[{west}, {south}], [{west}, {north}]]\n{counter}{measures}"
    )


def _corner(site: int, number: int, further: int = 0) -> tuple[float, float]:
    """South-west corner of a zone, or north-east with `further` = 1; WGS 84."""
    row, column = divmod(site, SITES_OF_ROW)
    east_m = (column * (ZONES_OF_SITE + 1) + number + further) * SIDE_M
    north_m = (row * 2 + further) * SIDE_M
    return round(WEST_SOUTH[0] + east_m / LONGITUDE_M, 7), round(WEST_SOUTH[1] + north_m / LATITUDE_M, 7)
