# SPDX-License-Identifier: Apache-2.0
"""Why an input is refused, and which field names describe one person."""

import re
from collections.abc import Container, Iterator
from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """The named reasons under which an input ends in the dead letters. One word each, in metrics too."""

    MALFORMED = "malformed"
    """Not the format that the source is said to speak (bad JSON, bad XML, truncated gzip)."""
    TOO_LARGE = "too-large"
    """Larger than the limit of the door, before or after decompression."""
    FORBIDDEN_XML = "forbidden-xml"
    """A document type or an entity, which no feed needs."""
    PERSON_LEVEL = "person-level"
    """A field that describes one person or device: refused whole, nothing of it is kept."""
    UNKNOWN_FIELD = "unknown-field"
    UNKNOWN_SENSOR = "unknown-sensor"
    UNKNOWN_METRIC = "unknown-metric"
    WRONG_SOURCE = "wrong-source"
    """A sensor that the city file gives to another source."""
    UNKNOWN_SITE = "unknown-site"
    """A measuring site that the site table does not hold."""
    SITE_VERSION = "site-version"
    """A measuring site whose record has another version than the measurement."""
    UNKNOWN_ZONE = "unknown-zone"
    """A sighting of a zone that the city in force does not have."""
    UNKNOWN_CHANNEL = "unknown-channel"
    """A channel index that the site's record does not hold, or of another type than the record says."""
    UNUSED_TYPE = "unused-type"
    """A kind of value that Drukte reads nothing from (travel time, status)."""
    NOT_A_POINT = "not-a-point"
    """A measuring site along a route: no detector."""
    BAD_TIME = "bad-time"
    """No offset, not a time, or `to` before `from`."""
    BAD_SPAN = "bad-span"
    """The interval is not the one that the sensor is said to report."""
    IN_FUTURE = "in-future"
    """Stamped later than the allowed skew."""
    TOO_OLD = "too-old"
    """Older than the log can still take in."""
    BAD_VALUE = "bad-value"
    """Not a number, negative, infinite or beyond what is physically plausible."""
    OUT_OF_SERVICE = "out-of-service"
    """Before the sensor's start date or after its end date."""
    NOT_ACTIVATED = "not-activated"
    """A count of devices at a place and time for which the city file has no activation."""
    UNKNOWN_KIND = "unknown-kind"
    """A log message of a kind or version that this program does not know."""
    LOST = "lost"
    """Not refused: messages that aged out before they were dealt with."""
    CITY_VERSION = "city-version"
    """A batch whose numbers were given by a city version that is not loaded here."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One refused input or a run of like ones. Never holds a value or a payload.

    Parameters
    ----------
    reason : Reason
    where : str
        The place: a sensor key, a site id, a field path, a line number.
    detail : str
        What to do about it, for an engineer.
    count : int
        How many values fell under it.
    """

    reason: Reason
    where: str
    detail: str = ""
    count: int = 1


PERSON_LEVEL_FIELDS: frozenset[str] = frozenset({
    # identity of a device
    "mac", "macaddress", "macaddr", "bssid", "imei", "imsi", "msisdn", "deviceid", "advertisingid", "idfa",
    "gaid", "machash", "hashedmac", "machashed", "probes", "proberequests", "rssi", "rssis",
    # identity of a person or a track
    "personid", "person", "trackid", "tracks", "trackedobjects", "objectid", "faceid", "plate",
    "licenceplate", "licenseplate", "kenteken", "ticketid", "tagid", "userid",
    # trajectories
    "trajectory", "trajectories", "frames", "signals", "distances", "observationtimestamp",
    # attributes and pictures
    "gender", "sex", "age", "agegroup", "facemask", "viewdirection", "face", "faces", "image", "images",
    "thumbnail", "snapshot", "videoclip",
})
"""Names in the spelling of `normalised`; source: the families of the feed reference, section 14."""

_SEPARATORS = re.compile(r"[_\-\s.]")


def normalised(name: str) -> str:
    """`name` without case and without separators, the spelling of `PERSON_LEVEL_FIELDS`."""
    return _SEPARATORS.sub("", name).casefold()


_HARDWARE_ADDRESS = re.compile(r"[0-9a-f]{12}")


def is_person_level(name: str) -> bool:
    """Whether a field name describes one person or device, or is itself a hardware address in any spelling."""
    plain = re.sub(r"[_\-\s.:]", "", name).casefold()
    return plain in PERSON_LEVEL_FIELDS or _HARDWARE_ADDRESS.fullmatch(plain) is not None


def shown_path(path: str, known: Container[str] = ()) -> str:
    """A path of `person_level_fields` without names that came from the sender: only ours are repeated.

    Parameters
    ----------
    path : str
    known : container of str
        Names of the format's own, beside those of `PERSON_LEVEL_FIELDS`.
    """
    root, *steps = path.split(".")
    return ".".join([root, *(_shown_step(step, known) for step in steps)])


def _shown_step(step: str, known: Container[str]) -> str:
    name, mark, _ = step.partition("[]")
    return (name if name in known or normalised(name) in PERSON_LEVEL_FIELDS else "*") + mark


def person_level_fields(document: object, path: str = "$", depth: int = 64) -> Iterator[str]:
    """Paths of all person-level fields in a decoded JSON document, at any depth.

    Parameters
    ----------
    document : object
        What a JSON decoder gives: dicts, lists, scalars.
    path : str
        Prefix of the paths.
    depth : int
        Levels of nesting still looked into; deeper documents count as person-level, since nobody looked.
    """
    if depth == 0:
        yield f"{path} (nested too deeply to check)"
    elif isinstance(document, dict):
        for name, inner in document.items():
            if is_person_level(str(name)):
                yield f"{path}.{name}"
            else:
                yield from person_level_fields(inner, f"{path}.{name}", depth - 1)
    elif isinstance(document, list):
        for item in document:
            yield from person_level_fields(item, f"{path}[]", depth - 1)
