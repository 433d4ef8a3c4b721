# SPDX-License-Identifier: Apache-2.0
import gzip
from pathlib import Path

import pytest

from schemas.errors import RefusedError
from schemas.feeds.xml_stream import (
    HEADS_LIMIT,
    PROLOG_LIMIT_BYTES,
    UNFREED_LIMIT_BYTES,
    elements,
    local_name,
)
from schemas.refusal import Reason

LIMIT = 100_000_000


def texts(document: bytes, limit_bytes: int = LIMIT) -> list[str | None]:
    return [element.text for kind, element in elements(document, "b", "a", ("h",), limit_bytes)
            if kind == "item"]


def reason(document: bytes, limit_bytes: int = LIMIT) -> str:
    with pytest.raises(RefusedError) as refused:
        texts(document, limit_bytes)
    return refused.value.reason


def test_items_come_in_order_plain_or_packed() -> None:
    document = b'<?xml version="1.0"?><!-- x --><?style y?><a><h/><b>1</b> <b>2</b></a>'
    assert texts(document) == ["1", "2"]
    assert texts(gzip.compress(document)) == ["1", "2"]
    assert texts(b"\xef\xbb\xbf" + document[21:]) == ["1", "2"]


def test_heads_come_before_what_follows_them() -> None:
    seen = [(kind, element.get("n")) for kind, element in
            elements(b'<a><h n="1"/><b n="2"/><h n="3"/></a>', "b", "a", ("h",), LIMIT)]
    assert seen == [("head", "1"), ("item", "2"), ("head", "3")]


def test_an_item_elsewhere_is_passed_over() -> None:
    assert texts(b"<a><c><b>no</b></c><b>yes</b></a>") == ["yes"]
    assert texts(b"<b>root</b>") == []


def test_items_are_freed() -> None:
    items = 20_000
    document = b"<a>" + b"<b><c/><c/></b><junk/>" * items + b"</a>"
    held = 0
    for number, (_, element) in enumerate(elements(document, "b", "a", (), LIMIT), start=1):
        parent = element.getparent()
        if number == items and parent is not None:
            held = sum(1 for _ in parent.iter())
    assert 0 < held < items  # of four times as many; the parser reads ahead by a chunk


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;">]><a><b>&lol3;</b></a>"""


@pytest.mark.parametrize("document", [
    BOMB,
    b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/evil.dtd"><a><b/></a>',
    b"<!-- a comment first --><?and an instruction?>\n<!DOCTYPE a><a/>",
    b"<!DOCTYPE a [<!ELEMENT a ANY>]><a/>",
    b"<a><b>&undeclared;</b></a>",
    b'<a><b n="&undeclared;"/></a>',
    b"<a><b>1</b>" + b" " * 70_000 + b"<b>&undeclared;</b>" + b" " * 70_000 + b"</a>",
])
def test_document_types_and_entities_are_forbidden(document: bytes) -> None:
    assert reason(document) == Reason.FORBIDDEN_XML


def test_an_external_entity_is_not_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    document = f'<!DOCTYPE a [<!ENTITY s SYSTEM "{secret.as_uri()}">]><a><b>&s;</b></a>'.encode()
    assert reason(document) == Reason.FORBIDDEN_XML


def test_another_encoding_hides_no_document_type() -> None:
    hidden = '<?xml version="1.0" encoding="UTF-7"?><!-- +AC0ALQA+ <!DOCTYPE a> --><a><b/></a>'.encode("ascii")
    assert reason(hidden) in {Reason.FORBIDDEN_XML, Reason.MALFORMED}
    assert reason('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16")) == Reason.MALFORMED
    assert reason("<!DOCTYPE a><a/>".encode("utf-32")) == Reason.MALFORMED
    assert reason('<?xml version="1.0" encoding="cp037"?><a/>'.encode("cp037")) == Reason.MALFORMED


def test_a_document_after_an_error_is_not_read_as_another() -> None:
    # The parser takes what follows some errors for a new document.
    document = b"<a><b>&x;</b></a>" + b" " * 65_536 + b"<a><b>second</b></a>"
    assert reason(document) == Reason.FORBIDDEN_XML


@pytest.mark.parametrize("document", [
    b"", b"   ", b"text", b"{}", b"<", b"<a>", b"<a><b></a>", b"<a/><a/>", b"<a/>text", b"<a>\x00</a>",
    b"<a>\xff</a>", b"<a" + b"<a>" * 10, b"<a>" * 400, b"<?xml", b"<!-- never ends", b"<a b='1' b='2'/>",
    b'<?xml version="1.0" encoding="no-such"?><a/>', b"<p:a/>" * 2, b" " * (PROLOG_LIMIT_BYTES + 10) + b"<a/>",
])
def test_what_is_not_well_formed_is_malformed(document: bytes) -> None:
    assert reason(document) == Reason.MALFORMED


def test_nothing_of_the_document_stands_in_the_message() -> None:
    with pytest.raises(RefusedError) as refused:
        texts(b"<a><secretname>secretvalue</a>")
    assert "secret" not in str(refused.value)


def test_limits_bound_the_tree() -> None:
    assert reason(b"<a>" + b"<c/>" * (UNFREED_LIMIT_BYTES // 4 + 20_000) + b"<b/></a>") == Reason.TOO_LARGE
    assert reason(b"<a>" + b"<h/>" * (HEADS_LIMIT + 1) + b"</a>") == Reason.TOO_LARGE
    assert reason(b"<a>" + b"<b>1</b>" * 1_000 + b"</a>", limit_bytes=5_000) == Reason.TOO_LARGE
    many = b"<a>" + (b"<b>" + b"<c/>" * 1_000 + b"</b>") * (UNFREED_LIMIT_BYTES // 4_000 + 100) + b"</a>"
    assert len(texts(many)) == UNFREED_LIMIT_BYTES // 4_000 + 100


def test_local_names() -> None:
    assert local_name("d2:TrafficFlow") == local_name(" trafficflow ") == "trafficflow"
    assert local_name(None) == ""
