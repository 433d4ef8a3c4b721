# SPDX-License-Identifier: Apache-2.0
"""Which part may import which: schemas nothing of ours, the core only schemas, nobody the command line."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

OURS = ("schemas", "streams", "infra", "dashboards", "tests", "benchmarks")
IO_LIBRARIES = {
    "aiokafka", "asyncio", "confluent_kafka", "faust", "httpx", "litestar", "os", "pathlib", "psycopg",
    "random", "socket", "structlog", "threading", "time", "urllib",
}


def imports(path: Path) -> set[str]:
    """All modules that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module))
    return found


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] in OURS}


@pytest.mark.parametrize("path", files("schemas"), ids=lambda path: path.name)
def test_schemas_import_nothing_else_of_ours(path: Path) -> None:
    assert {name for name in ours(path) if not name.startswith("schemas")} == set()


@pytest.mark.parametrize("path", files("streams/core"), ids=lambda path: path.name)
def test_the_core_imports_only_schemas_and_no_edge(path: Path) -> None:
    assert {name for name in ours(path) if not name.startswith(("schemas", "streams.core"))} == set()
    assert {name.split(".")[0] for name in imports(path)} & IO_LIBRARIES == set()


@pytest.mark.parametrize("path", files("schemas"), ids=lambda path: path.name)
def test_schemas_do_no_input_or_output(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} & IO_LIBRARIES == set()


def test_nothing_imports_the_command_line() -> None:
    for folder in ("schemas", "streams", "infra", "dashboards"):
        for path in files(folder):
            assert "streams.cli" not in imports(path), path


def test_the_worker_knows_no_database() -> None:
    for path in files("streams/worker"):
        assert not any(name.startswith(("psycopg", "streams.writer", "streams.storage"))
                       for name in imports(path)), path


def test_no_module_outgrows_a_sitting() -> None:
    for folder in ("schemas", "streams"):
        for path in files(folder):
            assert len(path.read_text().splitlines()) <= 400, path
