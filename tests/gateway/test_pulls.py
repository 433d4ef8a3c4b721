# SPDX-License-Identifier: Apache-2.0
import asyncio
import datetime as dt
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import FatalError, TransientError
from schemas.feeds.format import Context
from streams.door_settings import PullSettings
from streams.gateway.intake import Intake, Taken
from streams.gateway.pulls import check_pull, pages, puller
from tests.gateway.vendor_server import Vendor, vendor

NOW = dt.datetime(2026, 3, 1, 12, 7, 30, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@dataclass
class _Log:
    """Stands for the intake: keeps what is handed in; away for the first `away` bodies."""

    taken: list[tuple[str, bytes, str]] = field(default_factory=list)
    away: int = 0

    async def take(self, source: str, body: bytes, context: Context) -> Taken:
        if self.away:
            self.away -= 1
            raise TransientError("the broker is away")
        self.taken.append((source, body, context["channel"]))
        return Taken(1, [])


def _eco(server: Vendor, **changes: Any) -> PullSettings:
    settings = PullSettings(
        kind="eco-counter", url=server.url, user="u", password="p", first_s=7_200,  # noqa: S106  # of the stand-in
        overlap_s=3_600, page_s=3_600)
    return msgspec.structs.replace(settings, **changes)


def _rounds(settings: PullSettings, log: _Log, times: list[dt.datetime], between: object = None) -> list[str]:
    """Ask once at each time; what failed."""
    failures: list[str] = []

    async def run() -> None:
        clock = iter(times)
        async with puller("counters", settings, cast("Intake", log), "Europe/Amsterdam", lambda: next(clock)) as one:
            for _ in times:
                try:
                    await one.round()
                except TransientError as error:
                    failures.append(str(error))
                if callable(between):
                    between()

    asyncio.run(run())
    return failures


def test_eco_counter_is_asked_for_all_channels_in_pages() -> None:
    log = _Log()
    with vendor() as server:
        assert _rounds(_eco(server), log, [NOW]) == []
    begins = {(path, asked["begin"], asked["end"]) for path, asked in server.asked}
    # Two hours in pages of one, in the source's own time, ending at a whole quarter.
    spans = {("2026-03-01T11:00:00", "2026-03-01T12:00:00"), ("2026-03-01T12:00:00", "2026-03-01T13:00:00")}
    assert begins == {(f"/api/data/site/{channel}", *span) for channel in (11, 12, 2) for span in spans}
    assert all((asked["step"], asked["complete"]) == ("15m", "false") for _, asked in server.asked)
    assert sorted({channel for _, _, channel in log.taken}) == ["11", "12", "2"]
    assert len(log.taken) == 2 * 2 * 3  # each answer has a second page


def test_the_same_question_is_conditional_and_a_later_one_overlaps() -> None:
    log = _Log()
    with vendor() as server:
        _rounds(_eco(server, devices=["11"]), log, [NOW, NOW, NOW + HOUR])
    assert server.answered.count(304) == 1 + 1  # the overlap of the second round, and the hour before in the third
    assert server.asked[-1][1]["end"] == "2026-03-01T14:00:00"
    assert len(log.taken) == 2 * 2 + 2


def test_a_token_that_has_run_out_is_replaced() -> None:
    log = _Log()
    with vendor() as server:
        assert _rounds(_eco(server, devices=["11"]), log, [NOW, NOW + HOUR],
                       lambda: setattr(server, "token", "second")) == []
    assert server.answered.count(401) == 1


def test_what_did_not_reach_the_log_is_asked_for_again() -> None:
    log = _Log(away=1)
    with vendor() as server:
        assert len(_rounds(_eco(server, devices=["11"]), log, [NOW, NOW])) == 1
    assert len(log.taken) == 4
    assert 304 not in server.answered


def test_a_service_that_is_broken_is_told_and_asked_again() -> None:
    log = _Log()
    with vendor() as server:
        server.broken = True
        failures = _rounds(_eco(server, devices=["11"]), log, [NOW, NOW], lambda: setattr(server, "broken", False))
    assert len(failures) == 1
    assert "502" in failures[0]
    assert len(log.taken) == 4


def test_telraam_is_asked_by_segment_and_in_utc() -> None:
    log = _Log()
    with vendor() as server:
        settings = PullSettings(kind="telraam", url=server.url, api_key="key", devices=["9000"], first_s=3_600)
        assert _rounds(settings, log, [NOW]) == []
        wrong = PullSettings(kind="telraam", url=server.url, api_key="no", devices=["9000"])
        assert "key" in _rounds(wrong, _Log(), [NOW])[0]
    assert server.asked[0] == ("/v1/reports/traffic", {
        "level": "segments", "format": "per-hour", "id": "9000",
        "time_start": "2026-03-01 11:00:00Z", "time_end": "2026-03-01 12:00:00Z",
    })
    assert [channel for _, _, channel in log.taken] == ["9000"]


@pytest.mark.parametrize("settings", [
    PullSettings(kind="telraam", url="https://a", devices=["1"]),
    PullSettings(kind="telraam", url="https://a", api_key="k"),
    PullSettings(kind="eco-counter", url="https://a", user="u"),
])
def test_settings_that_cannot_work_are_fatal(settings: PullSettings) -> None:
    with pytest.raises(FatalError, match=r"gateway\.pulls\.counters"):
        check_pull("counters", settings)


@given(st.integers(0, 10**6), st.integers(900, 10**5))
def test_pages_join_without_gap_or_overlap(span_s: int, page_s: int) -> None:
    end = NOW + dt.timedelta(seconds=span_s)
    cut = list(pages(NOW, end, page_s))
    assert [begin for begin, _ in cut[1:]] == [until for _, until in cut[:-1]]
    assert (not cut) == (span_s == 0)
    if cut:
        assert (cut[0][0], cut[-1][1]) == (NOW, end)
        assert all(dt.timedelta() < until - begin <= dt.timedelta(seconds=page_s) for begin, until in cut)
