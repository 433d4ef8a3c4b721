# SPDX-License-Identifier: Apache-2.0
"""City versions in motion: the message in `site-log` that puts one into force, and the zone map's name."""

from hashlib import blake2b

import msgspec

from schemas.city import CityFile
from schemas.json_message import decode_json

DAY_US = 86_400_000_000
MINUTE_US = 60_000_000


class CityChange(msgspec.Struct, frozen=True, kw_only=True):
    """From when a city version holds.

    Parameters
    ----------
    version : int
    sha256 : str
        Of the file, its ids and roads together; the content stands in topic `city` under both.
    effective_at_us : int
        Microseconds since 1970, UTC; a whole minute, and midnight UTC where the zone map changes.
    """

    version: int
    sha256: str
    effective_at_us: int


def encode_change(change: CityChange) -> bytes:
    """As JSON."""
    return msgspec.json.encode(change)


def decode_change(encoded: bytes) -> CityChange:
    """Read what `encode_change` wrote; raises `RefusedError` (`malformed`) for anything else."""
    return decode_json(encoded, CityChange, "a city change")


def zone_map(file: CityFile) -> str:
    """8 hex digits of BLAKE2b over what divides space and time: zones and gates, their shapes and grains.

    The same geometry has the same name in every version, whatever else changed; order and names of places do
    not matter.
    """
    zones = {key: (zone.site, zone.area_m2, zone.polygon, zone.grain) for key, zone in file.zones.items()}
    gates = {key: (gate.site, gate.from_, gate.to, gate.line, gate.grain) for key, gate in file.gates.items()}
    drawn = msgspec.json.encode([sorted(zones.items()), sorted(gates.items())])
    return blake2b(drawn, digest_size=4).hexdigest()
