# SPDX-License-Identifier: Apache-2.0
"""What the pages print can be typed: commands and options exist, settings are read."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.main import get_command

from streams.cli import app
from streams.settings import Settings, load_settings
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM: Any = get_command(app)
OPERATE = ROOT / "docs" / "operate.md"
_CODE = re.compile(r"^[ ]*```(?:sh|console|ini)\n(.*?)^[ ]*```$|`(drukte [^`]+)`", re.MULTILINE | re.DOTALL)
_ALTERNATIVES = re.compile(r"(drukte (?:[a-z-]+ )*?)([a-z-]+(?: \| [a-z-]+)+)(.*)")
_TOML = re.compile(r"^([ ]*)```toml\n(.*?)^[ ]*```$", re.MULTILINE | re.DOTALL)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def typed_lines(page: Path) -> Iterator[str]:
    """Every command that the page prints, without its comment; lines that go on are joined."""
    for block, inline in _CODE.findall(page.read_text()):
        for line in (block or inline).replace("\\\n", " ").splitlines():
            if re.search(r"\bdrukte [a-z]", said := line.split(" #")[0]):
                yield said[said.index("drukte "):].split("&&")[0].split(" > ")[0]


def each(line: str) -> list[str]:
    """`drukte gate close | open X` is two commands."""
    found = _ALTERNATIVES.fullmatch(line)
    return [line] if found is None else [f"{found[1]}{one}{found[3]}" for one in found[2].split(" | ")]


def fault(line: str) -> str | None:
    """What of a command does not exist."""
    found = PROGRAM
    words = line.split()[1:]
    while words and hasattr(found, "commands"):
        if words[0] not in found.commands:
            return f"{line}: no command {words[0]}"
        found, words = found.commands[words[0]], words[1:]
    known = {name for one in found.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
    unknown = sorted(set(_OPTION.findall(line)) - known)
    return f"{line}: no option {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_exist_with_their_options(page: Path) -> None:
    said = {one for line in typed_lines(page) for one in each(" ".join(line.split()))}
    assert [wrong for line in sorted(said) if (wrong := fault(line)) is not None] == []


def test_what_does_not_exist_is_found() -> None:
    assert fault("drukte city chek FILE") == "drukte city chek FILE: no command chek"
    assert fault("drukte city check --asign-ids FILE") == "drukte city check --asign-ids FILE: no option --asign-ids"
    assert each("drukte gate close | open X") == ["drukte gate close X", "drukte gate open X"]


def settings_blocks() -> list[Any]:
    found = [textwrap.dedent(body) for _, body in _TOML.findall(OPERATE.read_text())]
    return [pytest.param(body, id=body.split("\n")[0]) for body in found]


@pytest.mark.parametrize("body", settings_blocks())
def test_settings_of_the_page_are_read(body: str, tmp_path: Path) -> None:
    path = tmp_path / "drukte.toml"
    head = "" if body.startswith("city") else 'city = "city.toml"\n'
    path.write_text(head + body.replace('"sha256:..."', f'"sha256:{"0" * 64}"'))
    assert load_settings(path).city.parent == tmp_path


def test_the_settings_of_a_first_deployment_are_what_holds_without_them(tmp_path: Path) -> None:
    body = next(one.values[0] for one in settings_blocks() if one.values[0].startswith("city"))
    (tmp_path / "shown.toml").write_text(body)
    (tmp_path / "least.toml").write_text('city = "den-haag.toml"\n')
    assert load_settings(tmp_path / "shown.toml") == load_settings(tmp_path / "least.toml")


def sections(kind: type, path: str = "") -> Iterator[str]:
    """Every table of the settings, by its name in TOML."""
    for field in msgspec.structs.fields(kind):
        for inner in structs_in(field.type):
            name = f"{path}{field.name}"
            yield name
            yield from sections(inner, f"{name}.")


def structs_in(kind: Any) -> Iterator[type]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for inner in getattr(kind, "__args__", ()):
        yield from structs_in(inner)


def test_the_page_shows_every_section() -> None:
    text = OPERATE.read_text()
    missing = [
        name for name in sections(Settings)
        if not re.search(rf"\[{re.escape(name)}[.\]]", text) and f"{name.rpartition('.')[2]} = {{" not in text
    ]
    assert missing == []
