# SPDX-License-Identifier: Apache-2.0
"""`drukte alert` and the other operators' commands, against a running page with a real fold behind it."""

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from schemas.errors import DrukteError, TransientError
from streams import cli
from streams.operator_command import seconds
from tests.gateway.mock_broker import MockBroker
from tests.serve.folding import folding
from tests.serve.running import LIMIT_S, address, running, settings_for
from tests.serve.test_commands import detail, open_alert, plan_city
from tests.services.process import wait_until


def test_an_operator_sees_explains_and_settles_an_alert(broker: MockBroker) -> None:
    settings, city = settings_for(broker.kafka), plan_city()

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli.app, [*words, "--url", address(settings)])
        if done.exception is not None:
            raise done.exception
        return done.output

    with folding(broker, city) as fold, running(settings, city=city) as client:
        key = open_alert(fold, client)
        assert key in run("alert", "list")
        assert "done" in run("alert", "acknowledge", key, "--role", "ovd", "--note", "ter plaatse")
        wait_until(lambda: detail(client, key)["alert"]["acknowledged"], LIMIT_S, "the flag is shown")
        told = run("alert", "explain", key)
        for wanted in ("oranje 90–91 %", "acknowledged by ovd", "cam-plein: in orde", "raise_after 3",
                       "command by ovd [acknowledged]", "ter plaatse", "Toegang doseren (not taken)"):
            assert wanted in told
        assert "done" in run("measure", "taken", "vol", "doseren", "--zone", "plein", "--role", "ovd")
        assert "(taken at" in run("alert", "show", key)
        assert "done" in run("alert", "suppress", "--rule", "oranje", "--for", "30m", "--role", "ovd")
        assert "done" in run("alert", "unsuppress", "--rule", "oranje", "--role", "ovd")
        assert "done" in run("alert", "assign", key, "--to", "politie", "--role", "ovd")
        assert "done" in run("alert", "unacknowledge", key, "--role", "ovd")
        assert "done" in run("gate", "close", "plein-straat", "--for", "2h", "--role", "ovd")
        assert "done" in run("gate", "open", "plein-straat", "--role", "ovd")
        assert "done" in run("drill", "--on", "--site", "centrum", "--role", "ovd")
        assert "done" in run("zone", "empty", "plein", "--role", "steward")
        assert "done" in run("zone", "set", "plein", "200", "--role", "steward")
        # The page runs in this process: its log stands before the answer.
        _, _, answer = run("alert", "resolve", key, "--role", "ovd", "--json").partition("{")
        receipt = msgspec.json.decode("{" + answer)
        assert (receipt["done"], receipt["outcome"]["alert_id"]) == (True, key)
        with pytest.raises(DrukteError, match=r"409.*the alert is resolved"):
            run("alert", "acknowledge", key, "--role", "ovd")
        wait_until(lambda: not detail(client, key)["alert"]["open"], LIMIT_S, "the end is shown")
        assert run("alert", "list") == "no alert is open\n"


def test_a_service_that_is_away_and_words_that_do_not_fit(broker: MockBroker) -> None:
    nowhere = address(settings_for(broker.kafka))
    done = CliRunner().invoke(cli.app, ["alert", "list", "--url", nowhere])
    assert isinstance(done.exception, TransientError)
    two = ["alert", "unsuppress", "--rule", "a", "--place", "b", "--role", "ovd", "--url", nowhere]
    assert isinstance(CliRunner().invoke(cli.app, two).exception, DrukteError)
    assert [seconds(text) for text in ("45s", "30m", "2h")] == [45, 1800, 7200]
    for bad in ("0m", "30", "-3m", "1d"):
        with pytest.raises(typer.BadParameter):
            seconds(bad)


def test_a_role_that_may_be_a_name_is_refused_before_anything_is_sent_and_not_repeated() -> None:
    done = CliRunner().invoke(
        cli.app, ["gate", "close", "poort", "--for", "5m", "--role", "Jan Jansen", "--url", "http://127.0.0.1:9"])
    assert done.exit_code == 2
    assert "lower case" in done.stderr
    assert "Jan" not in done.stderr
