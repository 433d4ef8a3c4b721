# SPDX-License-Identifier: Apache-2.0
"""How the tests are spread over processes: read from the run that this one is part of."""

from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import BROKERS


def _group(item: pytest.Item) -> str | None:
    mark = item.get_closest_marker("xdist_group")
    return None if mark is None else str(mark.args[0])


def _on_a_broker(item: pytest.Item) -> bool:
    return "kafka_bootstrap" in getattr(item, "fixturenames", ())


def test_what_shares_fixtures_stays_in_one_process(request: pytest.FixtureRequest) -> None:
    groups: dict[tuple[Path, bool], set[str | None]] = defaultdict(set)
    for item in request.session.items:
        if item.get_closest_marker("apart") is None:
            groups[item.path, _on_a_broker(item)].add(_group(item))
    assert all(len(found) == 1 and None not in found for found in groups.values())


def test_no_more_brokers_run_at_once_than_planned(request: pytest.FixtureRequest) -> None:
    found = {_group(item) for item in request.session.items if _on_a_broker(item)}
    assert None not in found
    assert len(found) <= BROKERS
