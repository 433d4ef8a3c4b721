# SPDX-License-Identifier: Apache-2.0
"""Bench cities as city files: cameras in zones with two level rules, or one event counter a gate."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from schemas.city import City
from schemas.ids import HEADER
from streams.city_files import assign_ids, load_city

SOURCE = "bench"
CAPACITY = 400
"""Permitted number of people in each zone of cameras."""
_ROW = 100
_STEP_DEGREES, _SIDE_DEGREES = 0.001, 0.0005

_HEAD = """\
format = 1
city = "bench"
name = "Bench"
version = 1
timezone = "Europe/Amsterdam"
[sources.bench]
format = "native"
[profiles.event]
levels = ["groen", "geel", "oranje", "rood"]
percent_of_capacity = [0, 70, 85, 100]
source = "Dutch event practice"
"""
_RULES = """\
[rules.oranje]
kind = "level"
level = 2
severity = "warning"
[rules.rood]
kind = "level"
level = 3
severity = "critical"
"""
_SENSOR = """\
[sensors.{key}]
source = "bench"
supplier = "bench"
{place}
purpose = "benchmark"
legal_basis = "none: invented"
start = 2020-01-01
end = 2035-12-31
"""


def camera(zone: int) -> str:
    """Key of the camera in a zone, both counted from 0."""
    return f"camera-{zone}"


def site_of_zone(zone: int, zones: int, sites: int) -> int:
    """The site that a zone belongs to, all counted from 0: runs of zones of equal length."""
    return zone * sites // zones


def camera_city(zones: int, sites: int = 1, interval_s: int = 10) -> str:
    """A city file with one camera in each zone, reporting every `interval_s`, and two level rules for all of them."""
    parts = [_HEAD, _RULES, *(f'[sites.site-{site}]\nname = "Site {site}"\n' for site in range(sites))]
    for zone in range(zones):
        parts += _zone(f"zone-{zone}", site_of_zone(zone, zones, sites), zone)
        parts.append(_SENSOR.format(key=camera(zone), place=f'zone = "zone-{zone}"'))
        parts.append(f"[sensors.{camera(zone)}.measures.people]\n"
                     f'semantics = "instant"\ninterval_s = {interval_s}\nview_area_m2 = 1000\n')
    return "".join(parts)


def crowded_city(sensors: int, zones: int, interval_s: int = 1) -> str:
    """A city file of one site with many cameras a zone, each of which sees its share, and two level rules."""
    parts = [_HEAD, _RULES, '[sites.site-0]\nname = "Site 0"\n']
    for zone in range(zones):
        parts += _zone(f"zone-{zone}", 0, zone)
    for number in range(sensors):
        parts.append(_SENSOR.format(key=camera(number), place=f'zone = "zone-{number % zones}"'))
        parts.append(f"[sensors.{camera(number)}.measures.people]\n"
                     f'semantics = "instant"\ninterval_s = {interval_s}\nview_area_m2 = {1000 * zones / sensors}\n')
    return "".join(parts)


def counter_city(sensors_of_site: Sequence[Sequence[str]]) -> str:
    """A city file with one gate a sensor, which counts single passages as they happen, every 10 s at least.

    Each site has one zone, from which its gates lead out.
    """
    parts = [_HEAD, *(f'[sites.site-{site}]\nname = "Site {site}"\n' for site in range(len(sensors_of_site)))]
    for site, sensors in enumerate(sensors_of_site):
        parts += _zone(f"zone-{site}", site, site)
        west, south = _corner(site)
        for sensor in sensors:
            parts.append(f'[gates.gate-{sensor}]\nsite = "site-{site}"\nfrom = "zone-{site}"\nto = "outside"\n'
                         f"width_m = 2\nline = [[{west}, {south}], [{west}, {south + _SIDE_DEGREES:.4f}]]\n")
            parts.append(_SENSOR.format(key=sensor, place=f'gate = "gate-{sensor}"'))
            parts.append(f'[sensors.{sensor}.measures.in]\nsemantics = "interval"\ninterval_s = 10\n'
                         "allowed_delay_s = 10\nheartbeat_s = 10\non_event = true\n")
    return "".join(parts)


def _zone(key: str, site: int, number: int) -> Iterator[str]:
    west, south = _corner(number)
    east, north = west + _SIDE_DEGREES, south + _SIDE_DEGREES
    yield (f'[zones.{key}]\nsite = "site-{site}"\nname = "{key}"\nfacility = "standing"\narea_m2 = 1000\n'
           f'profile = "event"\ncapacity = {CAPACITY}\n'
           f"polygon = [[{west:.4f}, {south:.4f}], [{east:.4f}, {south:.4f}], "
           f"[{east:.4f}, {north:.4f}], [{west:.4f}, {north:.4f}]]\n")


def _corner(number: int) -> tuple[float, float]:
    return round(4.0 + number % _ROW * _STEP_DEGREES, 4), round(52.0 + number // _ROW * _STEP_DEGREES, 4)


def write_city(path: Path, toml: str) -> City:
    """Write a city file, give its ids, and read it back; a city that is not sound raises."""
    path.write_text(toml)
    path.with_suffix(".ids").write_text(HEADER)
    assign_ids(path)
    return load_city(path)
