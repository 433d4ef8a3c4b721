# SPDX-License-Identifier: Apache-2.0
"""No input may crash the readers of DATEX II: they give readings, or refuse."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RefusedError
from schemas.feeds.datex2 import decode_measured, read_site_table
from schemas.feeds.decoded import Tally
from schemas.ndw_roads import road_table
from schemas.reading import NoValue
from schemas.refusal import Reason
from schemas.roads import road_ids
from tests.schemas.feeds.documents import (
    channel,
    channels_of,
    flow,
    length_limit,
    measurements,
    publication,
    record,
    speed,
    table_document,
    value,
)

RECORDS = [
    record("GDH01_A", channel("1"), channel("2", "trafficSpeed"), channel("3", limits=length_limit("lessThan", "5.6"))),
    record("GDH01_B", channel("1"), version="7"),
]
CHANNELS = channels_of(*RECORDS)
TABLE = table_document(*RECORDS)
PUBLICATION = publication(
    measurements(
        "GDH01_A", flow("1", "840", 'supplierCalculatedDataQuality="99.0"'), speed("2", "-1", error="true"),
        flow("3", "0"),
    ),
    measurements("GDH01_B", flow("1", "60"), value("2", "TrafficStatus", "<trafficStatus/>"), version="6"),
    measurements("GDH01_X", speed("1", "60")),
)
LIMIT_BYTES = 1_000_000
Read = TypeVar("Read")
MUTATIONS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 20), st.one_of(
        st.binary(max_size=8),
        st.sampled_from([
            b"<", b">", b"&", b"<!DOCTYPE a>", b"&x;", b"]]>", b"<!--", b"\x00", b"\xff\xfe", b"nan", b"1e999",
            b"</siteMeasurements>", b"<siteMeasurements>", b"<measuredValue index='1'>", b'xsi:type="Point"', b"",
        ]),
    )),
    min_size=1, max_size=5,
)


def mutated(document: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Bytes of the document replaced, cut out or put in at the given shares of its length."""
    for share, cut, put_in in changes:
        at = int(share * len(document))
        document = document[:at] + put_in + document[at + cut:]
    return document


def attempt(read: Callable[[], Read]) -> Read | None:
    """What was read; None where it was refused. Any other error goes through."""
    try:
        return read()
    except RefusedError:
        return None


def read_measured(document: bytes) -> None:
    """Decode, and check what must hold whatever came in."""
    result = attempt(lambda: decode_measured(document, CHANNELS, limit_bytes=LIMIT_BYTES))
    if result is None:
        return
    batch = result.batch
    assert set(batch.sensor.tolist()) <= {1, 2, 3}
    assert not np.any(np.isinf(batch.value))
    assert np.array_equal(np.isnan(batch.value), batch.reason != NoValue.NONE)
    assert np.all(batch.begin > 0)
    assert np.all(batch.span_ms == 60_000)
    assert np.all(batch.quality <= 100)
    assert all(refusal.count >= 0 and refusal.reason in set(Reason) for refusal in result.refusals)
    assert result.counts[Tally.REFUSED_VALUES] == sum(refusal.count for refusal in result.refusals)


def read_table(document: bytes) -> None:
    """Read a site table and make roads of it."""
    table = attempt(lambda: read_site_table(document, LIMIT_BYTES))
    if table is None:
        return
    roads = road_table(table, (3.2, 50.75, 7.22, 53.7))
    assert all("\t" not in key and "\n" not in key for keys in road_ids(roads).values() for key in keys)


@given(st.one_of(st.binary(max_size=500), st.text(max_size=500).map(str.encode)))
def test_any_bytes(document: bytes) -> None:
    for body in (document, gzip.compress(document), b"\x1f\x8b" + document):
        read_measured(body)
        read_table(body)


@settings(max_examples=300)
@given(MUTATIONS)
def test_a_damaged_publication(changes: list[tuple[float, int, bytes]]) -> None:
    read_measured(mutated(PUBLICATION, changes))


@settings(max_examples=200)
@given(MUTATIONS)
def test_a_damaged_site_table(changes: list[tuple[float, int, bytes]]) -> None:
    read_table(mutated(TABLE, changes))


@given(MUTATIONS)
def test_a_damaged_gzip(changes: list[tuple[float, int, bytes]]) -> None:
    read_measured(mutated(gzip.compress(PUBLICATION), changes))


LETTERS = st.characters(codec="utf-8", exclude_characters="<&", exclude_categories=["Cc", "Cs", "Cn"])
TEXT = st.text(LETTERS, max_size=12)
SMALL = st.one_of(TEXT, st.sampled_from(["1", "2", "3", "60", "0", "-1", "true", "false", "-0", "1e400", "nan"]))


@given(SMALL, SMALL, SMALL, SMALL, SMALL)
def test_any_text_in_any_place(index: str, number: str, error: str, time: str, quality: str) -> None:
    attribute = quality.replace('"', "")
    read_measured(publication(measurements(
        "GDH01_A",
        flow(index.replace('"', ""), number, f'supplierCalculatedDataQuality="{attribute}"', error),
        speed("2", number, f'numberOfInputValuesUsed="{attribute}"', error),
        flow("1", "60", more=f"<measurementOrCalculationTime>{time}</measurementOrCalculationTime>"),
    ), measurements("GDH01_A", flow("1", number), time=time)))


@settings(max_examples=50)
@given(SMALL, SMALL, SMALL, SMALL)
def test_any_text_in_a_site_table(key: str, lane: str, length: str, period: str) -> None:
    quoted = key.replace('"', "")
    read_table(table_document(record(
        quoted, channel(quoted, lane=lane, period=period), channel("1", lane, limits=length_limit("lessThan", length)),
        version=quoted, lanes=length,
    )))


@pytest.mark.data
@settings(max_examples=10)
@given(changes=MUTATIONS)
def test_a_damaged_real_publication(data_dir: Path, changes: list[tuple[float, int, bytes]]) -> None:
    document = (data_dir / "ndw-2016" / "samples" / "mdp_a20_test_1.xml").read_bytes()
    read_measured(mutated(document, changes))
    read_table(mutated((data_dir / "ndw-2016" / "samples" / "mst.xml").read_bytes(), changes))
