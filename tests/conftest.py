# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every part of the tests may use, and hypothesis' settings."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.real.kafka_service", "tests.real.timescale_service", "tests.real.chain", "tests.gateway.mock_broker",
    "tests.services.mosquitto", "tests.spread",
]

ROOT = Path(__file__).resolve().parent.parent

# No test may fail for being slow: the machine runs several at once.
_PATIENT = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("local", _PATIENT)
# The same examples in each run: what fails there is a change's doing. Elsewhere they are new each time.
settings.register_profile("ci", _PATIENT, derandomize=True, database=None)
settings.register_profile("thorough", _PATIENT, max_examples=2_000)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among thousands of tests: what is collected stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


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
