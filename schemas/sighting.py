# SPDX-License-Identifier: Apache-2.0
"""What a person on the ground says of a zone: the sighting that goes in, and what is shown of it beside the sensor."""

from enum import StrEnum
from typing import Annotated

import msgspec

from schemas.json_message import decode_json

SHOWN_TYPE = "live.sighting.v1"
OLDEST_S = 900
"""A sighting may be so old when it is told: beyond it the sensor's band of its minute is not kept."""


class Role(StrEnum):
    """Whose eyes it was; never who."""

    STEWARD = "steward"
    OPERATOR = "operator"
    POLICE = "police"
    MEDIC = "medic"


class Said(StrEnum):
    """In which words the zone was judged."""

    PERCENT = "percent"
    """Of the permitted capacity, within 15 points."""
    COLOUR = "colour"
    """A level of the zone's profile: all that lies within it."""
    COUNT = "count"
    """People, within 25 %."""


class Disagreement(StrEnum):
    """What the sensor's band says beside the sighting's range."""

    AGREES = "agrees"
    SENSOR_LOWER = "sensor-lower"
    SENSOR_HIGHER = "sensor-higher"
    NO_SENSOR = "no-sensor"
    """The zone had no value in that window."""
    NOT_COMPARED = "not-compared"
    """The window of the sighting is still open, or was never seen whole."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One look at one zone; JSON. It names no person: a further field is refused.

    Parameters
    ----------
    zone : str
        Key of the city file.
    role : Role
    at_us : int
        When it was seen, microseconds since 1970, UTC.
    percent, colour, count : optional
        Exactly one: percent of the permitted capacity, name of a level of the zone's profile, or people.
    """

    zone: str
    role: Role
    at_us: Annotated[int, msgspec.Meta(ge=0, lt=7_258_118_400_000_000)]
    percent: Annotated[float, msgspec.Meta(ge=0, le=1_000)] | None = None
    colour: str | None = None
    count: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.percent, self.colour, self.count)) != 1:
            raise ValueError("say exactly one of `percent`, `colour` and `count`")

    @property
    def said(self) -> Said:
        """Which of the three it gives."""
        if self.percent is not None:
            return Said.PERCENT
        return Said.COLOUR if self.colour is not None else Said.COUNT


class SightingShown(msgspec.Struct, frozen=True, kw_only=True):
    """What `live` tells of a sighting: bands only. `(zone, at_us, role)` is its identity.

    Parameters
    ----------
    site, zone : str
    at_us : int
    role : Role
    said : Said
    people_low, people_high : int
        What the sighting stands for, its error included, at band edges; high is None where it has no upper end.
    sensor_low, sensor_high : int, optional
        The sensor's band in the window of the sighting, as the zone's own row shows it.
    disagreement : Disagreement
    window_start_us : int
    revision : int
        0 when it came in, 1 once it is compared.
    """

    site: str
    zone: str
    at_us: int
    role: Role
    said: Said
    people_low: int
    people_high: int | None
    sensor_low: int | None
    sensor_high: int | None
    disagreement: Disagreement
    window_start_us: int
    revision: int

    @property
    def event_id(self) -> str:
        """Identity of this telling."""
        return f"sighting/{self.zone}/{self.at_us}/{self.role}/{self.revision}"


def encode_sighting(sighting: Sighting) -> bytes:
    """As JSON."""
    return msgspec.json.encode(sighting)


def decode_sighting(encoded: bytes) -> Sighting:
    """Read what `encode_sighting` wrote; raises `RefusedError` (`malformed`) for anything else."""
    return decode_json(encoded, Sighting, "a sighting")


def encode_shown(shown: SightingShown) -> bytes:
    """As JSON."""
    return msgspec.json.encode(shown)


def decode_shown(encoded: bytes) -> SightingShown:
    """Read what `encode_shown` wrote; raises `RefusedError` (`malformed`) for anything else."""
    return decode_json(encoded, SightingShown, "a shown sighting")
