# SPDX-License-Identifier: Apache-2.0
"""Situations at the door: to the partitions of the sites near them, and an answer that says what was read."""

from schemas.city import Source
from schemas.context import ContextRecord
from schemas.feeds.situations import FORMAT_KEY
from schemas.log import Kind
from tests.cities import small_city, small_file, small_roads
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import running, settings_for
from tests.schemas.feeds.test_situations import document, situation_record

SOURCE = "ndw-situations"
CITY = small_city(small_roads(), sources={
    **small_file().sources, "ndw": Source(format="datex2"), SOURCE: Source(format=FORMAT_KEY)})


def point(key: str, lon: float, lat: float) -> str:
    """A record at a point."""
    return situation_record(key=f'id="{key}" version="1"', place=(
        f"<sit:locationReference><loc:latitude>{lat}</loc:latitude><loc:longitude>{lon}</loc:longitude>"
        "</sit:locationReference>"))


def test_what_lies_near_a_site_reaches_the_log_and_the_rest_is_only_counted() -> None:
    broker = MockBroker()
    lon, lat = next(iter(CITY.file.zones.values())).polygon[0]
    body = document(point("near", lon, lat), point("far", lon + 1, lat), situation_record(times=""))

    def told() -> list[ContextRecord]:
        messages = broker.decoded(lambda found: any(one.kind is Kind.CONTEXT for one in found))
        return [record for one in messages if one.context is not None for record in one.context]

    with running(settings_for(broker.kafka), city=CITY) as client:
        answer = client.post(f"/in/{SOURCE}", content=body)
        assert (answer.status_code, answer.json()["records"]) == (202, 2)
        assert [one["reason"] for one in answer.json()["refused"]] == ["bad-time"]
        assert {(one.source, one.record) for one in told()} == {(SOURCE, "near")}
        assert client.post(f"/in/{SOURCE}", content=b"<a/>").status_code == 400
        signs = document(publication="vms:VmsPublication")
        assert client.post(f"/in/{SOURCE}", content=signs).status_code == 422
