# SPDX-License-Identifier: Apache-2.0
"""The worker as a process."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from functools import partial

import faust
import structlog

from schemas.city import City
from streams import metrics
from streams.cities import Cities
from streams.kafka_client import check_admitted
from streams.metrics import Figure, Process, metrics_endpoint, worker_figures
from streams.settings import Settings
from streams.worker.app import make_app
from streams.worker.folds import Folds
from streams.worker.quiet import limit_library_logs
from streams.worker.start import Start, StoppedError

STOP_S = 6.0
"""A worker that has not stopped by then is ended: nothing is lost, the log makes the next one whole."""

log = structlog.get_logger(__name__)


class _Worker(faust.Worker):
    async def on_stop(self) -> None:
        # With the broker away the last flush of the producer would wait for ever.
        timer = threading.Timer(STOP_S, _end_now)
        timer.daemon = True
        timer.start()
        await super().on_stop()


def run_worker(settings: Settings, city: City, instance: str | None = None) -> int:
    """Wait for the broker, then fold, until SIGTERM or SIGINT.

    Parameters
    ----------
    settings : Settings
    city : City
    instance : str, optional
        Static member id, unique among the workers of a deployment and the same after a restart; by default
        the name of this machine.

    Returns
    -------
    int
        Exit code: 0 after a signal, 1 when it had to end; the reason is in the log.

    Raises
    ------
    FatalError
        The account is wrong, the topics are not as planned, or hold city versions that ours does not go with.
    """
    limit_library_logs()
    check_admitted(settings.kafka)
    start = Start(settings.kafka, city)
    folds = Folds(city, settings.kafka.partitions, start.cities)
    with metrics_endpoint(settings.metrics, Process.WORKER, partial(_figures, settings, folds, start)):
        try:
            start.wait()
        except StoppedError:
            log.info("worker stopped while it waited for the broker")
            return 0
        return _fold(settings, start.cities, folds, instance)


def _fold(settings: Settings, cities: Cities, folds: Folds, instance: str | None) -> int:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = make_app(settings, cities.newest, folds, instance or socket.gethostname())
    worker = _Worker(app, loop=loop, quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner = None  # it writes control characters into logs
    log.info("worker starts", broker=settings.kafka.bootstrap, city=cities.newest.file.city,
             versions=[one.city.version for one in cities.known])
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    log.info("worker stopped", exit_code=code)
    return code


def _figures(settings: Settings, folds: Folds, start: Start) -> Iterator[Figure]:
    yield Figure(metrics.BROKER_AWAY, start.broker_is_away)
    yield from worker_figures(settings.clock, folds.states(), folds.counters)


def _end_now() -> None:
    log.error("worker ended while stopping", after_s=STOP_S, do="was the broker away? nothing is lost")
    os._exit(1)
