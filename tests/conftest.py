# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every part of the tests may use."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.real.kafka_service", "tests.real.timescale_service"]

ROOT = Path(__file__).resolve().parent.parent


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
