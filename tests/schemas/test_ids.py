# SPDX-License-Identifier: Apache-2.0
"""Numbers of the log: given once, never changed, read back as written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import HEADER, SOURCE_LIMIT, IdKind, Ids, IdsError, format_ids, is_storable, parse_ids

keys = st.text(min_size=1, max_size=12).filter(is_storable)
wanted_keys = st.dictionaries(st.sampled_from(IdKind), st.lists(keys, max_size=5), max_size=5)


@given(wanted_keys)
def test_numbers_read_back_as_written(wanted: dict[IdKind, list[str]]) -> None:
    ids, added = Ids().extended(wanted)
    assert parse_ids(HEADER + format_ids(added)) == ids
    assert {kind: set(keys) for kind, keys in wanted.items()} == {kind: set(ids[kind]) for kind in wanted}


@given(wanted_keys, wanted_keys)
def test_numbers_once_given_stay_and_lines_are_only_appended(
    first: dict[IdKind, list[str]], second: dict[IdKind, list[str]]
) -> None:
    before, lines = Ids().extended(first)
    after, more = before.extended(second)
    for kind in IdKind:
        assert before[kind].items() <= after[kind].items()
        assert sorted(after[kind].values()) == list(range(1, len(after[kind]) + 1))
    assert parse_ids(format_ids(lines) + format_ids(more)) == after
    assert after.extended(second) == (after, [])


def test_a_key_that_left_the_file_keeps_its_number() -> None:
    ids = parse_ids("zone\t1\tplein\nzone\t2\tstraat\n")
    extended, added = ids.extended({IdKind.ZONE: ["straat", "markt"]})
    assert added == [(IdKind.ZONE, 3, "markt")]
    assert extended.keys_by_number(IdKind.ZONE) == {1: "plein", 2: "straat", 3: "markt"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("zone\t1\tplein\nzone\t1\tstraat\n", 2),
        ("zone\t2\tplein\nzone\t1\tstraat\n", 2),
        ("zone\t1\tplein\n\nzone\t2\tplein\n", 3),
        ("zone 1 plein\n", 1),
        ("zoen\t1\tplein\n", 1),
        ("zone\t0\tplein\n", 1),
        ("zone\t-1\tplein\n", 1),
        ("zone\t1_0\tplein\n", 1),
        ("zone\t2147483648\tplein\n", 1),
        (f"source\t{SOURCE_LIMIT}\tcameras\n", 1),
        ("zone\t1\t\n", 1),
        ("zone\t1\tplein\textra\n", 1),
    ],
)
def test_a_file_that_was_not_only_appended_to_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(IdsError, match=f"den-haag.ids:{line}: "):
        parse_ids(text, "den-haag.ids")


def test_windows_line_ends_and_comments_are_read() -> None:
    assert parse_ids("# a\r\nzone\t1\tplein\r\n")[IdKind.ZONE] == {"plein": 1}


@pytest.mark.parametrize("key", ["", "a\tb", "a\nb", "a\x85b", "a\u2028b", " a", "a\x00"])
def test_a_key_that_would_break_the_file_is_refused(key: str) -> None:
    _, added = Ids().extended({IdKind.SENSOR: [key]})
    with pytest.raises(IdsError, match="another key"):
        format_ids(added)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        ids = parse_ids(text)
    except IdsError:
        return
    given_lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    assert sum(len(ids[kind]) for kind in IdKind) == len(given_lines)
