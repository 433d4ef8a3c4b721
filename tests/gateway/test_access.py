# SPDX-License-Identifier: Apache-2.0
import hashlib
import hmac
import json
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import FatalError
from streams.door_settings import SourceSettings
from streams.gateway.access import Access, Allowance, check_guarded, new_token, token_hash
from streams.settings import GatewaySettings
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import running, settings_for

TOKEN, HASH = new_token()
SECRET = "a secret of some length"  # noqa: S105  # of this test alone
SOURCES = {
    "cameras": SourceSettings(token_hash=[token_hash("an older one"), HASH], requests_per_minute=60),
    "counters": SourceSettings(hmac_secret=SECRET, body_limit_bytes=200),
}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    broker = MockBroker()
    settings = settings_for(broker.kafka)
    gateway = msgspec.structs.replace(settings.gateway, sources=SOURCES)
    with running(msgspec.structs.replace(settings, gateway=gateway)) as client:
        yield client


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def test_whoever_has_no_right_hears_the_same_everywhere(client: httpx.Client) -> None:
    before = client.get("/health").json()["turned_away"]
    tried = [
        client.post(f"/in/{source}", content=b"[]", headers=headers)
        for source in ("cameras", "counters", "ndw", "nobody")
        for headers in ({}, _bearer("wrong"), _signed(b"[]", "another secret"), _bearer("x") | _signed(b"other"))
    ]
    assert {one.status_code for one in tried} == {401}
    assert client.get("/health").json()["turned_away"] - before == len(tried)
    assert len({one.text for one in tried}) == 1
    # The server closes a connection on which it left a body unread, if the body had not come by then.
    passing = {"date", "connection"}
    told = [{name: value for name, value in one.headers.items() if name not in passing} for one in tried]
    assert [one for one in told if one != told[0]] == []


def test_a_token_opens_its_source_alone(client: httpx.Client) -> None:
    assert client.post("/in/cameras", content=b"[]", headers=_bearer(TOKEN)).status_code == 202
    assert client.post("/in/cameras", content=b"[]", headers=_bearer("an older one")).status_code == 202
    for source in ("counters", "ndw", "nobody"):
        assert client.post(f"/in/{source}", content=b"[]", headers=_bearer(TOKEN)).status_code == 401


def test_a_signed_body_is_let_in_and_a_changed_one_is_not(client: httpx.Client) -> None:
    body = b"[ ]"
    assert client.post("/in/counters", content=body, headers=_signed(body)).status_code == 202
    assert client.post("/in/counters", content=b"[  ]", headers=_signed(body)).status_code == 401
    long = json.dumps([" "] * 100).encode()
    assert client.post("/in/counters", content=long, headers=_signed(long)).status_code == 413


def test_more_than_its_rate_is_put_off(client: httpx.Client) -> None:
    answers = [client.post("/in/cameras", content=b"[]", headers=_bearer(TOKEN)) for _ in range(40)]
    late = [one for one in answers if one.status_code == 429]
    assert late
    assert all(int(one.headers["retry-after"]) >= 1 for one in late)
    assert client.post("/in/counters", content=b"[]", headers=_signed(b"[]")).status_code == 202


@given(st.lists(st.floats(0, 5), max_size=80), st.floats(0.1, 50))
def test_an_allowance_never_gives_more_than_its_rate(waits_s: list[float], per_s: float) -> None:
    burst = max(per_s * 10, 1.0)
    allowance = Allowance(per_s, burst, 0.0)
    now_s, given_out = 0.0, 0
    for wait_s in waits_s:
        now_s += wait_s
        left_s = allowance.take(now_s)
        given_out += left_s == 0.0
        assert left_s <= 1 / per_s + 1e-9
        assert given_out <= burst + now_s * per_s + 1e-6


def test_no_token_means_this_machine_alone() -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        check_guarded(GatewaySettings(host=host))
    for host in ("0.0.0.0", "::", "10.0.0.1", "gateway.example"):  # noqa: S104  # it is refused
        with pytest.raises(FatalError, match="drukte token new"):
            check_guarded(GatewaySettings(host=host))
        check_guarded(GatewaySettings(host=host, sources=SOURCES))


def test_a_token_is_known_by_its_hash() -> None:
    access = Access(GatewaySettings(sources=SOURCES))
    assert access.admits("cameras", TOKEN)
    assert not access.admits("cameras", HASH)
    assert not access.admits("nobody", TOKEN)
    assert TOKEN not in repr(access.__dict__)
