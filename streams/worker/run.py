# SPDX-License-Identifier: Apache-2.0
"""The worker as a process."""

import asyncio
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial

import faust
import structlog

from schemas.city import City
from schemas.errors import TransientError
from streams.cities import Cities
from streams.metrics import Figure, Process, metrics_endpoint, worker_figures
from streams.settings import KafkaSettings, Settings
from streams.topics import ensure_topics
from streams.worker.app import make_app
from streams.worker.folds import Folds
from streams.worker.quiet import limit_library_logs

BROKER_S = 60.0
"""How long a starting worker waits for the broker."""
BROKER_RETRY_S = 2.0
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
    """Fold until SIGTERM or SIGINT.

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
    TransientError
        The broker does not answer.
    FatalError
        The topics are not as planned, or hold city versions that ours does not go with.
    """
    limit_library_logs()
    _wait_for_topics(settings.kafka)
    cities = Cities(city, settings.kafka)
    cities.refresh()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory(prefix="drukte-worker-") as folder:
        folds = Folds(city, settings.kafka.partitions, cities)
        app = make_app(settings, cities.newest, folds, instance or socket.gethostname(), folder)
        worker = _Worker(app, loop=loop, quiet=True, override_logging=False, redirect_stdouts=False)
        worker.spinner = None  # it writes control characters into logs
        log.info("worker starts", broker=settings.kafka.bootstrap, city=city.file.city,
                 versions=[one.city.version for one in cities.known])
        figures = partial(_figures, settings, folds)
        try:
            with metrics_endpoint(settings.metrics, Process.WORKER, figures):
                worker.execute_from_commandline()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    log.info("worker stopped", exit_code=code)
    return code


def _figures(settings: Settings, folds: Folds) -> Iterator[Figure]:
    return worker_figures(settings.clock, folds.states(), folds.counters)


def _wait_for_topics(kafka: KafkaSettings) -> None:
    until_s = time.monotonic() + BROKER_S
    while True:
        try:
            ensure_topics(kafka)
            return
        except TransientError as error:
            if time.monotonic() > until_s:
                raise
            log.warning("broker away", reason=str(error))
            time.sleep(BROKER_RETRY_S)


def _end_now() -> None:
    log.error("worker ended while stopping", after_s=STOP_S, do="was the broker away? nothing is lost")
    os._exit(1)
