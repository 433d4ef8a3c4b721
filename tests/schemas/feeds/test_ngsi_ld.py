# SPDX-License-Identifier: Apache-2.0
import json
import math
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.local_time import AMBIGUOUS_QUALITY
from schemas.feeds.ngsi_ld import (
    COUNT,
    OLD_SPELLINGS,
    OTHER_ATTRIBUTES,
    PASSED,
    SPEED,
    TIMES_DIFFER,
    decode,
    looks_like,
)
from schemas.feeds.observed import Observed, placed
from schemas.ids import IdKind
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason
from schemas.registry import Registry
from tests.cities import small_city, small_file
from tests.schemas.feeds.damaged import ALLOWED, bodies, documents, whole

DOC = Path(__file__).resolve().parents[3] / "docs" / "feeds" / "ngsi_ld.md"
SOURCE = Source(format="ngsi-ld", device_until_last="-")
BEGIN_US, END_US = 1_772_363_040_000_000, 1_772_363_100_000_000
CROWD: dict[str, Any] = {
    "id": "urn:ngsi-ld:CrowdFlowObserved:gdh-blvd-07-1104", "type": "CrowdFlowObserved",
    "dateObserved": "2026-03-01T11:04:00Z/2026-03-01T11:05:00Z", "dateObservedFrom": "2026-03-01T11:04:00Z",
    "dateObservedTo": "2026-03-01T11:05:00Z", "peopleCount": 37, "averageCrowdSpeed": 4.1, "direction": "inbound",
    "congested": False, "location": {"type": "Point", "coordinates": [4.273, 52.111]},
}
TRAFFIC: dict[str, Any] = {
    "id": "urn:ngsi-ld:TrafficFlowObserved:gdh-weg-3", "type": "TrafficFlowObserved",
    "dateObservedFrom": {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-03-01T12:04:00+01:00"}},
    "dateObservedTo": {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-03-01T11:05:00Z"}},
    "intensity": {"type": "Property", "value": 14}, "laneId": {"type": "Property", "value": 2},
    "refDevice": {"type": "Relationship", "object": "urn:ngsi-ld:Device:lus-9"},
    "averageVehicleSpeed": {"type": "Property", "value": 50, "unitCode": "KMH"},
    "occupancy": {"type": "Property", "value": 0.76},
}
ITEM: dict[str, Any] = CROWD | {
    "type": "ItemFlowObserved", "itemType": "people", "laneId": 1, "laneDirection": "forward", "intensity": 12,
}


def read(*entities: object, source: Source = SOURCE) -> Observed:
    return decode(json.dumps(entities).encode(), source, {})


def normalised(entity: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if name in ("id", "type") else {"type": "Property", "value": value}
        for name, value in entity.items()
    }


def test_passages_with_a_direction() -> None:
    observed = read(CROWD)
    [one] = observed.observations
    assert (one.device, one.metric, one.direction) == ("urn:ngsi-ld:CrowdFlowObserved:gdh-blvd-07", None, "inbound")
    assert (one.begin_us, one.end_us, one.value) == (BEGIN_US, END_US, 37)
    assert observed.refusals == []
    assert observed.counts == {"averageCrowdSpeed": 1, "congested": 1, OTHER_ATTRIBUTES: 1}


def test_all_forms_and_envelopes_say_the_same() -> None:
    second_version = {
        name: value if name in ("id", "type") else {"type": "Number", "value": value, "metadata": {}}
        for name, value in CROWD.items()
    }
    expected = read(CROWD).observations[0]
    for document in (
        CROWD, [CROWD], [normalised(CROWD)], [second_version],
        {"id": "urn:n:1", "type": "Notification", "subscriptionId": "s", "notifiedAt": "t", "data": [CROWD]},
        {"subscriptionId": "s", "data": [second_version]},
    ):
        [one] = decode(json.dumps(document).encode(), SOURCE, {}).observations
        assert (one.device, one.direction, one.begin_us, one.end_us, one.value) == (
            expected.device, expected.direction, expected.begin_us, expected.end_us, expected.value)


def test_vehicles_and_their_mean_speed() -> None:
    observed = read(TRAFFIC)
    count, speed = observed.observations
    assert (count.device, count.metric, count.value) == ("urn:ngsi-ld:Device:lus-9/2", Metric.VEHICLES, 14)
    assert (speed.metric, speed.value, speed.weight) == (Metric.SPEED, 50, 14)
    assert (count.begin_us, count.end_us) == (BEGIN_US, END_US)
    assert observed.counts == {"occupancy": 1}


@pytest.mark.parametrize(("unit", "value"), [("KMH", 10.0), ("MTS", 36.0), ("KNT", 18.52)])
def test_speeds_become_km_h(unit: str, value: float) -> None:
    given = {"type": "Property", "value": 10, "unitCode": unit}
    [_, speed] = read(TRAFFIC | {"averageVehicleSpeed": given}).observations
    assert speed.value == pytest.approx(value)


def test_a_speed_over_no_vehicles_is_missing() -> None:
    count, speed = read(TRAFFIC | {"intensity": 0, "averageVehicleSpeed": 0}).observations
    assert (count.value, speed.value, speed.no_value) == (0, None, NoValue.NO_VEHICLES)


def test_people_without_a_direction_are_a_state_at_an_instant() -> None:
    still = {name: value for name, value in CROWD.items() if name not in ("direction", "dateObservedFrom")}
    still = still | {"dateObserved": "2026-03-01T11:04:00Z"}
    del still["dateObservedTo"]
    [one] = read(still).observations
    assert (one.metric, one.begin_us, one.end_us) == (Metric.PEOPLE, BEGIN_US, BEGIN_US)


def test_occupancy_is_no_number_of_people() -> None:
    observed = read({name: value for name, value in CROWD.items() if name != "peopleCount"} | {"occupancy": 0.4})
    assert observed.observations == []
    assert observed.counts["occupancy"] == 1


def test_items() -> None:
    [people] = read(ITEM | {"averageSpeed": 4}).observations
    assert (people.metric, people.direction, people.value) == (None, "forward", 12)
    [vehicles] = read(ITEM | {"itemType": "vehicle"}).observations
    assert vehicles.metric is Metric.VEHICLES
    for kind in ("yacht", "ship", None, "cat", 3):
        observed = read(ITEM | {"itemType": kind})
        assert [refusal.reason for refusal in observed.refusals] == [Reason.UNUSED_TYPE]
        assert observed.observations == []


def test_vehicles_of_one_class_are_not_taken_for_all() -> None:
    observed = read(TRAFFIC | {"vehicleType": "lorry"})
    assert [(one.reason, one.count) for one in observed.refusals] == [(Reason.UNUSED_TYPE, 2)]


def test_missing_and_zero_are_told_apart() -> None:
    values = [read(CROWD | {"peopleCount": value}).observations[0] for value in (0, None, "urn:ngsi-ld:null", -1)]
    assert [one.value for one in values] == [0, None, None, None]
    assert [one.no_value for one in values[1:]] == [NoValue.NULL, NoValue.NULL, NoValue.NEGATIVE]


@pytest.mark.parametrize("value", ["37", True, [37], {"unitCode": "C62"}, [{"type": "Property", "value": 1}]])
def test_a_count_that_is_no_number_is_refused_alone(value: object) -> None:
    observed = read(TRAFFIC | {"intensity": value}, CROWD)
    assert [(one.reason, one.count) for one in observed.refusals] == [(Reason.BAD_VALUE, 1)]
    assert [one.metric for one in observed.observations] == [Metric.SPEED, None]
    assert math.isnan(observed.observations[0].weight)


@pytest.mark.parametrize("change", [
    {"dateObservedTo": None, "dateObserved": "2026-03-01T11:04:00Z"}, {"dateObservedFrom": "yesterday"},
    {"dateObservedFrom": "2026-03-01T11:04:00"}, {"dateObservedFrom": 1772363040},
    {"dateObservedFrom": None, "dateObservedTo": None, "dateObserved": None},
])
def test_a_time_that_is_none_refuses_the_entity(change: dict[str, object]) -> None:
    observed = read(CROWD | change)
    assert observed.observations == []
    assert [(one.reason, one.count) for one in observed.refusals] == [(Reason.BAD_TIME, 1)]


def test_an_interval_in_one_text_will_do_and_the_ends_win() -> None:
    [one] = read(CROWD | {"dateObservedFrom": None, "dateObservedTo": None}).observations
    assert (one.begin_us, one.end_us) == (BEGIN_US, END_US)
    observed = read(CROWD | {"dateObserved": "2026-03-01T11:00:00Z/2026-03-01T11:05:00Z"})
    assert observed.observations[0].begin_us == BEGIN_US
    assert observed.counts[TIMES_DIFFER] == 1


def test_local_times_need_the_sources_zone() -> None:
    local = CROWD | {"dateObserved": "2026-10-25T02:10:00/2026-10-25T02:15:00"}
    del local["dateObservedFrom"], local["dateObservedTo"]
    assert read(local).refusals[0].reason == Reason.BAD_TIME
    zoned = Source(format="ngsi-ld", timezone="Europe/Amsterdam")
    [one] = read(local, source=zoned).observations
    assert (one.end_us - one.begin_us, one.quality) == (300_000_000, AMBIGUOUS_QUALITY)
    gap = local | {"dateObserved": "2026-03-29T02:10:00/2026-03-29T02:15:00"}
    assert read(gap, source=zoned).refusals[0].reason == Reason.BAD_TIME


def test_old_spellings_other_types_and_ids_that_are_no_urn() -> None:
    observed = read(
        CROWD | {"id": "CrowdFlow 1", "location": {"type": "Geoproperty", "value": {}}}, {"id": "d", "type": "Device"},
        source=Source(format="ngsi-ld"))
    assert observed.observations[0].device == "CrowdFlow 1"
    assert observed.counts[OLD_SPELLINGS] == 1
    assert [(one.reason, one.where) for one in observed.refusals] == [(Reason.UNUSED_TYPE, "$[1]")]


@pytest.mark.parametrize("body", [b"", b"5", b"{}", b"null", b"[", b"\xff", b'{"data": 3}'])
def test_no_entities_at_all(body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        decode(body, SOURCE, {})
    assert refused.value.reason == Reason.MALFORMED


@pytest.mark.parametrize("extra", [
    {"gender": "f"}, {"note": [{"deep": {"Track-Id": "secret-7"}}]}, {"mac_address": {"value": "secret-7"}},
    {"image": "secret-7"}, {"x": {"value": {"metadata": {"licencePlate": "secret-7"}}}},
])
def test_a_person_anywhere_refuses_everything(extra: dict[str, object]) -> None:
    with pytest.raises(RefusedError) as refused:
        read(CROWD, CROWD | extra)
    assert refused.value.reason == Reason.PERSON_LEVEL
    assert "secret" not in str(refused.value)


def test_it_looks_like_itself() -> None:
    assert looks_like(json.dumps(CROWD).encode())
    assert not looks_like(b'{"phenomenonTime": 1}')


def test_the_page_of_this_format_holds_a_message_that_is_placed() -> None:
    [body] = re.findall(r"```json\n(.*?)```", DOC.read_text(), re.DOTALL)
    sensors = {
        key: msgspec.structs.replace(
            sensor, vendor_id="urn:ngsi-ld:Device:pb-07", in_direction="inbound", source="fiware")
        if key == "teller-plein-straat" else sensor for key, sensor in small_file().sensors.items()
    }
    city = small_city(sensors=sensors, sources={**small_file().sources, "fiware": Source(format="ngsi-ld")})
    result = placed(decode(body.encode(), city.file.sources["fiware"], {}), Registry.of(city), "fiware")
    assert result.refusals == []
    assert result.batch.sensor.tolist() == [city.ids[IdKind.SENSOR]["teller-plein-straat"]]
    assert (result.batch.metric.tolist(), result.batch.value.tolist()) == ([Metric.IN], [37])


def test_a_weight_beyond_all_counting_does_not_disturb_a_batch() -> None:
    count, speed = read(TRAFFIC | {"intensity": 1e300}).observations
    assert count.value == 1e300
    assert math.isnan(np.float32(speed.weight))


def values_in(document: object) -> int:
    """How many counts and speeds of people or vehicles a list of entities of known types holds."""
    return sum(
        len({COUNT[str(entity["type"])], SPEED[str(entity["type"])]} & entity.keys())
        for entity in document if isinstance(entity, dict)
    ) if isinstance(document, list) else 0


@given(st.lists(st.tuples(st.sampled_from([CROWD, TRAFFIC, ITEM]), st.dictionaries(
    st.sampled_from(["peopleCount", "intensity", "averageSpeed", "direction", "dateObserved", "dateObservedFrom",
                     "refDevice", "itemType", "vehicleType"]),
    st.sampled_from([None, 1, -1, "x", True, [], {"value": 3}, "2026-03-01T11:04:00Z"]), max_size=4)), max_size=5))
def test_every_value_is_accounted_for(drawn: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    entities = [entity | change for entity, change in drawn]
    observed = read(*entities)
    speeds_of_people = sum(observed.counts.get(name, 0) for name in SPEED.values())
    refused = sum(refusal.count for refusal in observed.refusals)
    assert len(observed.observations) + refused + speeds_of_people == values_in(entities)
    assert sum(observed.counts.get(name, 0) for name in PASSED) == sum(
        len(entity.keys() & set(PASSED)) for entity in entities)


@given(documents([CROWD, TRAFFIC, ITEM]))
def test_no_shape_breaks_it(document: object) -> None:
    assert whole(decode, json.dumps(document).encode(), SOURCE) in ALLOWED


@given(bodies([normalised(CROWD), TRAFFIC]))
def test_no_bytes_break_it(body: bytes) -> None:
    looks_like(body)
    assert whole(decode, body, SOURCE) in ALLOWED
