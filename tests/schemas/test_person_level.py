# SPDX-License-Identifier: Apache-2.0
"""Hardware addresses and names of the sender never come out, wherever they stand."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.formats import FORMATS
from schemas.refusal import is_person_level

SPELLINGS = ("{0}:{1}:{2}:{3}:{4}:{5}", "{0}-{1}-{2}-{3}-{4}-{5}", "{0}{1}{2}{3}{4}{5}", "{0}{1}.{2}{3}.{4}{5}")
JSON_FORMATS = sorted(key for key, one in FORMATS.items() if key not in ("csv", "hikvision", "datex2-situations"))


ADDRESSES = st.builds(
    lambda spelling, numbers: spelling.format(*(f"{number:02x}" for number in numbers)),
    st.sampled_from(SPELLINGS), st.binary(min_size=6, max_size=6))


@given(ADDRESSES)
def test_a_hardware_address_is_no_name_of_a_field(mac: str) -> None:
    assert is_person_level(mac)
    assert is_person_level(mac.upper())


@pytest.mark.parametrize("name", ["sensor", "count", "deadbeef", "line-0", "2026-03-01T11:04:00Z", "GDH-CAM-07"])
def test_ordinary_names_are_not(name: str) -> None:
    assert not is_person_level(name)


@pytest.mark.parametrize("key", JSON_FORMATS)
@given(mac=ADDRESSES)
@settings(max_examples=20)
def test_no_format_repeats_an_address_that_stands_as_a_name(key: str, mac: str) -> None:
    for document in ({mac: {"rssi": -60}}, {"data": [{mac: 1}]}, {"a": {"b": [{"mac": mac, mac: mac}]}}, [{mac: mac}]):
        body = msgspec.json.encode(document)
        with pytest.raises(RefusedError) as refused:
            FORMATS[key].decode(body, Source(format=key), {})
        assert mac not in str(refused.value), key
