# SPDX-License-Identifier: Apache-2.0
"""Purging a sensor through the page's door: the data engineer's token alone, and the fold's answer as the outcome."""

import threading
from collections.abc import Iterator

import msgspec
import pytest
from typer.testing import CliRunner

from schemas.command import PurgeSensor
from schemas.errors import DrukteError
from schemas.health import PURGED_TYPE, Purged, encode_purged
from schemas.ids import IdKind
from schemas.log import JSON, Kind, Topic, event_headers
from streams import cli
from streams.core.layout import partition_of_site
from streams.gateway.access import token_hash
from streams.sensor_command import post_purge
from streams.settings import CommandsSettings, Settings
from streams.writer.rows import Message
from tests.gateway.mock_broker import MockBroker, log_message
from tests.serve.running import address, page_city, running, send, settings_for

TOKEN = "e" * 20
SENSOR = "cam-plein"
PATH = f"/api/sensors/{SENSOR}/purge"
BEARER = {"authorization": f"Bearer {TOKEN}"}


def guarded(broker: MockBroker) -> Settings:
    commands = CommandsSettings(data_engineer_tokens=[token_hash("old" * 9), token_hash(TOKEN)])
    return msgspec.structs.replace(settings_for(broker.kafka), commands=commands)


@pytest.fixture
def fold(broker: MockBroker) -> Iterator[list[int]]:
    """Stands for the worker: tells on `live` of each purge that comes into the log; the partitions of the purges."""
    partitions: list[int] = []

    def answer() -> None:
        [message] = broker.read(Topic.SITE_LOG, bool)
        told = log_message(message)
        assert (told.kind, told.command) == (Kind.COMMAND, PurgeSensor(sensor=SENSOR))
        partition = message.partition()
        assert partition is not None
        partitions.append(partition)
        # Of another sensor first: it is not the answer.
        for number, sensor in enumerate(("cam-straat", SENSOR)):
            headers = event_headers(PURGED_TYPE, "urn:drukte:worker", f"{sensor}/1", JSON)
            purged = Purged(sensor=sensor, kind="zone", place=1, at_us=1)
            send(broker, Message(Topic.LIVE, partition, number, headers, encode_purged(purged)))

    thread = threading.Thread(target=answer)
    thread.start()
    yield partitions
    thread.join()


def test_a_purge_is_done_when_the_fold_says_so(broker: MockBroker, fold: list[int]) -> None:
    with running(guarded(broker)) as client:
        answer = client.post(PATH, json={}, headers=BEARER)
    assert (answer.status_code, answer.json()) == (200, {"sensor": SENSOR, "done": True, "what": "forgotten"})
    assert fold == [partition_of_site(page_city().ids[IdKind.SITE]["centrum"], broker.kafka.partitions)]


def test_without_an_answer_it_is_in_the_log_and_says_so(broker: MockBroker) -> None:
    settings = guarded(broker)
    with running(settings):
        receipt = post_purge(address(settings), SENSOR, TOKEN)
    assert receipt["done"] is False
    assert "in the log" in receipt["what"]
    assert len(broker.read(Topic.SITE_LOG, bool)) == 1


def test_nobody_else_purges(broker: MockBroker) -> None:
    with running(guarded(broker)) as client:
        def status(path: str = PATH, **headers: str) -> int:
            return client.post(path, json={}, headers=headers).status_code

        assert [status(), status(authorization=f"Bearer {TOKEN}x"), status(authorization=TOKEN)] == [401] * 3
        assert status("/api/sensors/no-such/purge", **BEARER) == 404
        assert client.post(PATH, headers=BEARER).status_code == 415
        with pytest.raises(DrukteError, match="401"):
            post_purge(str(client.base_url), SENSOR, None)
    with running(settings_for(broker.kafka)) as client:
        assert client.post(PATH, json={}, headers=BEARER).status_code == 403
    # Ordered behind all of the above, and the only one.
    with running(guarded(broker)) as client:
        assert client.post(PATH, json={}, headers=BEARER).status_code == 202
    assert len(broker.read(Topic.SITE_LOG, bool)) == 1


def test_the_command_asks_first(broker: MockBroker) -> None:
    settings = guarded(broker)
    command = ["sensor", "purge", SENSOR, "--url", address(settings), "--token", TOKEN]
    with running(settings):
        assert CliRunner().invoke(cli.app, command, input="n\n").exit_code == 1
        done = CliRunner().invoke(cli.app, [*command, "--yes"])
    assert done.exit_code == 0, done.output
    assert "in the log" in done.output
    assert len(broker.read(Topic.SITE_LOG, bool)) == 1
