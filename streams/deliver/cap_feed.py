# SPDX-License-Identifier: Apache-2.0
"""An Atom feed (RFC 4287) of CAP documents in a folder: `feed.xml` and one file for each document.

A document is written once and never changed: what lies there under its identifier stands. Every file is whole at
any moment, also for a reader beside us and after a crash. The feed's own times are those of its documents, so
that the same documents give the same feed.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import structlog
from lxml import etree
from lxml.etree import _Element as Element

from schemas.alert import State
from schemas.alert_outputs import FEED_FILE, FEED_MEDIA_TYPE
from schemas.cap import MEDIA_TYPE
from schemas.cap_check import cap_faults, parsed, text_of
from streams.deliver.present import Told

ATOM = "http://www.w3.org/2005/Atom"
FILE_MODE = 0o640
"""Restricted: for our account and its group, in which the server of the folder may be."""
NEVER = "1970-01-01T00:00:00Z"
_NAME = re.compile(r"drukte-[0-9A-Za-z]+-\d+(?:-r\d+)?")
_OURS = re.compile(rf"{_NAME.pattern}\.xml|\..+\.xml\.new")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """A document of the feed; without `xml` it is known to lie there."""

    identifier: str
    xml: bytes | None


@dataclass(frozen=True, slots=True)
class _Entry:
    identifier: str
    title: str
    sent: str
    kind: str
    status: str
    summary: str


def kept(told: Sequence[Told], since_us: int, length: int) -> list[Told]:
    """Which transitions the feed holds, newest first.

    The newest `length` of those that the broker has had since `since_us`, and the newest of each open alert.
    """
    newest: dict[str, Told] = {}
    for one in sorted(told, key=_order):
        newest[one.transition.alert_id] = max(newest.get(one.transition.alert_id, one), one, key=_seq)
    ordered = sorted((one for one in told if one.appended_us >= since_us), key=_order, reverse=True)[:length]
    standing = [one for one in newest.values() if one.transition.state_to is not State.RESOLVED]
    found = {(one.transition.alert_id, one.transition.seq): one for one in [*ordered, *standing]}
    return sorted(found.values(), key=_order, reverse=True)


class FeedFolder:
    """The files of one feed. All of it blocks; raises `OSError` where the disk refuses.

    Parameters
    ----------
    folder : Path
        Made where it is missing. Files in it that look like ours and are not wanted are removed.
    sender : str
        Of the documents; names the feed.
    url : str, optional
        Where readers find the folder.
    """

    def __init__(self, folder: Path, sender: str, url: str | None = None) -> None:
        self._folder = folder
        self._sender = sender
        self._url = None if url is None else url.rstrip("/") + "/"
        self._entries: dict[str, _Entry] = {}

    def knows(self, identifier: str) -> bool:
        """Whether this process has written or read the document."""
        return identifier in self._entries

    def write(self, messages: Sequence[Message]) -> None:
        """Make the folder hold these documents, newest first, and no others; the feed names only what lies there."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        for message in messages:
            entry = None if message.xml is None else self._stored(message.identifier, message.xml)
            if entry is not None:
                self._entries[message.identifier] = entry
        names = [message.identifier for message in messages]
        feed = self._feed([self._entries[name] for name in names if name in self._entries])
        place = self._folder / FEED_FILE
        if not place.exists() or place.read_bytes() != feed:
            _replace(place, feed)
        self._remove_others(set(names))

    def _stored(self, identifier: str, xml: bytes) -> _Entry | None:
        fresh = _entry(identifier, xml)
        if fresh is None or not _NAME.fullmatch(identifier):
            log.error("CAP document left out of the feed", faults=cap_faults(xml)[:3], what="is `alert_url` a URL?")
            return None
        place = self._folder / f"{identifier}.xml"
        if place.exists():
            standing = _entry(identifier, place.read_bytes())
            if standing is not None:
                return standing
        _replace(place, xml)
        return fresh

    def _remove_others(self, wanted: set[str]) -> None:
        self._entries = {name: entry for name, entry in self._entries.items() if name in wanted}
        for place in self._folder.iterdir():
            if _OURS.fullmatch(place.name) and place.name.removesuffix(".xml") not in wanted:
                place.unlink(missing_ok=True)

    def _feed(self, entries: Sequence[_Entry]) -> bytes:
        unprefixed = {None: ATOM}
        root: Element = etree.Element(_tag("feed"), nsmap=unprefixed)  # type: ignore[arg-type]  # the stubs know no default
        _add(root, "id", f"urn:drukte:cap-feed:{quote(self._sender)}")
        _add(root, "title", f"CAP 1.2, {self._sender}")
        _add(root, "updated", max((entry.sent for entry in entries), default=NEVER))
        _add(etree.SubElement(root, _tag("author")), "name", self._sender)
        _add(root, "rights", "Restricted: see the restriction of each document.")
        if self._url is not None:
            etree.SubElement(root, _tag("link"), rel="self", type=FEED_MEDIA_TYPE, href=self._url + FEED_FILE)
        for entry in entries:
            self._add_entry(etree.SubElement(root, _tag("entry")), entry)
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)

    def _add_entry(self, parent: Element, entry: _Entry) -> None:
        _add(parent, "id", f"urn:drukte:cap:{quote(self._sender)}:{entry.identifier}")
        _add(parent, "title", entry.title)
        _add(parent, "updated", entry.sent)
        etree.SubElement(parent, _tag("category"), term=entry.kind)
        etree.SubElement(parent, _tag("category"), term=entry.status)
        href = (self._url or "") + f"{entry.identifier}.xml"
        etree.SubElement(parent, _tag("link"), rel="alternate", type=MEDIA_TYPE, href=href)
        _add(parent, "summary", entry.summary)


def _entry(identifier: str, xml: bytes) -> _Entry | None:
    root = parsed(xml)
    if root is None or cap_faults(xml) or text_of(root, "identifier") != identifier:
        return None
    kind = text_of(root, "msgType")
    title = text_of(root, "info/headline") or text_of(root, "note") or kind
    return _Entry(
        identifier, title, text_of(root, "sent").removesuffix("-00:00") + "Z", kind, text_of(root, "status"),
        text_of(root, "info/description") or title,
    )


def _replace(place: Path, content: bytes) -> None:
    fresh = place.with_name(f".{place.name}.new")
    with fresh.open("wb") as sink:
        os.fchmod(sink.fileno(), FILE_MODE)
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())
    fresh.replace(place)


def _order(told: Told) -> tuple[int, str, int]:
    return told.transition.at_us, told.transition.alert_id, told.transition.seq


def _seq(told: Told) -> int:
    return told.transition.seq


def _tag(name: str) -> str:
    return f"{{{ATOM}}}{name}"


def _add(parent: Element, name: str, text: str) -> None:
    etree.SubElement(parent, _tag(name)).text = text
