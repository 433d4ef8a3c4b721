# SPDX-License-Identifier: Apache-2.0
"""What a command prints beside its answer."""

import subprocess
import sys
from importlib.metadata import version
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


def test_the_command_line_alone_loads_no_service() -> None:
    heavy = {"numpy", "pyarrow", "pyproj", "shapely", "lxml", "confluent_kafka", "faust", "httpx", "litestar", "opendp",
             "psycopg", "yoyo"}
    loaded = subprocess.run([sys.executable, "-c", "import sys, streams.cli; print(*sys.modules)"],
                            check=True, capture_output=True, text=True).stdout.split()
    assert "streams.cli" in loaded
    assert heavy & set(loaded) == set()


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


@pytest.mark.parametrize("words", [
    ["worker"], ["serve"], ["db", "status"], ["verify"], ["report", "handover"], ["dead-letters", "list"],
])
def test_missing_settings_are_wrong_use_in_every_command(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["drukte", *words, "--settings", str(tmp_path / "none.toml")])
    with pytest.raises(SystemExit) as ended:
        main()
    structlog.reset_defaults()
    assert ended.value.code == 2
    assert "none.toml: cannot be read" in capsys.readouterr().err


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"drukte {version('drukte')}\n"
