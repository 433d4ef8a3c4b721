# SPDX-License-Identifier: Apache-2.0
"""Messages of topic `city`: a whole city version (its three files) and from when it holds."""

from dataclasses import dataclass

import msgspec
import pyarrow as pa

from schemas.city import City
from schemas.city_change import CityChange
from schemas.city_load import city_sha256, parse_city
from schemas.errors import RefusedError
from schemas.log import Headers, ReadHeaders, event_headers, event_type
from schemas.refusal import Reason

EVENT_TYPE = "city.v1"
SOURCE = "urn:drukte:city"
CONTENT_TYPE = "application/zstd"
LIMIT_BYTES = 7_900_000
"""The largest version, compressed: what the topic takes, less the headers."""
COMPRESSION_LEVEL = 12
"""Written a few times a year, read at every start."""
ALWAYS_US = 0
"""From when a deployment's first version holds."""


class _Files(msgspec.Struct, frozen=True, array_like=True):
    toml: bytes
    ids_text: str
    roads: bytes | None


@dataclass(frozen=True, slots=True)
class CityVersion:
    """A version as it is published: the bytes of its files, so that anybody can check their sha256.

    Parameters
    ----------
    change : CityChange
        Version, sha256 and from when it holds.
    toml : bytes
    ids_text : str
    roads : bytes or None
    """

    change: CityChange
    toml: bytes
    ids_text: str
    roads: bytes | None

    def city(self) -> City:
        """The city that the files describe.

        Raises
        ------
        CityFaultsError
            It is not sound for this program.
        RefusedError
            `malformed`: the file says another version than the message.
        """
        city = parse_city(self.toml, self.ids_text, self.roads)
        if city.version != self.change.version:
            raise RefusedError(
                Reason.MALFORMED,
                f"published as version {self.change.version}, but the city file says {city.version}",
            )
        return city


def encode_city(version: CityVersion) -> tuple[bytes, Headers, bytes]:
    """Key, headers and value of a message.

    Raises
    ------
    RefusedError
        `too-large`: more than `LIMIT_BYTES` when compressed.
    """
    files = msgspec.msgpack.encode(_Files(version.toml, version.ids_text, version.roads))
    value: bytes = pa.Codec("zstd", COMPRESSION_LEVEL).compress(files, asbytes=True)
    if len(value) > LIMIT_BYTES:
        raise RefusedError(
            Reason.TOO_LARGE,
            f"city version {version.change.version} has {len(value)} bytes when compressed, more than {LIMIT_BYTES}: "
            "bring in fewer road sensors (`drukte city import-ndw` with a smaller --bbox)",
        )
    change = version.change
    headers = event_headers(EVENT_TYPE, SOURCE, f"{change.version}/{change.sha256}", CONTENT_TYPE)
    headers += [
        ("ce_cityversion", str(change.version).encode()),
        ("ce_citysha256", change.sha256.encode()),
        ("ce_effectiveat", str(change.effective_at_us).encode()),
    ]
    return str(change.version).encode(), headers, value


def decode_city(headers: ReadHeaders | None, value: bytes | None) -> CityVersion:
    """Read what `encode_city` wrote.

    Raises
    ------
    RefusedError
        `unknown-kind` for another type, `malformed` for missing headers, broken bytes or content that has
        another sha256 than the headers say.
    """
    pairs = list(headers or ())
    if event_type(pairs) != EVENT_TYPE:
        raise RefusedError(Reason.UNKNOWN_KIND, f"message is no {EVENT_TYPE}; is a newer program publishing?")
    given = {name: found for name, found in pairs if found is not None}
    try:
        change = CityChange(
            version=int(given["ce_cityversion"]), sha256=given["ce_citysha256"].decode(),
            effective_at_us=int(given["ce_effectiveat"]),
        )
    except KeyError as error:
        raise RefusedError(Reason.MALFORMED, f"city version lacks header {error}") from None
    except ValueError as error:
        raise RefusedError(Reason.MALFORMED, f"city version has a bad header: {error}") from None
    files = _unpacked(value or b"")
    if city_sha256(files.toml, files.ids_text, files.roads) != change.sha256:
        raise RefusedError(Reason.MALFORMED, f"content of city version {change.version} has another sha256")
    return CityVersion(change, files.toml, files.ids_text, files.roads)


def _unpacked(value: bytes) -> _Files:
    try:
        with pa.CompressedInputStream(pa.BufferReader(value), "zstd") as stream:
            return msgspec.msgpack.decode(stream.read(), type=_Files)
    except (pa.ArrowException, OSError, msgspec.DecodeError):
        raise RefusedError(Reason.MALFORMED, "city version cannot be unpacked") from None
