# SPDX-License-Identifier: Apache-2.0
"""`drukte demo`: the whole chain in one terminal, from simulated sensors to alerts in a database."""

import datetime as dt
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
import psycopg
import tomlkit
from rich.console import Console

from schemas.errors import FatalError
from schemas.log import Clock, Topic
from streams import storage
from streams.clock import now_us, wall_us
from streams.demo.broker import embedded_broker
from streams.demo.database import embedded_database
from streams.demo.feeder import Feeder
from streams.demo.picture import read_picture
from streams.demo.processes import Failure, Processes
from streams.demo.receiver import NAME, Receiver, webhook_receiver
from streams.demo.report import DatabaseReport, DemoReport, PageReport, encode_report, read_database, read_page
from streams.demo.scene import LIVE, NDW_MEASURED_URL, Scene, make_scene, start_us
from streams.demo.terminal import Progress, View, view_on
from streams.demo.view import Status
from streams.settings import (
    ClockSettings,
    DatabaseSettings,
    DeliverSettings,
    GatewaySettings,
    KafkaSettings,
    NdwSettings,
    ServeSettings,
    Settings,
    WebhookSettings,
)
from streams.simulate.crowd_sensors import WatchedCrowd
from streams.topics import MOCK_PARTITIONS

SETTINGS_FILE = "drukte.toml"
SERVICES = ("worker", "writer", "deliver", "serve", "gateway")
"""In the order in which they are started: each finds its readers waiting."""
START_LIMIT_S = 60.0
LOOK_S = 0.1
SHOW_S = 0.4
"""Between two looks into the database."""


@dataclass(frozen=True, slots=True)
class Play:
    """A demo that is running: all that the show and the report need."""

    scene: Scene
    settings: Settings
    feeder: Feeder
    processes: Processes
    connection: psycopg.Connection[Any]
    receiver: Receiver
    begin_us: int
    begin_wall_s: float = field(default_factory=time.monotonic)

    @property
    def running_s(self) -> float:
        """Seconds since the first reading could be sent."""
        return time.monotonic() - self.begin_wall_s


def run_demo(
    city_path: Path | None,
    roads: str | None,
    speed: float,
    for_s: float | None,
    report: Path | None,
    seed: int,
) -> int:
    """Play the demo until Ctrl-C, SIGTERM or `for_s`; leaves no process and no file of its own behind.

    Parameters
    ----------
    city_path : Path, optional
        City file; else that of The Hague.
    roads : str, optional
        Folder with a recorded NDW feed, or `live` for the public one (then the clock is the wall clock); else
        roads are invented.
    speed : float
        Seconds of the simulated clock in a second.
    for_s : float, optional
        Stop after so many seconds of sending.
    report : Path, optional
        JSON file for what happened.
    seed : int
        Of the simulated crowd and roads.

    Returns
    -------
    int
        Exit code: 0, or 1 when one of the demo's processes ended by itself.

    Raises
    ------
    DrukteError
        It cannot start; whatever was started is stopped again.
    """
    console = Console()
    wanted = DemoReport(
        city=str(city_path or "den-haag"), roads=roads or "simulated", seed=seed,
        speed=1.0 if roads == LIVE else speed, wall_s=0.0, simulated_s=0.0, readings_sent=0,
        refused_by_reason={}, database=None, page=None, deliveries=0, notes=[], failed=None,
    )
    with _stop_signals() as stop:
        done = _played(console, wanted, city_path, for_s, stop)
    if report is not None:
        report.write_bytes(encode_report(done))
    _say_goodbye(console, done)
    return 1 if done.failed else 0


def _played(
    console: Console, wanted: DemoReport, city_path: Path | None, for_s: float | None, stop: threading.Event
) -> DemoReport:
    """Start, show and stop everything; the report of it."""
    with ExitStack() as stack:
        play = _started(console, stack, wanted, city_path, stop)
        if isinstance(play, DemoReport):
            return play
        with view_on(console) as view:
            trouble = _show(play, view, for_s, stop)
        play.feeder.stop()
        return _reported(wanted, play, trouble)


def _started(
    console: Console, stack: ExitStack, wanted: DemoReport, city_path: Path | None, stop: threading.Event
) -> Play | DemoReport:
    """Bring the chain up, one part after the other; a report already when that was stopped or failed."""
    progress = Progress(console)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drukte-demo-")))
    with progress.doing("city and roads"):
        roads = None if wanted.roads == "simulated" else wanted.roads
        scene = make_scene(folder, city_path, roads)
    wanted = msgspec.structs.replace(wanted, city=scene.city.file.name, notes=list(scene.notes))
    with progress.doing("broker (a stand-in)"):
        bootstrap = stack.enter_context(embedded_broker(topic.value for topic in Topic))
    with progress.doing("database (a stand-in)"):
        uri = stack.enter_context(embedded_database())
        storage.migrate(uri, timescale=False)
        connection = stack.enter_context(storage.connect(uri, "drukte demo"))
    receiver = stack.enter_context(webhook_receiver())
    settings = _settings(scene, bootstrap, uri, wanted, receiver)
    (folder / SETTINGS_FILE).write_text(tomlkit.dumps(_document(settings)))
    processes = stack.enter_context(Processes(folder))
    with progress.doing("services"):
        for service in SERVICES:
            processes.start(service, ["streams.cli", service, "--settings", SETTINGS_FILE])
        trouble = _until_ready(settings, processes, stop)
    if trouble is not None or stop.is_set():
        return msgspec.structs.replace(wanted, failed=None if trouble is None else str(trouble))
    console.print(f"page: {page_address(settings)}", highlight=False, soft_wrap=True)
    begin_us = now_us(settings.clock)
    crowd = WatchedCrowd(scene.city, wanted.seed, begin_us)
    feeder = Feeder(_address(settings.gateway), settings.clock, crowd, scene.roads(wanted.seed, begin_us))
    stack.callback(feeder.stop)
    feeder.start()
    return Play(scene, settings, feeder, processes, connection, receiver, begin_us)


def _settings(scene: Scene, bootstrap: str, uri: str, wanted: DemoReport, receiver: Receiver) -> Settings:
    clock = ClockSettings()
    if wanted.roads != LIVE:
        today = dt.datetime.now(ZoneInfo(scene.city.file.timezone)).date()
        clock = ClockSettings(
            kind=Clock.SIMULATED, speed=wanted.speed, start_us=start_us(scene.city.file, today),
            wall_start_us=wall_us(),
        )
    ndw = NdwSettings(url=NDW_MEASURED_URL) if scene.live else None
    return Settings(
        city=scene.path,
        kafka=KafkaSettings(bootstrap=bootstrap, partitions=MOCK_PARTITIONS, mock=True),
        database=DatabaseSettings(uri=uri),
        clock=clock,
        gateway=GatewaySettings(port=_free_port(), ndw=ndw),
        serve=ServeSettings(port=_free_port()),
        deliver=DeliverSettings(
            webhooks=[WebhookSettings(name=NAME, url=receiver.url, secret=receiver.secret)]
        ),
    )


def _document(settings: Settings) -> dict[str, Any]:
    """As TOML spells it: what is not set is not there."""
    document: dict[str, Any] = _without_none(msgspec.to_builtins(settings, enc_hook=str))
    return document


def _without_none(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_none(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: _without_none(one) for key, one in value.items() if one is not None}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _address(listening: GatewaySettings | ServeSettings) -> str:
    return f"http://{listening.host}:{listening.port}"


def page_address(settings: Settings) -> str:
    """Where the page is."""
    return f"{_address(settings.serve)}/"


def _until_ready(
    settings: Settings, processes: Processes, stop: threading.Event
) -> Failure | FatalError | None:
    """Wait until gateway and page answer that they are well; what went wrong otherwise."""
    limit_s = time.monotonic() + START_LIMIT_S
    waiting = {"gateway": _address(settings.gateway), "page": _address(settings.serve)}
    while not stop.is_set():
        failure = processes.failure()
        if failure is not None:
            return failure
        waiting = {name: address for name, address in waiting.items() if not _is_well(address)}
        if not waiting:
            return None
        if time.monotonic() > limit_s:
            names = " and ".join(waiting)
            return FatalError(f"not ready after {START_LIMIT_S:.0f} s: {names}; is the machine too busy?")
        stop.wait(LOOK_S)
    return None


def _is_well(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", trust_env=False, timeout=2.0).is_success
    except httpx.TransportError:
        return False  # not there yet


def _show(
    play: Play, view: View, for_s: float | None, stop: threading.Event
) -> Failure | Exception | None:
    """Show what happens until it is time to stop; what went wrong, if anything."""
    while not stop.is_set() and (for_s is None or play.running_s < for_s):
        trouble = play.processes.failure() or _feeder_trouble(play.feeder)
        if trouble is not None:
            return trouble
        view.show(read_picture(play.connection), _status(play))
        left_s = SHOW_S if for_s is None else min(SHOW_S, for_s - play.running_s)
        stop.wait(max(0.0, left_s))
    return play.processes.failure() or _feeder_trouble(play.feeder)


def _feeder_trouble(feeder: Feeder) -> Exception | None:
    if feeder.is_alive():
        return None
    return feeder.trouble or FatalError("the sender of the simulated readings ended by itself")


def _status(play: Play) -> Status:
    file = play.scene.city.file
    now = dt.datetime.fromtimestamp(now_us(play.settings.clock) / 1e6, dt.UTC)
    return Status(
        city=file.name, timezone=ZoneInfo(file.timezone), now=now, speed=play.settings.clock.speed,
        running_s=play.running_s, sent=play.feeder.sent, sent_per_s=play.feeder.per_second(),
        refused=play.feeder.refused.total(), notes=play.scene.notes,
        page=page_address(play.settings), delivered=play.receiver.delivered,
        newest_delivered=play.receiver.newest(),
    )


def _reported(wanted: DemoReport, play: Play, trouble: Failure | Exception | None) -> DemoReport:
    begin = dt.datetime.fromtimestamp(play.begin_us / 1e6, dt.UTC)
    database: DatabaseReport | None = None
    page: PageReport | None = None
    if trouble is None:
        page = read_page(page_address(play.settings))
    if not play.connection.closed:
        database = read_database(play.connection, begin, wanted.speed)
    return msgspec.structs.replace(
        wanted, wall_s=round(play.running_s, 1),
        simulated_s=round((now_us(play.settings.clock) - play.begin_us) / 1e6, 1),
        readings_sent=play.feeder.sent, refused_by_reason=dict(play.feeder.refused), database=database,
        page=page, deliveries=play.receiver.delivered, failed=None if trouble is None else str(trouble),
    )


def _say_goodbye(console: Console, done: DemoReport) -> None:
    lines = [f"{done.readings_sent} readings sent in {done.wall_s:.0f} s ({done.simulated_s:.0f} s of log time)"]
    if done.database is not None:
        rows = ", ".join(f"{name} {table.rows}" for name, table in done.database.tables.items())
        lines.append(f"rows: {rows}; {done.database.level_changes} changes of level")
        lines.append(f"alerts: {done.database.alerts_opened} opened, {done.database.alerts_closed} closed")
        lines.append(f"webhook: {done.deliveries} changes of alerts delivered")
    if done.failed:
        lines.append(done.failed)
    lines.append("Everything is stopped, and all that the stand-ins held is gone.")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM and a closed terminal set; nothing is torn apart half way."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield stop
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
