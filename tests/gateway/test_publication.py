# SPDX-License-Identifier: Apache-2.0
"""Situations that are polled: fetched when they have changed, and in the log as context."""

import base64
import gzip
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from schemas.context import ContextRecord
from schemas.errors import FatalError
from schemas.log import Kind
from streams.door_settings import PullSettings
from streams.gateway.pulls import check_pull
from streams.settings import Settings
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import running, settings_for
from tests.gateway.test_context import CITY, SOURCE, point
from tests.schemas.feeds.test_situations import document
from tests.services.process import wait_until
from tests.services.publisher import Publisher

LON, LAT = next(iter(CITY.file.zones.values())).polygon[0]
LIMIT_S = 30.0


def publication(*keys: str) -> bytes:
    return gzip.compress(document(*(point(key, LON, LAT) for key in keys)))


def polled(broker: MockBroker, publisher: Publisher, **more: Any) -> Settings:
    settings = settings_for(broker.kafka)
    pull = PullSettings(kind="publication", url=f"{publisher.url}/situations.xml.gz?key=secret", poll_s=0.05, **more)
    return msgspec.structs.replace(settings, gateway=msgspec.structs.replace(settings.gateway, pulls={SOURCE: pull}))


def told(broker: MockBroker, enough: Callable[[list[str]], bool]) -> list[str]:
    def records(found: list[ContextRecord]) -> list[str]:
        return [one.record for one in found]

    messages = broker.decoded(lambda found: enough(records(
        [record for one in found for record in one.context or ()])))
    assert all(one.source == SOURCE for one in messages if one.kind is Kind.CONTEXT)
    return records([record for one in messages for record in one.context or ()])


@pytest.mark.parametrize(("name", "question"), [("ETag", "if-none-match"), ("Last-Modified", "if-modified-since")])
def test_a_publication_is_fetched_once_and_again_when_it_has_changed(
    broker: MockBroker, name: str, question: str
) -> None:
    with Publisher(publication("one")) as publisher:
        publisher.marks = {name: "Sun, 01 Mar 2026 11:05:00 GMT"}
        with running(polled(broker, publisher), city=CITY):
            assert told(broker, bool) == ["one"]
            wait_until(lambda: len(publisher.asked) > 4, LIMIT_S, "it is asked again")
            publisher.body = publication("two")
            publisher.marks = {name: "Sun, 01 Mar 2026 11:06:00 GMT"}
            assert told(broker, lambda found: len(found) > 1) == ["one", "two"]
        assert [publisher.asked[at].get(question) for at in (0, 1)] == [None, "Sun, 01 Mar 2026 11:05:00 GMT"]


def test_what_is_no_publication_is_refused_and_the_next_one_taken(broker: MockBroker) -> None:
    with Publisher(b"<html>away for lunch</html>") as publisher, running(polled(broker, publisher), city=CITY):
        wait_until(lambda: len(publisher.asked) > 1, LIMIT_S, "it is asked again")
        publisher.body = publication("one")
        publisher.marks = {"ETag": '"two"'}
        assert told(broker, bool) == ["one"]


def test_an_account_is_shown_and_no_key_is_logged(
    broker: MockBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    with Publisher(publication("one")) as publisher:
        publisher.account = "Basic " + base64.b64encode(b"u:right").decode()
        with running(polled(broker, publisher, user="u", password="wrong"), city=CITY):  # noqa: S106  # of the stand-in
            wait_until(lambda: bool(publisher.asked), LIMIT_S, "it is asked")
        with running(polled(broker, publisher, user="u", password="right"), city=CITY):  # noqa: S106  # of the stand-in
            assert told(broker, bool) == ["one"]
    output = capsys.readouterr().out
    assert "answers 401" in output
    assert "secret" not in output
    assert "right" not in output


@pytest.mark.parametrize("settings", [
    PullSettings(kind="publication", url="https://a/b.xml", api_key="k"),
    PullSettings(kind="publication", url="https://a/b.xml", devices=["1"]),
    PullSettings(kind="eco-counter", url="https://a/b", user="u", password="p"),  # noqa: S106  # of nobody
])
def test_settings_that_do_not_go_together_are_fatal(settings: PullSettings) -> None:
    with pytest.raises(FatalError, match=r"gateway\.pulls\.counters"):
        check_pull("counters", settings)
