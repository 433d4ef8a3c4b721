# SPDX-License-Identifier: Apache-2.0
"""What the messages of all cameras have in common: JSON or XML of some kilobytes, counts as numbers or texts."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree
from lxml.etree import _Element as Element

from schemas.errors import RefusedError
from schemas.feeds.compression import decompressed
from schemas.feeds.instants import NO_INSTANT, parse_instant
from schemas.feeds.json_body import parse_json
from schemas.feeds.observed import Observation, Observed
from schemas.feeds.xml_stream import elements
from schemas.reading import QUALITY_FULL, Metric, NoValue
from schemas.refusal import Reason

MESSAGE_LIMIT_BYTES = 4_000_000
"""A camera's message is some kilobytes; a push of a day's records some megabytes."""
LARGEST_COUNT = 2**32 - 1
"""Counters of cameras have 32 bits at most."""
DEEPEST = 64
"""Levels of nesting; deeper ones are left to `refuse_persons`, which refuses them unseen."""
FIRST_MS = 946_684_800_000
"""2000-01-01, as `parse_instant` has it; a time in seconds lies far before it."""
LAST_MS = 4_102_444_800_000

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,9})?", re.ASCII)
_NO_TAG = "never"
BAD_COUNT = "a count is a number from 0 to 4294967295, also as text; mend the camera's setting or firmware"
BAD_STAMP = "no time with an offset between 2000 and 2099; mend the camera's clock"


@dataclass(frozen=True, slots=True)
class Count:
    """A count that a camera gave; `value` is None with the reason `no_value` where it has none."""

    value: float | None
    no_value: NoValue = NoValue.NONE


def json_object(body: bytes) -> dict[str, object]:
    """The JSON object that a body holds.

    Raises
    ------
    RefusedError
        `malformed` for no JSON or another kind of value, `too-large`.
    """
    if len(body) > MESSAGE_LIMIT_BYTES:
        raise RefusedError(
            Reason.TOO_LARGE, f"message holds more than {MESSAGE_LIMIT_BYTES} bytes; let the camera push more often")
    document = parse_json(body)
    if not isinstance(document, dict):
        raise RefusedError(Reason.MALFORMED, "message is no JSON object; check what the camera is set to send")
    return document


def xml_root(body: bytes) -> Element:
    """The root element of a small XML document.

    Raises
    ------
    RefusedError
        As `schemas.feeds.xml_stream.elements`.
    """
    # The first pass refuses document types, entities and what is no XML; the second one keeps the whole tree.
    for _ in elements(body, _NO_TAG, _NO_TAG, (), MESSAGE_LIMIT_BYTES):
        pass
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True, collect_ids=False,
    )
    try:
        return etree.fromstring(b"".join(decompressed(body, MESSAGE_LIMIT_BYTES)), parser)
    except (etree.XMLSyntaxError, ValueError):
        raise RefusedError(Reason.MALFORMED, "message is no XML; check what the camera is set to send") from None


def name_of(element: Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]


def child(element: Element | None, name: str) -> Element | None:
    """The first child of that name in any namespace, without case; None where there is none."""
    wanted = name.casefold()
    found = (inner for inner in (() if element is None else element) if name_of(inner).casefold() == wanted)
    return next(found, None)


def text_of(element: Element | None, *names: str) -> str:
    """The text at a path of child names, without white space around it; empty where there is none."""
    for name in names:
        element = child(element, name)
    return "" if element is None else (element.text or "").strip()


def names_in(element: Element, depth: int = DEEPEST) -> dict[str, object]:
    """All names of an XML element (tags, attributes, `Name` of items) as `refuse_persons` looks at them."""
    found: dict[str, object] = {str(name).rpartition("}")[2]: None for name in element.attrib}
    found[str(element.get("Name", ""))] = None
    within: list[object] = [names_in(inner, depth - 1) for inner in element] if depth else [_too_deep()]
    return {name_of(element): [found, *within]}


def _too_deep() -> object:
    document: object = None
    for _ in range(DEEPEST + 1):
        document = [document]
    return document


def unmarked(document: object, depth: int = DEEPEST) -> object:
    """A JSON document whose names have lost the `@` and `#` that stand for XML attributes and text."""
    if depth and isinstance(document, dict):
        return {str(name).lstrip("@#$"): unmarked(inner, depth - 1) for name, inner in document.items()}
    if depth and isinstance(document, list):
        return [unmarked(inner, depth - 1) for inner in document]
    return document


def count_of(raw: object) -> Count | None:
    """What a camera gave as a count, a number or its text; None for what is none."""
    if raw is None or raw == "":
        return Count(None, NoValue.NULL)
    if isinstance(raw, str):
        text = raw.strip()
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
    elif isinstance(raw, int | float) and not isinstance(raw, bool):
        # Compared first: an integer of hundreds of digits has no float.
        value = float(raw) if -LARGEST_COUNT <= raw <= LARGEST_COUNT else math.nan
    else:
        return None
    if not abs(value) <= LARGEST_COUNT:
        return None
    return Count(value) if value >= 0 else Count(None, NoValue.NEGATIVE)


def epoch_ms(raw: object) -> int:
    """Microseconds since 1970 of a time in milliseconds; `NO_INSTANT` for anything else, times in seconds too."""
    if isinstance(raw, str) and re.fullmatch(r"\d{13}", raw, re.ASCII):
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or not FIRST_MS <= raw < LAST_MS:
        return NO_INSTANT
    return raw * 1000


def received_us(text: str | None) -> int:
    """When a message came in, as its context says; `NO_INSTANT` where it does not."""
    if text is None or not re.fullmatch(r"\d{1,17}", text, re.ASCII):
        return NO_INSTANT
    return int(text) if FIRST_MS <= int(text) // 1000 < LAST_MS else NO_INSTANT


def utc_instant(text: str) -> int:
    """Microseconds since 1970 of a stamp that is in UTC by its name, whether it says so or not."""
    stamp = parse_instant(text)
    return stamp if stamp != NO_INSTANT else parse_instant(text.strip() + "Z")


def observe(
    observed: Observed, raw: object, *, device: str, metric: Metric | None, begin_us: int, end_us: int,
    where: str, direction: str = "", quality: float = QUALITY_FULL,
) -> None:
    """Add one value as a camera gave it, or refuse it alone."""
    count = count_of(raw)
    if NO_INSTANT in (begin_us, end_us):
        observed.refuse(Reason.BAD_TIME, where, BAD_STAMP)
    elif count is None:
        observed.refuse(Reason.BAD_VALUE, where, BAD_COUNT)
    else:
        observed.observations.append(Observation(
            device, metric, begin_us, end_us, count.value, where, direction, quality, no_value=count.no_value))


def leaves(element: Element) -> Iterator[Element]:
    """All elements below one that hold none themselves."""
    return (inner for inner in element.iter() if inner is not element and len(inner) == 0)
