# SPDX-License-Identifier: Apache-2.0
"""XML of any size, element by element, without document types, entities, network or unbounded memory."""

import re
from collections.abc import Iterator
from typing import BinaryIO, Literal, cast

from lxml import etree
from lxml.etree import _Element as Element

from schemas.errors import RefusedError
from schemas.feeds.compression import CHUNK_BYTES, decompressed
from schemas.refusal import Reason

PROLOG_LIMIT_BYTES = CHUNK_BYTES
"""The root element must begin within them."""
UNFREED_LIMIT_BYTES = 4_000_000
"""More text than this between two items is no feed; it bounds the tree that is held in memory."""
HEADS_LIMIT = 10_000
"""So many heads (publications, tables) may stand in a document; they are not freed."""

Event = tuple[Literal["head", "item"], Element]

_SPACE = re.compile(rb"[ \t\r\n]*")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def elements(
    stream: bytes | BinaryIO, item: str | tuple[str, ...], parent: str | tuple[str, ...], heads: tuple[str, ...],
    limit_bytes: int,
) -> Iterator[Event]:
    """Go through a document that may be gzipped; each item is freed when the next one is asked for.

    Parameters
    ----------
    stream : bytes or binary file
    item : str or tuple of str
        Tags in Clark's notation (`{namespace}name`) of the elements that are given whole.
    parent : str or tuple of str
        Tags that an item must stand in directly; elsewhere it is passed over.
    heads : tuple of str
        Tags of elements that are given when they begin, with attributes but without content.
    limit_bytes : int
        Of the document, after decompression.

    Yields
    ------
    tuple of ("head" or "item", element)
        In document order, the start of a head and the end of an item.

    Raises
    ------
    RefusedError
        `forbidden-xml` for a document type or an entity; `malformed` for what is no well-formed XML in an
        encoding like ASCII; `too-large` beyond one of the limits.
    """
    items = (item,) if isinstance(item, str) else item
    parents = (parent,) if isinstance(parent, str) else parent
    parser = etree.XMLPullParser(
        events=("start", "end"), tag=(*items, *heads), resolve_entities=False, no_network=True, load_dtd=False,
        dtd_validation=False, huge_tree=False, recover=False, remove_comments=True, remove_pis=True,
        remove_blank_text=True, collect_ids=False,
    )
    unfreed_bytes = heads_seen = 0
    try:
        for chunk in _checked(decompressed(stream, limit_bytes)):
            unfreed_bytes += len(chunk)
            parser.feed(chunk)
            _check_errors(parser)
            for event, read in parser.read_events():
                element = cast("Element", read)  # a tuple only for events of namespaces, not asked for
                if element.tag not in items:
                    if event == "start":
                        heads_seen += 1
                        _check_no_document_type(element)
                        yield "head", element
                elif event == "end" and _stands_in(element, parents):
                    yield "item", element
                    _free(element)
                    unfreed_bytes = 0
            if unfreed_bytes > UNFREED_LIMIT_BYTES or heads_seen > HEADS_LIMIT:
                raise RefusedError(
                    Reason.TOO_LARGE,
                    f"more than {UNFREED_LIMIT_BYTES} bytes between two elements that are read, or more than "
                    f"{HEADS_LIMIT} publications: check that it is the feed that the source is set to",
                )
        root = parser.close()
    except etree.XMLSyntaxError as error:
        raise _refused(error.code, error.position) from None  # type: ignore[attr-defined]  # not in the stubs
    _check_no_document_type(root)


def local_name(qualified: str | None) -> str:
    """The last part of a `prefix:name`, without case; empty for None."""
    return (qualified or "").rpartition(":")[2].strip().casefold()


def _stands_in(element: Element, parents: tuple[str, ...]) -> bool:
    above = element.getparent()
    return above is not None and above.tag in parents


def _free(element: Element) -> None:
    """Empty an element and drop what stands before it."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while parent[0] is not element:
            del parent[0]


def _check_no_document_type(element: Element) -> None:
    # A second look, should an odd encoding have hidden it from the first.
    if element.getroottree().docinfo.internalDTD is not None:
        raise _forbidden()


def _check_errors(parser: etree.XMLPullParser) -> None:
    # After some errors, an undeclared entity among them, `feed` raises nothing and takes the next chunk for
    # the begin of another document: the log alone tells.
    for error in parser.feed_error_log.filter_from_errors():
        raise _refused(error.type, (error.line, error.column))


def _refused(code: int, position: tuple[int, int]) -> RefusedError:
    # libxml2's own text quotes names of the document, so only the place is told.
    if code == etree.ErrorTypes.ERR_UNDECLARED_ENTITY:
        return _forbidden()
    line, column = position
    return RefusedError(
        Reason.MALFORMED, f"XML is not well-formed at line {line}, column {column}; fetch or send it again"
    )


def _forbidden() -> RefusedError:
    return RefusedError(
        Reason.FORBIDDEN_XML, "XML holds a document type or an entity; no feed needs one: check the sender"
    )


def _checked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks; a document type is refused before the parser sees it."""
    head = b""
    for chunk in chunks:
        head += chunk
        if _prolog_is_sound(head):
            yield head
            yield from chunks
            return
        if len(head) > PROLOG_LIMIT_BYTES:
            raise RefusedError(Reason.MALFORMED, f"no XML element within {PROLOG_LIMIT_BYTES} bytes")
    raise RefusedError(Reason.MALFORMED, "document holds no XML element; is it empty or cut off?")


def _prolog_is_sound(head: bytes) -> bool:
    """Whether a root element begins in `head`; False when more of the document is needed to say so.

    Byte for byte, so that an encoding in which `<` is no ASCII `<` cannot hide a document type.
    """
    at = len(_BYTE_ORDER_MARK) if head.startswith(_BYTE_ORDER_MARK) else 0
    while True:
        space = _SPACE.match(head, at)
        at = space.end() if space else at
        if len(head) - at < len(b"<!--"):
            return False
        if head.startswith(b"<?", at):
            end, mark = head.find(b"?>", at), b"?>"
        elif head.startswith(b"<!--", at):
            end, mark = head.find(b"-->", at + 4), b"-->"
        elif head.startswith(b"<!", at):
            raise _forbidden()
        elif head.startswith(b"<", at):
            return True
        else:
            raise RefusedError(Reason.MALFORMED, "document is no XML in UTF-8")
        if end < 0:
            return False
        at = end + len(mark)
