# SPDX-License-Identifier: Apache-2.0
"""Operators' commands through the page's door, judged by a real fold, and what the API says of alerts."""

import threading
from typing import Any

import httpx
import msgspec
import pytest

from schemas.city import City
from schemas.events import Effect, Measure, Plan
from schemas.log import Kind, Topic
from schemas.note import decode_note
from streams.gateway.access import token_hash
from streams.settings import ServeSettings, Settings
from tests.cities import small_city, small_file, small_roads
from tests.gateway.mock_broker import MockBroker
from tests.serve.folding import Fold, folding
from tests.serve.running import LIMIT_S, running, settings_for
from tests.services.process import free_port, wait_until

PLAN = Plan(name="Plein vol", always=True, measures={
    "doseren": Measure(
        title="Toegang doseren", zones=["plein"], level=2, trigger="oranje", decides="ovd",
        steps=["Hek half dicht"], sign_text="Plein vol", detour="via Straat", stop_when="tien minuten geel",
        effect=Effect(gate="plein-straat", fall_percent=30, within_min=10)),
    "ontruimen": Measure(title="Ontruimen", zones=["plein"], level=3, trigger="rood", decides="ovd", steps=["Omroepen"],
                         stop_when="leeg"),
})
CALM, FULL = 100, 360


def plan_city(**changes: Any) -> City:
    return small_city(small_roads(), plans={"vol": PLAN}, **changes)


def give(client: httpx.Client, kind: str, **fields: Any) -> httpx.Response:
    return client.post("/api/commands", json={"type": kind, "role": "centralist", **fields})


def open_alert(fold: Fold, client: httpx.Client) -> str:
    """Let the square fill up; the id of the alert."""
    fold.people(CALM, -70, -60)
    fold.people(FULL, *range(-50, 61, 10))
    wait_until(lambda: bool(client.get("/api/alerts").json()["alerts"]), LIMIT_S, "the alert is open")
    [alert] = client.get("/api/alerts").json()["alerts"]
    return str(alert["id"])


def clear(fold: Fold, client: httpx.Client) -> None:
    """Let the square empty, until the alert has ended."""
    fold.people(CALM, *range(70, 400, 10))
    wait_until(lambda: not client.get("/api/alerts").json()["alerts"][0]["open"], LIMIT_S, "the alert has ended")


def detail(client: httpx.Client, key: str) -> Any:
    answer = client.get(f"/api/alerts/{key}")
    assert answer.status_code == 200
    return answer.json()


def test_two_operators_acknowledge_at_once_and_one_of_them_did(broker: MockBroker) -> None:
    settings, city = settings_for(broker.kafka), plan_city()
    with folding(broker, city) as fold, running(settings, city=city) as client:
        key = open_alert(fold, client)
        answers: list[httpx.Response] = []
        both = [
            threading.Thread(target=lambda role=role: answers.append(give(client, "acknowledge", alert=key, role=role)))
            for role in ("centralist", "ovd")
        ]
        for one in both:
            one.start()
        for one in both:
            one.join(LIMIT_S)
        done, refused = sorted(answers, key=lambda one: one.status_code)
        assert (done.status_code, refused.status_code) == (200, 409)
        assert refused.json()["detail"] == "it is acknowledged already"
        assert refused.headers["content-type"] == "application/problem+json"
        wait_until(lambda: detail(client, key)["alert"]["acknowledged"], LIMIT_S, "the flag is shown")
        shown = detail(client, key)
        assert shown["alert"]["acknowledged_by"] == done.json()["outcome"]["role"]
        last = shown["transitions"][-1]
        assert (last["cause"], last["actor"]) == ("command", done.json()["outcome"]["role"])


def test_the_same_id_gets_the_same_answer_and_is_done_once(broker: MockBroker) -> None:
    settings, city = settings_for(broker.kafka), plan_city()
    with folding(broker, city) as fold, running(settings, city=city) as client:
        key = open_alert(fold, client)
        first = give(client, "acknowledge", alert=key, id="tik-1")
        again = give(client, "acknowledge", alert=key, id="tik-1")
        assert (first.status_code, again.status_code) == (200, 200)
        assert first.json() == again.json()
        refused = [give(client, "acknowledge", alert=key, id="tik-2").json() for _ in range(2)]
        assert refused[0] == refused[1]
        assert len([one for one in broker.decoded(bool) if one.kind is Kind.COMMAND]) == 2


def test_an_acknowledgement_after_the_end_is_refused(broker: MockBroker) -> None:
    settings, city = settings_for(broker.kafka), plan_city()
    with folding(broker, city) as fold, running(settings, city=city) as client:
        key = open_alert(fold, client)
        clear(fold, client)
        late = give(client, "acknowledge", alert=key)
        assert (late.status_code, late.json()["detail"]) == (409, "the alert is resolved")


@pytest.mark.parametrize("stays", [True, False])
def test_a_new_city_version_while_an_alert_is_open(broker: MockBroker, stays: bool) -> None:
    """Where the rule stays the alert goes on under its id; else it has ended, and says why."""
    rules = small_file().rules
    first = plan_city()
    second = plan_city(version=2, rules=rules if stays else {"rood": rules["rood"]})
    with folding(broker, first, second) as fold, running(settings_for(broker.kafka), city=first) as client:
        key = open_alert(fold, client)
        fold.change(second, 120)
        fold.people(FULL, 130)
        if not stays:
            wait_until(lambda: not detail(client, key)["alert"]["open"], LIMIT_S, "the alert has ended")
            assert detail(client, key)["transitions"][-1]["cause"] == "city"
        answer = give(client, "acknowledge", alert=key)
        assert answer.status_code == (200 if stays else 409)
        if not stays:
            assert answer.json()["detail"] == "no alert of this id is open here"


def test_what_cannot_be_taken_is_told_and_repeats_nothing(broker: MockBroker) -> None:
    bad: list[tuple[int, str, dict[str, Any]]] = [
        (404, "acknowledge", {"alert": "0011223344556677"}), (400, "acknowledge", {}),
        (400, "acknowledge", {"alert": "a", "naam": "Geheim"}), (400, "adopt", {"alerts": []}),
        (400, "purge_sensor", {"sensor": "cam-plein"}), (400, "acknowledge", {"alert": "a", "role": "Jan Geheim"}),
        (400, "note", {"alert": "a", "note": "Geheim" * 1_000}), (400, "suppress", {"until_us": 1}),
        (422, "zone_empty", {"zone": "markt", "at_us": 1}), (422, "gate_open", {"gate": "poort"}),
        (422, "drill", {"on": True, "site": "elders"}), (422, "drill", {"on": True, "rule": "paars"}),
        (422, "measure_taken", {"place": "plein", "plan": "vol", "measure": "bidden"}),
        (400, "acknowledge", {"alert": "a", "note_id": "van-mij"}),
    ]
    with running(settings_for(broker.kafka), city=plan_city()) as client:
        for status, kind, told in bad:
            answer = give(client, kind, **told)
            assert answer.status_code == status, (kind, told, answer.text)
            assert "Geheim" not in answer.text
        typed = {"content-type": "text/plain"}
        assert client.post("/api/commands", content=b"{}", headers=typed).status_code == 415
        assert client.get("/api/alerts/0011223344556677").status_code == 404


def test_without_a_worker_the_command_waits_in_the_log(broker: MockBroker) -> None:
    with running(settings_for(broker.kafka), city=plan_city()) as client:
        answer = give(client, "gate_open", gate="plein-straat", id="poort-1")
        assert (answer.status_code, answer.json()["done"]) == (202, False)
        [message] = broker.decoded(bool)
        assert (message.kind, message.id) == (Kind.COMMAND, "poort-1")


def test_a_rule_is_suppressed_in_every_partition(broker: MockBroker) -> None:
    settings, city = settings_for(broker.kafka), plan_city()
    with folding(broker, city) as fold, running(settings, city=city) as client:
        key = open_alert(fold, client)
        until_us = settings.clock.start_us + 3_600_000_000
        answer = give(client, "suppress", rule="oranje", until_us=until_us)
        assert (answer.status_code, answer.json()["done"]) == (200, True)
        wait_until(lambda: detail(client, key)["alert"]["suppressed"], LIMIT_S, "the flag is shown")
        partitions = {one.partition() for one in broker.read(Topic.SITE_LOG, lambda found: len(found) > 4)
                      if dict(one.headers() or ())["ce_type"] == b"nl.drukte.command.v1"}
        assert partitions == set(range(broker.kafka.partitions))


def guarded(broker: MockBroker) -> Settings:
    tokens = {"centralist": [token_hash("c" * 20)], "ovd": [token_hash("o" * 20)]}
    serve = ServeSettings(port=free_port(), command_tokens=tokens)
    return msgspec.structs.replace(settings_for(broker.kafka), serve=serve)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_token_opens_its_own_role_and_the_notes(broker: MockBroker) -> None:
    city = plan_city()
    with folding(broker, city) as fold, running(guarded(broker), city=city) as client:
        key = open_alert(fold, client)

        def note(token: str) -> int:
            told = {"type": "note", "role": "centralist", "alert": key, "note": "steward belt terug"}
            headers = bearer(token) if token else {}
            return client.post("/api/commands", json=told, headers=headers).status_code

        assert [note(""), note("x"), note("o" * 20)] == [401] * 3
        assert note("c" * 20) == 200
        [message] = broker.read(Topic.NOTES, bool)
        kept = decode_note(message.value() or b"")
        assert (kept.text, kept.alert_id, kept.site) == ("steward belt terug", key, "centrum")
        def read() -> Any:
            return client.get(f"/api/alerts/{key}", headers=bearer("o" * 20)).json()

        wait_until(lambda: read()["notes"] and read()["transitions"][-1]["note_id"], LIMIT_S, "the note is shown")
        assert [one["text"] for one in read()["notes"]] == ["steward belt terug"]
        assert read()["transitions"][-1]["note_id"] == kept.id
        unread = client.get(f"/api/alerts/{key}")
        assert unread.json()["notes"] is None
        others = [one.value() or b"" for topic in (Topic.SITE_LOG, Topic.ALERTS) for one in broker.read(topic, bool)]
        assert not any(b"belt terug" in one for one in others)


def test_a_page_that_others_reach_takes_none_without_tokens(broker: MockBroker) -> None:
    serve = ServeSettings(host="0.0.0.0", port=free_port())  # noqa: S104  # what is tested
    with running(msgspec.structs.replace(settings_for(broker.kafka), serve=serve)) as client:
        assert give(client, "gate_open", gate="plein-straat").status_code == 403


def test_without_tokens_only_a_name_of_this_machine_opens_the_door(broker: MockBroker) -> None:
    city, told = plan_city(), {"type": "note", "role": "ovd", "note": "steward belt terug"}
    with folding(broker, city) as fold, running(settings_for(broker.kafka), city=city) as client:
        key = open_alert(fold, client)
        for host in ("drukte.example:80", "127.0.0.1.example", "LOCALHOST:1", "[::1]:1"):
            status = 403 if "example" in host else 200
            asked = client.post("/api/commands", json=told | {"alert": key}, headers={"host": host})
            assert (host, asked.status_code) == (host, status)
            assert (client.get(f"/api/alerts/{key}", headers={"host": host}).json()["notes"] is None) == (status == 403)


def test_an_alert_explains_itself_and_shows_its_cards(broker: MockBroker) -> None:
    settings, city = settings_for(broker.kafka), plan_city()
    with folding(broker, city) as fold, running(settings, city=city) as client:
        key = open_alert(fold, client)
        shown = detail(client, key)
        assert (shown["alert"]["name"], shown["alert"]["word"]) == ("Plein", "oranje")
        assert shown["alert"]["percent"]["text"] == "90–91 %"
        assert shown["alert"]["certainty"] in ("zeker", "waarschijnlijk", "onzeker")
        # Two levels at once: the dwell was skipped.
        assert (shown["rule"]["raise_after"], shown["inputs"]["dwell_reached"]) == (3, 1)
        assert [one["cause"] for one in shown["transitions"]] == ["skip"]
        assert {one["key"] for one in shown["sensors"]} == {"cam-plein", "teller-plein-straat"}
        [card] = shown["cards"]
        assert (card["measure"], card["zone"], card["taken_at"]) == ("doseren", "plein", None)
        assert card["effect"] == "instroom bij plein-straat 30 % lager binnen 10 minuten"
        taken = give(client, "measure_taken", place="plein", plan="vol", measure="doseren", role="ovd")
        assert taken.status_code == 200
        assert detail(client, key)["cards"][0]["taken_by"] == "ovd"
