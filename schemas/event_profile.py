# SPDX-License-Identifier: Apache-2.0
"""The NL GOV profile for CloudEvents 1.1, as far as a program can check it on one event.

It holds for events that leave Drukte as JSON. The inner messages (Arrow, snapshots, whole city versions) are out of
its scope: they carry the same attributes, but neither JSON data nor at most 64 KB.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from schemas.log import SPEC_VERSION, ReadHeaders
from schemas.refusal import PERSON_LEVEL_FIELDS

LIMIT_BYTES = 65_536
"""The whole event: names and values of all attributes, and the data."""
KAFKA_PREFIX = "ce_"
HTTP_PREFIX = "ce-"
REQUIRED = ("id", "source", "specversion", "time", "type")
"""`time` is a recommendation that all events of ours follow."""
CONTENT_TYPE = "datacontenttype"
_NAME = re.compile(r"[a-z0-9]{1,20}")
_URN = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]:[A-Za-z0-9()+,.:=@;$_!*'%/~&-]+")
_TYPE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*){2,}")
_VERSION = re.compile(r"v[1-9][0-9]*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_PADDED = re.compile(r"[0-9]{6,}")


def attributes_of(headers: ReadHeaders, prefix: str = KAFKA_PREFIX) -> dict[str, str]:
    """CloudEvents attributes of a message in binary mode; the content type as `datacontenttype`.

    Parameters
    ----------
    headers : iterable of (str, bytes or None)
    prefix : str
        `KAFKA_PREFIX` or `HTTP_PREFIX`.

    Raises
    ------
    UnicodeDecodeError
        A value that is no UTF-8.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        if value is not None and lowered == "content-type":
            found[CONTENT_TYPE] = value.decode()
        elif value is not None and lowered.startswith(prefix):
            found[lowered.removeprefix(prefix)] = value.decode()
    return found


def profile_faults(attributes: Mapping[str, str], data: bytes) -> list[str]:
    """What of an event does not follow the profile, a sentence each; empty when all does.

    Parameters
    ----------
    attributes : mapping of str to str
        As `attributes_of` gives them.
    data : bytes
    """
    return [*_required_faults(attributes), *_form_faults(attributes), *_data_faults(attributes, data)]


def _required_faults(attributes: Mapping[str, str]) -> Iterator[str]:
    for name in REQUIRED:
        if not attributes.get(name):
            yield f"`{name}` is missing"
    if attributes.get("specversion", SPEC_VERSION) != SPEC_VERSION:
        yield f"`specversion` is not {SPEC_VERSION}"
    source = attributes.get("source")
    if source and _URN.fullmatch(source) is None:
        yield "`source` is no urn: it names a system, never a place where data lie"
    event_type = attributes.get("type")
    if event_type:
        yield from _type_faults(event_type)


def _type_faults(event_type: str) -> Iterator[str]:
    if _TYPE.fullmatch(event_type) is None:
        yield "`type` is no reverse domain name in lower case"
    versions = [part for part in event_type.split(".") if _VERSION.fullmatch(part)]
    if len(versions) != 1 or not event_type.endswith(f".{versions[0]}"):
        yield "`type` does not end in one version number such as `v1`"


def _form_faults(attributes: Mapping[str, str]) -> Iterator[str]:
    for name in attributes:
        if _NAME.fullmatch(name) is None:
            yield f"attribute name {name!r} is not 1 to 20 lower-case letters and digits"
        elif name in PERSON_LEVEL_FIELDS:
            yield f"attribute {name!r} describes one person or device; attributes are logged on their way"
    time = attributes.get("time")
    if time and _TIME.fullmatch(time) is None:
        yield "`time` is no RFC 3339 time with an offset"
    sequence = attributes.get("sequence")
    if sequence is not None and _PADDED.fullmatch(sequence) is None:
        yield "`sequence` is compared as text: pad the number with zeros to at least six digits"


def _data_faults(attributes: Mapping[str, str], data: bytes) -> Iterator[str]:
    content_type = attributes.get(CONTENT_TYPE, "").partition(";")[0].strip()
    if content_type != "application/json" and not content_type.endswith("+json"):
        yield "data are not said to be JSON"
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        yield "data are no JSON"
    size = len(data) + sum(len(name) + len(value.encode()) for name, value in attributes.items())
    if size > LIMIT_BYTES:
        yield f"the event has {size} bytes, more than {LIMIT_BYTES}"
