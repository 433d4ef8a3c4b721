# SPDX-License-Identifier: Apache-2.0
"""How the tests are spread over processes; the last one reads the run that it is part of."""

import os

import pytest

from tests.spread import APART, BROKERS, ROOT, SECONDS, files_on_a_broker, group_of, spread, turned


def test_a_file_stays_in_one_process() -> None:
    assert group_of("tests/core/test_step.py::test_one[a::b]") == group_of("tests/core/test_step.py::test_two")
    assert group_of("tests/core/test_step.py::test_one") != group_of("tests/core/test_slots.py::test_one")


def test_files_on_a_broker_share_a_few_of_them() -> None:
    assert "tests/real/test_chain.py" in files_on_a_broker()
    assert "tests/core/test_step.py" not in files_on_a_broker()
    assert len({group_of(f"{path}::test") for path in files_on_a_broker()}) == BROKERS


def test_long_files_lie_in_different_places() -> None:
    found = spread({"a": 5, "b": 60, "c": 50, "d": 5, "e": 20}, 2)
    assert found == {"b": 0, "c": 1, "e": 1, "a": 0, "d": 0}


def test_each_file_with_a_length_is_there() -> None:
    assert all((ROOT / path).is_file() for path in SECONDS)


def test_tests_of_a_file_apart_go_anywhere() -> None:
    for path in APART:
        assert (ROOT / path).is_file()
        assert group_of(f"{path}::test_one") != group_of(f"{path}::test_two")
        assert 'scope="module"' not in (ROOT / path).read_text()


def test_each_process_begins_with_files_of_its_own_and_leaves_none_out() -> None:
    files = [ROOT / f"test_{number}.py" for number in range(10)]
    orders = [turned(files, process, 4) for process in range(4)]
    assert all(sorted(order) == files for order in orders)
    firsts = [set(order[:2]) for order in orders]
    assert len(set().union(*firsts)) == 8


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process runs all")
def test_who_asks_for_a_broker_is_known_by_its_file(request: pytest.FixtureRequest) -> None:
    asking = {
        item.nodeid.partition("::")[0] for item in request.session.items
        if "kafka_bootstrap" in getattr(item, "fixturenames", ())
    }
    assert asking <= set(files_on_a_broker())
