# SPDX-License-Identifier: Apache-2.0
"""A recording is moved in time and otherwise stays byte for byte what it was."""

import gzip
import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import FatalError
from schemas.feeds.datex2 import RoadChannels, decode_measured, read_site_table
from schemas.ndw_roads import road_table
from streams.simulate.recording import (
    MEASURED,
    MINUTE_US,
    SITE_TABLE,
    Recording,
    read_recording,
    recorded_file,
)
from tests.cities import small_city

PUBLISHED_US = 1_473_429_520_009_000
"""2016-09-09T13:58:40.009Z"""
DOCUMENT = b"""<?xml version="1.0" encoding="UTF-8"?>
<d:d2LogicalModel xmlns:d="http://datex2.eu/schema/2/2_0"><d:payloadPublication>
<d:publicationTime>2016-09-09T13:58:40.009Z</d:publicationTime>
<d:siteMeasurements><d:measurementSiteReference version="1" id="A &amp; B"/>
<d:measurementTimeDefault>
  2016-09-09T13:57:00Z
</d:measurementTimeDefault><d:x>1</d:x></d:siteMeasurements>
<d:siteMeasurements><d:measurementSiteReference id='LONG' version='1'/>
<d:measurementTimeDefault>2016-09-09T15:45:00+02:00</d:measurementTimeDefault></d:siteMeasurements>
<d:siteMeasurements><d:measurementSiteReference id="OTHER" version="1"/>
<d:measurementTimeDefault>2016-09-09T13:56:20.16Z</d:measurementTimeDefault></d:siteMeasurements>
</d:payloadPublication></d:d2LogicalModel>
"""
PERIODS_S = {"A & B": 60.0, "LONG": 900.0, "OTHER": 60.0}
starts = st.integers(1_700_000_000_000_000, 1_900_000_000_000_000)


def times(document: bytes) -> list[str]:
    return [text.decode() for text in re.findall(rb">(\d{4}-[^<]*Z)<", document)]


def test_at_its_own_time_it_is_itself() -> None:
    recording = Recording.of(DOCUMENT, PERIODS_S)
    assert recording.published_us == PUBLISHED_US
    again = recording.publication(PUBLISHED_US, 0)
    assert times(again) == [
        "2016-09-09T13:58:40.009Z", "2016-09-09T13:57:00.000Z", "2016-09-09T13:45:00.000Z",
        "2016-09-09T13:56:20.160Z",
    ]
    stamp = re.compile(rb">\s*\d{4}-[^<]*<")
    assert stamp.sub(b"><", again) == stamp.sub(b"><", DOCUMENT)


@settings(max_examples=40, deadline=None)
@given(starts, st.integers(0, 5_000))
def test_it_moves_by_whole_minutes_and_sites_by_their_own_period(after_us: int, repetition: int) -> None:
    recording = Recording.of(DOCUMENT, PERIODS_S)
    start_us = recording.aligned_start_us(after_us)
    assert 0 <= start_us - after_us < MINUTE_US
    assert (start_us - PUBLISHED_US) % MINUTE_US == 0
    moved = Recording.of(recording.publication(start_us, repetition), PERIODS_S)
    shifts = [
        (now.time_us - before.time_us) - (start_us - PUBLISHED_US)
        for now, before in zip(moved.stamps, recording.stamps, strict=True)
    ]
    minutes = repetition * MINUTE_US
    assert shifts == [minutes, minutes, minutes // (15 * MINUTE_US) * 15 * MINUTE_US, minutes]


def test_sites_that_are_not_wanted_are_left_out() -> None:
    document = Recording.of(DOCUMENT, {"LONG": 900.0}).publication(PUBLISHED_US, 0)
    assert document.count(b"<d:siteMeasurements>") == 1
    assert b"LONG" in document
    assert document.endswith(b"</d:d2LogicalModel>\n")


@pytest.mark.parametrize("document", [
    b"", b"no xml at all", DOCUMENT.replace(b"publicationTime", b"somethingElse"),
    DOCUMENT.replace(b"13:57:00Z", b"yesterday"), DOCUMENT.replace(b"13:57:00Z", b"13:57:00"),
])
def test_a_document_without_its_times_is_refused(document: bytes) -> None:
    with pytest.raises(FatalError):
        Recording.of(document, PERIODS_S)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, len(DOCUMENT)))
def test_broken_documents_are_refused_or_moved_never_a_crash(inserted: bytes, at: int) -> None:
    try:
        recording = Recording.of(DOCUMENT[:at] + inserted + DOCUMENT[at:], PERIODS_S)
    except FatalError:
        return
    assert recording.publication(PUBLISHED_US, 1)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_may_hold_it_packed_or_not(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / (f"{MEASURED}.gz" if packed else MEASURED)
    path.write_bytes(gzip.compress(DOCUMENT) if packed else DOCUMENT)
    assert read_recording(tmp_path, PERIODS_S) == Recording.of(DOCUMENT, PERIODS_S)


def test_a_folder_without_it_or_with_half_of_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"no traffic_speed\.xml"):
        read_recording(tmp_path, PERIODS_S)
    (tmp_path / f"{MEASURED}.gz").write_bytes(gzip.compress(DOCUMENT)[:100])
    with pytest.raises(FatalError, match="cannot be read"):
        read_recording(tmp_path, PERIODS_S)


@pytest.mark.data
def test_the_real_feed_is_read_by_the_ordinary_decoder_at_its_new_time(data_dir: Path) -> None:
    folder = data_dir / "ndw-denhaag-2016"
    with recorded_file(folder, SITE_TABLE).open("rb") as stream:
        roads = road_table(read_site_table(stream), None)
    channels = RoadChannels.of(roads, small_city(roads).ids)
    periods_s: dict[str, float] = {row["zone"]: row["period_s"] for row in roads.table.to_pylist()}
    recording = read_recording(folder, periods_s)
    start_us = recording.aligned_start_us(1_780_000_000_000_000)
    original = decode_measured(io.BytesIO(recorded_file(folder, MEASURED).read_bytes()), channels)
    moved = decode_measured(io.BytesIO(recording.publication(start_us, 7)), channels)
    assert len(moved.batch) == len(original.batch) > 2_000
    assert moved.refusals == original.refusals
    assert (moved.batch.sensor == original.batch.sensor).all()
    shift_us = start_us - recording.published_us + 7 * MINUTE_US
    assert (moved.batch.begin - original.batch.begin == shift_us).all()
