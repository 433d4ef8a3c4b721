# SPDX-License-Identifier: Apache-2.0
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.city import City
from schemas.errors import FatalError
from schemas.refusal import Reason, Refusal
from streams import metrics
from streams.clock import now_us
from streams.deliver.run import run_deliver
from streams.gateway.figures import _by_reason
from streams.gateway.run import run_gateway
from streams.gateway.tally import Tally
from streams.metrics import Figure, Process, metrics_endpoint
from streams.serve.run import run_serve
from streams.settings import (
    ClockSettings,
    DatabaseSettings,
    DeliverSettings,
    GatewaySettings,
    MetricsSettings,
    ServeSettings,
    Settings,
    WebhookSettings,
)
from streams.writer.run import run_writer
from tests.cities import small_city
from tests.conftest import ROOT
from tests.gateway.mock_broker import MockBroker
from tests.services.process import free_port, wait_until
from tests.services.threads import in_thread

PEOPLE = re.compile(r"people|person|persoon|occupancy|density|crowd|zone|gate_|sensor_|site", re.IGNORECASE)


def scraped(port: int) -> dict[tuple[str, str], float]:
    """Value by name and label."""
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10)
    assert answer.status_code == 200
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(answer.text) for sample in family.samples
    }


def test_figures_are_read_at_each_scrape_and_the_port_is_given_back() -> None:
    settings = MetricsSettings(port_writer=free_port())
    counted: Counter[str] = Counter()

    def read() -> Iterator[Figure]:
        yield Figure(metrics.MESSAGES, counted["messages"])
        yield from metrics.refused_figures({"malformed": 2, "bad-value": counted["messages"]})

    for _ in range(2):
        with metrics_endpoint(settings, Process.WRITER, read):
            before = scraped(settings.port_writer)
            counted["messages"] += 5
            after = scraped(settings.port_writer)
        assert after["drukte_messages_total", ""] == before["drukte_messages_total", ""] + 5
        assert after["drukte_refused_total", "malformed"] == 2
        assert after["drukte_refused_total", "bad-value"] == counted["messages"]


def test_without_a_port_nothing_listens_and_nothing_is_read() -> None:
    def read() -> Iterator[Figure]:
        raise AssertionError

    with metrics_endpoint(MetricsSettings(), Process.GATEWAY, read):
        pass


def test_a_taken_port_is_fatal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = MetricsSettings(port_serve=taken.getsockname()[1])
        with (
            pytest.raises(FatalError, match=r"metrics\.port_serve"),
            metrics_endpoint(settings, Process.SERVE, lambda: ()),
        ):
            pass


def test_no_metric_is_about_people_and_no_label_about_a_place() -> None:
    for metric in metrics.METRICS:
        assert not PEOPLE.search(metric.name)
        assert metric.label is None or metric.label in metrics.LABELS
        assert not PEOPLE.search(metric.label or "")
    assert len({metric.name for metric in metrics.METRICS}) == len(metrics.METRICS)
    defined = {value for value in vars(metrics).values() if isinstance(value, metrics.Metric)}
    assert defined == set(metrics.METRICS)


def test_every_metric_is_documented() -> None:
    page = Path(ROOT / "docs" / "operate.md").read_text()
    for metric in metrics.METRICS:
        assert metric.name + ("_total" if metric.is_counter else "") in page


@dataclass
class _State:
    log_time_us: int
    counters: Counter[str] = field(default_factory=Counter)


def test_a_workers_log_time_is_that_of_its_slowest_partition() -> None:
    clock = ClockSettings()
    held = [_State(70_000_000, Counter(readings=3)), _State(60_000_000, Counter(readings=4, late=1)), _State(-1)]
    figures = {(one.metric.name, one.label): one.value for one in
               metrics.worker_figures(clock, held, Counter(refused=2))}
    assert abs(figures.pop(("drukte_clock_seconds", "")) - now_us(clock) / 1e6) < 60
    assert figures == {
        ("drukte_partitions", ""): 3, ("drukte_log_time_seconds", ""): 60.0,
        ("drukte_readings", "readings"): 7, ("drukte_readings", "late"): 1, ("drukte_refused", "message"): 2,
    }
    fresh = {one.metric for one in metrics.worker_figures(clock, [_State(-1)], Counter())}
    assert metrics.LOG_TIME not in fresh


def test_an_age_counts_from_the_last_acknowledgement() -> None:
    assert list(metrics.age_figures(None)) == []
    [figure] = metrics.age_figures(time.monotonic() - 40)
    assert figure.value >= 40


def test_what_a_sender_writes_stands_in_no_figure() -> None:
    tally = Tally()
    tally.refuse("cameras", [Refusal(reason=Reason.PERSON_LEVEL, where="$.mac", detail="00:11:22", count=1)])
    assert list(metrics.refused_figures(_by_reason(tally))) == [Figure(metrics.REFUSED, 1, "person-level")]


Run = Callable[[Settings, City, threading.Event], None]


@pytest.mark.parametrize(("process", "run", "expected"), [
    (Process.WRITER, run_writer, {("drukte_database_away", ""): 1.0, ("drukte_messages_total", ""): 0.0}),
    (Process.SERVE, run_serve, {("drukte_broker_away", ""): 0.0, ("drukte_lag_messages", "live"): 0.0}),
    (Process.DELIVER, run_deliver, {("drukte_receiver_failures", "meldkamer"): 0.0,
                                    ("drukte_waiting", "receiver meldkamer"): 0.0}),
    (Process.GATEWAY, run_gateway, {("drukte_waiting", "readings"): 0.0, ("drukte_turned_away_total", ""): 0.0}),
])
def test_each_process_tells_its_own(
    process: Process, run: Run, expected: dict[tuple[str, str], float], broker: MockBroker
) -> None:
    port = free_port()
    webhook = WebhookSettings(name="meldkamer", url=f"http://127.0.0.1:{free_port()}", secret="x" * 16)
    settings = Settings(
        city=Path("unused.toml"), kafka=broker.kafka,
        database=DatabaseSettings(uri=f"postgresql://drukte@127.0.0.1:{free_port()}/drukte"),
        gateway=GatewaySettings(port=free_port()), serve=ServeSettings(port=free_port()),
        deliver=DeliverSettings(webhooks=[webhook]),
        metrics=msgspec.convert({f"port_{process}": port}, MetricsSettings),
    )
    text = ""
    with in_thread(lambda stop: run(settings, small_city(), stop)) as thread:
        wait_until(lambda: not thread.is_alive() or expected.items() <= _scraped_or_none(port).items(), 60, "figures")
        if thread.is_alive():
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text
    assert "drukte_" in text, "it ended by itself"
    city = small_city().file
    for key in [*city.zones, *city.gates, *city.sensors, *city.sites]:
        assert key not in text


def _scraped_or_none(port: int) -> dict[tuple[str, str], float]:
    try:
        return scraped(port)
    except httpx.TransportError:
        return {}
