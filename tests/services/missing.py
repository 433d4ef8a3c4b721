# SPDX-License-Identifier: Apache-2.0
"""What a fixture says when its service is not there."""

import os
from typing import NoReturn

import pytest

INSTALL = "python -m tests.services.install"


def give_up(service: str) -> NoReturn:
    """Skip the test with the reason; fail it where `CI` is set: there, missing is never a pass."""
    variable = {"Kafka": "DRUKTE_TEST_KAFKA", "TimescaleDB": "DRUKTE_TEST_DATABASE"}[service]
    reason = f"{service} is not installed; run `{INSTALL}` or name a server in {variable}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
