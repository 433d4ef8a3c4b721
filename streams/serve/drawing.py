# SPDX-License-Identifier: Apache-2.0
"""The page's HTML with a small map of each site, drawn from the city's polygons. Pure.

Maps are equirectangular around the site, in metres, as inline SVG; colours are set by the page's script.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from string import Template

from shapely import Polygon

from schemas.city import CityFile, Gate, Point, Zone
from streams.serve.wording import exercise_words

EARTH_RADIUS_M = 6_371_000.0
MARGIN_SHARE = 0.06
"""Room around a map, as a share of its longer side."""
LABEL_SHARE = 0.1
"""Height of a zone's number, as a share of the map's longer side."""
SMALL_SHARE = 0.1
"""A zone that is narrower than this share of the map's longer side is drawn thicker, its number above it."""
HIGHEST = 1.25
WIDEST = 1.6
"""Limits of a map's height and width, each as a share of the other side."""

Spot = tuple[float, float]


class Projection:
    """Longitude and latitude as metres to the right and down, around the middle of some points."""

    def __init__(self, points: Iterable[Point]) -> None:
        longitudes, latitudes = zip(*points, strict=True)
        self._longitude = (min(longitudes) + max(longitudes)) / 2
        self._latitude = (min(latitudes) + max(latitudes)) / 2
        self._shrink = math.cos(math.radians(self._latitude))

    def spot(self, point: Point) -> Spot:
        """Where a point lies on the map, rounded to 0.1 m."""
        right = math.radians(point[0] - self._longitude) * self._shrink * EARTH_RADIUS_M
        down = -math.radians(point[1] - self._latitude) * EARTH_RADIUS_M
        return round(right, 1), round(down, 1)


def page(template: str, file: CityFile, sha256: str = "") -> str:
    """The whole page.

    Parameters
    ----------
    template : str
        With `$city`, `$version`, `$sites` and `$exercises`.
    file : CityFile
    sha256 : str
        Its version, by which the page sees that another one has taken over.
    """
    numbers = {key: number for number, key in enumerate(file.zones, start=1)}
    sections = [
        _section(file, key, site.name, numbers) for key, site in file.sites.items()
        if any(zone.site == key for zone in file.zones.values())
    ]
    return Template(template).substitute(
        city=escape(file.name), version=escape(sha256), sites="\n".join(sections), exercises=_exercises(file))


def _exercises(file: CityFile) -> str:
    """What an exercise may be of, to choose from: sites and rules."""
    sites = "".join(_exercise("site", key, site.name) for key, site in file.sites.items())
    rules = "".join(_exercise("rule", key, key) for key in file.rules)
    return f'<optgroup label="Locatie">{sites}</optgroup><optgroup label="Regel">{rules}</optgroup>'


def _exercise(kind: str, key: str, name: str) -> str:
    words = exercise_words(kind, name)
    return f'<option value="{escape(key)}" data-kind="{kind}" data-words="{escape(words)}">{escape(name)}</option>'


def _section(file: CityFile, site: str, name: str, numbers: dict[str, int]) -> str:
    zones = site_zones(file, site)
    gates = [gate for gate in file.gates.values() if gate.site == site]
    heading = f"site-{escape(site)}"
    return (
        f'<section class="site" data-site="{escape(site)}" aria-labelledby="{heading}">'
        f'<h2 id="{heading}">{escape(name)}</h2><div class="row">'
        f"{site_map(name, zones, gates, numbers)}"
        f'<ul class="tiles">{"".join(_tile(key, zone, numbers[key]) for key, zone in zones.items())}</ul>'
        "</div></section>"
    )


def site_zones(file: CityFile, site: str) -> dict[str, Zone]:
    """The zones of a site, by key."""
    return {key: zone for key, zone in file.zones.items() if zone.site == site}


def site_projection(zones: dict[str, Zone], gates: Sequence[Gate]) -> Projection:
    """How a site's map lies on the ground."""
    corners = [point for zone in zones.values() for point in zone.polygon]
    return Projection([*corners, *(point for gate in gates for point in gate.line)])


def _tile(key: str, zone: Zone, number: int) -> str:
    return (
        f'<li><details class="tile" data-zone="{escape(key)}" data-tone="none">'
        f'<summary><span class="name"><span class="number" aria-hidden="true">{number}</span> {escape(zone.name)}'
        '</span><span class="word">geen gegevens</span></summary><div class="more"></div></details></li>'
    )


def site_map(name: str, zones: dict[str, Zone], gates: Sequence[Gate], numbers: dict[str, int]) -> str:
    """A site's zones and gates as SVG; each zone's outline carries `data-zone`."""
    corners = [point for zone in zones.values() for point in zone.polygon]
    projection = site_projection(zones, gates)
    spots = [projection.spot(point) for point in corners]
    box, longer_m = _view_box(spots)
    small = {key for key, zone in zones.items() if _narrow_m(projection, zone) < SMALL_SHARE * longer_m}
    areas = "".join(_area(projection, key, zone, small=key in small) for key, zone in zones.items())
    lines = "".join(_line(*map(projection.spot, gate.line)) for gate in gates)
    labels = "".join(
        _label(projection, zone, numbers[key], LABEL_SHARE * longer_m, above=key in small)
        for key, zone in zones.items()
    )
    return (
        f'<svg class="map" viewBox="{box}" role="img" aria-label="Kaart van {escape(name)}; de stand van elke '
        f'zone staat in haar tegel">{areas}{lines}{_overlay(box)}{labels}</svg>'
    )


def _overlay(box: str) -> str:
    """Room for what lies beside the zones; it is cut off where the map ends."""
    left, top, width, height = box.split()
    return f'<svg class="context" x="{left}" y="{top}" width="{width}" height="{height}" viewBox="{box}"></svg>'


def _view_box(spots: Sequence[Spot]) -> tuple[str, float]:
    rights, downs = zip(*spots, strict=True)
    width, height = max(rights) - min(rights), max(downs) - min(downs)
    longer = max(width, height, 1.0)
    margin = MARGIN_SHARE * longer
    # A long thin site keeps a map that can be looked at.
    wide, high = max(width, height / HIGHEST), max(height, width / WIDEST)
    left = (min(rights) + max(rights) - wide) / 2 - margin
    top = (min(downs) + max(downs) - high) / 2 - margin
    return f"{left:.1f} {top:.1f} {wide + 2 * margin:.1f} {high + 2 * margin:.1f}", longer


def _area(projection: Projection, key: str, zone: Zone, *, small: bool) -> str:
    kind = "area small" if small else "area"
    points = _points(projection, zone)
    return f'<polygon class="{kind}" data-zone="{escape(key)}" data-tone="none" points="{points}"/>'


def _points(projection: Projection, zone: Zone) -> str:
    return " ".join(f"{right:g},{down:g}" for right, down in map(projection.spot, zone.polygon))


def _line(first: Spot, last: Spot) -> str:
    return f'<line class="gate" x1="{first[0]:g}" y1="{first[1]:g}" x2="{last[0]:g}" y2="{last[1]:g}"/>'


def _narrow_m(projection: Projection, zone: Zone) -> float:
    """About how wide a zone is where it is narrow: that of a strip, half its area by half its outline."""
    outline = Polygon([projection.spot(point) for point in zone.polygon])
    return float(2 * outline.area / outline.length)


def _label(projection: Projection, zone: Zone, number: int, size_m: float, *, above: bool) -> str:
    inside = Polygon([projection.spot(point) for point in zone.polygon]).representative_point()
    down = inside.y - (1.1 * size_m if above else 0.0)
    return f'<text x="{inside.x:.1f}" y="{down:.1f}" font-size="{size_m:.1f}">{number}</text>'
