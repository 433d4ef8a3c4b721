# SPDX-License-Identifier: Apache-2.0
"""What somebody on the ground said of a zone, as the page tells it. Pure."""

import datetime as dt

import msgspec

from schemas.sighting import SightingShown
from streams.serve.wording import DISAGREEMENTS, ROLES, band_text

SIGHTING_SHOWN_S = 900.0
"""So long, in log time, a sighting stands beside its zone."""


class SightingItem(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody on the ground said of a zone last: a band, and how the sensor's band lies to it."""

    at: dt.datetime
    role: str
    people: str
    disagreement: str
    word: str


def sighting_item(shown: SightingShown | None, now: dt.datetime) -> SightingItem | None:
    """A sighting as the page tells it; None without one, or where it is too old."""
    if shown is None or (now - _moment(shown.at_us)).total_seconds() > SIGHTING_SHOWN_S:
        return None
    high = shown.people_high
    people = f"{shown.people_low} of meer" if high is None else band_text(shown.people_low, high)
    return SightingItem(
        at=_moment(shown.at_us), role=ROLES[shown.role], people=people, disagreement=shown.disagreement,
        word=DISAGREEMENTS[shown.disagreement],
    )


def _moment(at_us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_us // 1_000_000, dt.UTC)
