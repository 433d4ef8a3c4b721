# SPDX-License-Identifier: Apache-2.0
import logging

from streams.worker.quiet import LINES, WINDOW_S, RateLimit


def _record(text: str, name: str = "aiokafka") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "x.py", 1, text, (), None)


def test_the_same_line_passes_a_few_times_and_is_then_counted() -> None:
    now_s = 0.0
    limit = RateLimit(lambda: now_s)
    assert [limit.filter(_record("no broker")) for _ in range(LINES + 100)] == [True] * LINES + [False] * 100
    now_s = WINDOW_S
    late = _record("no broker")
    assert limit.filter(late)
    assert "100 more" in late.getMessage()


def test_other_lines_and_loggers_pass() -> None:
    limit = RateLimit(lambda: 0.0)
    for _ in range(LINES + 1):
        limit.filter(_record("no broker"))
    assert limit.filter(_record("another"))
    assert limit.filter(_record("no broker", "faust"))
