# SPDX-License-Identifier: Apache-2.0
"""What a command prints beside its answer."""

from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from streams.cli import app, main
from tests.cities import small_city
from tests.services.process import free_port


@pytest.mark.parametrize(("words", "named"), [
    (["levels", "check"], "TOML with [profiles.NAME]"), (["feed", "try"], "[sources.KEY]"),
    (["dead-letters", "show"], "Id of the letter"),
])
def test_help_names_what_is_to_be_given(words: list[str], named: str) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"}).stdout
    assert named in shown


def test_a_report_without_a_broker_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "drukte.toml").write_text(
        f'city = "city.toml"\n[kafka]\nbootstrap = "127.0.0.1:{free_port()}"\n'
        f'[database]\nuri = "postgresql://127.0.0.1:{free_port()}/drukte"\n')
    monkeypatch.setattr("streams.city_files.load_city", lambda _: small_city())
    monkeypatch.setattr("streams.serve.tail.ANSWER_LIMIT_S", 0.3)
    monkeypatch.setattr("sys.argv", ["drukte", "report", "handover", "--settings", str(tmp_path / "drukte.toml")])
    with pytest.raises(SystemExit) as ended:
        main()
    structlog.reset_defaults()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert said.err.startswith("drukte: broker 127.0.0.1:")
    assert said.err.count("\n") == 1
