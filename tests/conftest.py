# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every part of the tests may use, how tests are spread over processes, and hypothesis' settings."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.real.kafka_service", "tests.real.timescale_service"]

ROOT = Path(__file__).resolve().parent.parent
BROKERS = 2
"""As many real brokers as run at once: each takes 0.5 GB and serves the tests of one process in their turn."""

# No test may fail for being slow: the machine runs several at once.
_PATIENT = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("local", _PATIENT)
# The same examples in each run: what fails there is a change's doing. Elsewhere they are new each time.
settings.register_profile("ci", _PATIENT, derandomize=True, database=None)
settings.register_profile("thorough", _PATIENT, max_examples=2_000)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what shares something, and begin with what waits longest.

    The tests of a file share its fixtures and run in one process, unless the file is marked `apart`. Tests on a real
    broker run in `BROKERS` processes at most: topics have fixed names, so each of these processes has its own broker.
    """
    files = sorted({item.path for item in items if _uses(item, "kafka_bootstrap")})
    for item in items:
        if _uses(item, "kafka_bootstrap"):
            item.add_marker(pytest.mark.xdist_group(f"kafka-{files.index(item.path) % BROKERS}"))
        elif item.get_closest_marker("xdist_group") is None and item.get_closest_marker("apart") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(ROOT).as_posix()))
    items.sort(key=_turn)


def _uses(item: pytest.Item, fixture: str) -> bool:
    return fixture in getattr(item, "fixturenames", ())


def _turn(item: pytest.Item) -> int:
    if _uses(item, "kafka_bootstrap") or item.get_closest_marker("apart"):
        return 0
    return 1 if item.get_closest_marker("real") else 2


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data; without it a test skips, or fails where `CI` is set."""
    folder = Path(os.environ.get("DRUKTE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        reason = f"real data not found at {folder}; set DRUKTE_DATA"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
