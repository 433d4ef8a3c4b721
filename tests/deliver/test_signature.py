# SPDX-License-Identifier: Apache-2.0
"""A receiver can tell our calls from all others."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.deliver.signature import sign, verify_signature

SECRET = "an open secret of tests"  # noqa: S105  it guards nothing
AT_S = 1_780_000_000


@given(body=st.binary(), drift_s=st.integers(-300, 300))
def test_our_own_is_good(body: bytes, drift_s: int) -> None:
    assert verify_signature(SECRET, sign(SECRET, body, AT_S), body, AT_S + drift_s)


@given(body=st.binary(), other=st.binary())
def test_another_body_or_secret_is_not(body: bytes, other: bytes) -> None:
    header = sign(SECRET, body, AT_S)
    assert verify_signature(SECRET, header, other, AT_S) is (body == other)
    assert not verify_signature(SECRET + "!", header, body, AT_S)


def test_it_is_the_hmac_that_the_documents_say() -> None:
    digest = hmac.new(SECRET.encode(), f"{AT_S}.".encode() + b"{}", hashlib.sha256).hexdigest()
    assert sign(SECRET, b"{}", AT_S) == f"t={AT_S},v1={digest}"


@pytest.mark.parametrize("late_s", [-301, 301, 86_400])
def test_an_old_call_is_not_taken_again(late_s: int) -> None:
    assert not verify_signature(SECRET, sign(SECRET, b"{}", AT_S), b"{}", AT_S + late_s)


def test_the_time_cannot_be_changed() -> None:
    moved = sign(SECRET, b"{}", AT_S).replace(str(AT_S), str(AT_S + 100))
    assert not verify_signature(SECRET, moved, b"{}", AT_S + 100)


@given(header=st.text())
def test_any_other_header_is_refused_and_not_an_error(header: str) -> None:
    assert not verify_signature(SECRET, header, b"{}", AT_S)


@pytest.mark.parametrize("header", ["", "t=,v1=", "t=1780000000", "t=x,v1=é", "t=1780000000,v1=é", "t=٣,v1="])
def test_broken_headers(header: str) -> None:
    assert not verify_signature(SECRET, header, b"{}", AT_S)
