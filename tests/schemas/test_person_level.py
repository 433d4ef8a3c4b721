# SPDX-License-Identifier: Apache-2.0
"""Hardware addresses and names of the sender never come out, wherever they stand."""

import secrets

import msgspec
import pytest

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.formats import FORMATS
from schemas.refusal import is_person_level

SPELLINGS = ("{0}:{1}:{2}:{3}:{4}:{5}", "{0}-{1}-{2}-{3}-{4}-{5}", "{0}{1}{2}{3}{4}{5}", "{0}{1}.{2}{3}.{4}{5}")
JSON_FORMATS = sorted(key for key, one in FORMATS.items() if key not in ("csv", "hikvision", "datex2-situations"))


def address(spelling: str) -> str:
    return spelling.format(*(f"{number:02x}" for number in secrets.token_bytes(6)))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_hardware_address_is_no_name_of_a_field(spelling: str) -> None:
    assert is_person_level(address(spelling))
    assert is_person_level(address(spelling).upper())


@pytest.mark.parametrize("name", ["sensor", "count", "deadbeef", "line-0", "2026-03-01T11:04:00Z", "GDH-CAM-07"])
def test_ordinary_names_are_not(name: str) -> None:
    assert not is_person_level(name)


@pytest.mark.parametrize("key", JSON_FORMATS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_format_repeats_an_address_that_stands_as_a_name(key: str, spelling: str) -> None:
    mac = address(spelling)
    for document in ({mac: {"rssi": -60}}, {"data": [{mac: 1}]}, {"a": {"b": [{"mac": mac, mac: mac}]}}, [{mac: mac}]):
        body = msgspec.json.encode(document)
        with pytest.raises(RefusedError) as refused:
            FORMATS[key].decode(body, Source(format=key), {})
        assert mac not in str(refused.value), key
