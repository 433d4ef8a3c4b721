# SPDX-License-Identifier: Apache-2.0
"""Sightings through the page's door: into the site's partition, refused with a reason, shown beside the zone."""

from collections.abc import Iterator
from typing import Any, cast

import httpx
import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.errors import DrukteError
from schemas.ids import IdKind
from schemas.live import LiveTable
from schemas.log import JSON, Kind, LogMessage, ReadHeaders, Topic, decode_log, event_headers
from schemas.sighting import SHOWN_TYPE, Disagreement, Role, Said, SightingShown, encode_shown
from streams.core.layout import partition_of_site
from streams.gateway.access import token_hash
from streams.serve.wording import DISAGREEMENTS, ROLES
from streams.settings import ServeSettings
from streams.sighting_command import post_sighting
from streams.writer.rows import Message
from tests.gateway.mock_broker import MockBroker
from tests.serve.running import LIMIT_S, SHOWN_S, address, page_city, running, send, settings_for, zones
from tests.services.process import free_port, wait_until
from tests.writer.samples import NOON, live_message, zone_row

TOLD = {"zone": "plein", "role": "steward", "percent": 80}
TYPE = {"content-type": "application/json"}


def log_messages(broker: MockBroker, partition: int) -> Iterator[LogMessage]:
    reader = Consumer({"bootstrap.servers": broker.kafka.bootstrap, "group.id": "test"})
    try:
        reader.assign([TopicPartition(Topic.SITE_LOG.value, partition, 0)])
        found: list[LogMessage] = []

        def came() -> bool:
            found.extend(decode_log(cast("ReadHeaders | None", one.headers()), one.value())
                         for one in reader.consume(10, 0.2) if one.error() is None)
            return bool(found)

        wait_until(came, LIMIT_S, "the sighting is in the log")
        yield from found
    finally:
        reader.close()


def shown(revision: int = 0, **changes: Any) -> Message:
    seen = SightingShown(**{
        "site": "centrum", "zone": "plein", "at_us": round((NOON.timestamp() + SHOWN_S - 20) * 1e6),
        "role": Role.STEWARD, "said": Said.PERCENT, "people_low": 260, "people_high": 384, "sensor_low": None,
        "sensor_high": None, "disagreement": Disagreement.NOT_COMPARED,
        "window_start_us": round(NOON.timestamp() * 1e6), "revision": revision, **changes,
    })
    headers = event_headers(SHOWN_TYPE, "urn:drukte:worker", seen.event_id, JSON)
    return Message(Topic.LIVE, 0, revision, headers, encode_shown(seen))


def test_a_sighting_goes_to_the_partition_of_its_site(broker: MockBroker) -> None:
    with running(settings_for(broker.kafka)) as client:
        answer = client.post("/api/sightings", json=TOLD)
        assert answer.status_code == 202
        assert (answer.json()["zone"], answer.json()["site"]) == ("plein", "centrum")
        number = page_city().ids[IdKind.SITE]["centrum"]
        [message] = log_messages(broker, partition_of_site(number, broker.kafka.partitions))
    assert message.kind is Kind.SIGHTING
    assert message.id == answer.json()["id"]
    seen = message.sighting
    assert seen is not None
    assert (seen.zone, seen.role, seen.percent, seen.count) == ("plein", Role.STEWARD, 80.0, None)
    assert seen.at_us <= message.ingested_at_us < seen.at_us + LIMIT_S * 1e6


def test_what_cannot_be_taken_is_told_and_repeats_nothing(broker: MockBroker) -> None:
    bad: list[tuple[int, dict[str, Any]]] = [
        (422, TOLD | {"zone": "markt"}), (422, {"zone": "plein", "role": "steward", "colour": "paars"}),
        (422, TOLD | {"count": 5}), (422, TOLD | {"zone": "straat"}), (422, TOLD | {"time": "2020-01-01T00:00:00Z"}),
        (400, TOLD | {"name": "Geheim"}), (400, TOLD | {"role": "baas"}), (400, TOLD | {"time": "2026-01-01T00:00:00"}),
    ]
    with running(settings_for(broker.kafka)) as client:
        for status, told in bad:
            answer = client.post("/api/sightings", json=told)
            assert answer.status_code == status, told
            assert answer.headers["content-type"] == "application/problem+json"
            assert "Geheim" not in answer.text
        plain = client.post("/api/sightings", content=msgspec.json.encode(TOLD), headers={"content-type": "text/plain"})
        assert plain.status_code == 415
        assert client.post("/api/sightings", content=b"{" * 5_000, headers=TYPE).status_code == 413
        assert client.post("/api/sightings", content=b"{", headers=TYPE).status_code == 400


def test_a_token_opens_its_own_role_only(broker: MockBroker) -> None:
    tokens = {Role.STEWARD: [token_hash("s" * 20)], Role.OPERATOR: [token_hash("o" * 20)]}
    serve = ServeSettings(port=free_port(), sighting_tokens=tokens)
    settings = msgspec.structs.replace(settings_for(broker.kafka), serve=serve)
    with running(settings) as client:
        def status(token: str, **told: Any) -> int:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            return client.post("/api/sightings", json=TOLD | told, headers=headers).status_code

        assert status("s" * 20) == 202
        assert status("o" * 20, role="operator") == 202
        assert [status("o" * 20), status("s" * 20, role="police"), status("x"), status("")] == [401] * 4
        assert post_sighting(address(settings), TOLD, "s" * 20)["zone"] == "plein"
        with pytest.raises(DrukteError, match="401"):
            post_sighting(address(settings), TOLD, None)
        assert httpx.get(f"{address(settings)}/v1/state").status_code == 200


def test_a_page_that_others_reach_takes_none_without_tokens(broker: MockBroker) -> None:
    serve = ServeSettings(host="0.0.0.0", port=free_port())  # noqa: S104  # what is tested
    settings = msgspec.structs.replace(settings_for(broker.kafka), serve=serve)
    with running(settings) as client:
        assert client.post("/api/sightings", json=TOLD).status_code == 403


def test_the_state_shows_the_newest_sighting_in_bands(broker: MockBroker) -> None:
    compared = shown(1, disagreement=Disagreement.SENSOR_LOWER, sensor_low=100, sensor_high=104)
    with running(settings_for(broker.kafka)) as client:
        send(broker, live_message(LiveTable.ZONE, zone_row(1, 0, 100)), shown(), compared, shown())

        def seen() -> Any:
            return zones(client.get("/v1/state").json())["plein"]["sighting"]

        wait_until(lambda: seen() is not None and seen()["disagreement"] == "sensor-lower", LIMIT_S, "it is shown")
        assert seen()["people"] == "260–384"
        assert (seen()["role"], seen()["word"]) == ("steward", "sensor ziet minder")
        old = shown(zone="straat", at_us=round((NOON.timestamp() - 900) * 1e6))
        send(broker, old, live_message(LiveTable.ZONE, zone_row(2, 0, 20)))
        wait_until(lambda: zones(client.get("/v1/state").json())["straat"]["level"] is not None, LIMIT_S, "the street")
        assert zones(client.get("/v1/state").json())["straat"]["sighting"] is None


def test_every_role_and_every_disagreement_has_a_word() -> None:
    assert set(ROLES) == set(Role)
    assert set(DISAGREEMENTS) == set(Disagreement)
