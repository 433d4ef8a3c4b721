# SPDX-License-Identifier: Apache-2.0
"""Sites of which nothing is told any more: a report says so first, since an empty list would read as calm. Pure."""

import msgspec

from schemas.city import Facility
from streams.reports.material import ROADS, Heard, Material
from streams.reports.wording import Speech

SPEAKS_US = 600_000_000
"""After so long without any window, and three windows, the engine, or what brings its words here, is silent."""


class SilentSite(msgspec.Struct, frozen=True, kw_only=True):
    """A site, and the end of its newest window; null where none is known. Without a site: the roads of a city."""

    site: str
    name: str
    heard_us: int | None


def silent_sites(material: Material) -> list[SilentSite]:
    """The sites with zones of people that say nothing of the end of the material; of a city without any its roads."""
    watched = {zone.site for zone in material.city.zones.values() if zone.facility is not Facility.ROAD}
    sites = [site for site in material.city.sites if site in watched]
    if not watched and material.roads.table.num_rows:
        sites = [ROADS]
    return [
        SilentSite(site=site, name=material.city.name if site == ROADS else material.site_name(site),
                   heard_us=None if heard is None else heard.end_us)
        for site in sites if not _speaks(heard := material.heard.get(site), material.until_us)
    ]


def _speaks(heard: Heard | None, at_us: int) -> bool:
    return heard is not None and at_us - heard.end_us <= max(SPEAKS_US, 3 * heard.span_us)


def silence_lines(silent: list[SilentSite], speech: Speech) -> list[str]:
    """A warning for each silent site."""
    return [_line(one, speech) for one in silent]


def _line(one: SilentSite, speech: Speech) -> str:
    if one.heard_us is None:
        return speech.say(f"LET OP: van {one.name} is niets gehoord. Of er nu meldingen zijn is niet bekend.",
                          f"WARNING: nothing was heard of {one.name}. Whether there are alerts now is not known.")
    since = speech.clock(one.heard_us)
    return speech.say(f"LET OP: van {one.name} is niets gehoord sinds {since}. Wat er staat is van voor die tijd.",
                      f"WARNING: nothing was heard of {one.name} since {since}. What stands here is from before.")
