# SPDX-License-Identifier: Apache-2.0
"""A city of several sites, each like the small city, and a road; spread over the partitions."""

import re
from pathlib import Path

from schemas.city import City
from schemas.ids import HEADER
from streams.city_files import add_roads, assign_ids, load_city
from tests.cities import SMALL_TOML, small_roads

CAMERAS = ("cam-plein", "cam-straat")
COUNTERS = ("teller-plein-straat", "teller-straat-uit")
_KEY = re.compile(
    r"(teller-plein-straat|teller-straat-uit|cam-plein|cam-straat|plein-straat|straat-uit|centrum|plein|straat)"
    r"(?![\w-])"
)
_LONGITUDE = re.compile(r"\b4\.3\d+")
APART_DEGREES = 0.01
_FINE = re.compile(r"(\[(?:zones|gates)\.[\w-]+\]\n)")


def _site(block: str, number: int) -> str:
    keyed = _KEY.sub(lambda found: f"{found[0]}-{number}", block)
    return _LONGITUDE.sub(lambda found: f"{float(found[0]) + number * APART_DEGREES:.4f}", keyed)


def write_city(path: Path, sites: int) -> City:
    """Write a city file with `sites` sites and a road, and its ids; keys end in the number of the site."""
    before, _, rest = SMALL_TOML.partition("[sites.centrum]")
    block, _, after = rest.partition("[profiles.nl-evenement]")
    blocks = [_site("[sites.centrum]" + block, number) for number in range(1, sites + 1)]
    blocks = [_FINE.sub(r'\1grain = "15min"\n', block) for block in blocks]
    path.write_text(before + "".join(blocks) + "[profiles.nl-evenement]" + after)
    path.with_suffix(".ids").write_text(HEADER)
    assign_ids(path)
    add_roads(path, small_roads())
    return load_city(path)
