# SPDX-License-Identifier: Apache-2.0
"""The `drukte` command. Each command imports what it needs when it runs, so that `--help` is quick."""

import gc
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer

from schemas.errors import DrukteError, FatalError
from streams import (
    alert_command,
    backfill_command,
    baseline_command,
    city_command,
    contract_command,
    dashboards_command,
    db_command,
    dead_letters_command,
    doctor_command,
    feed_command,
    levels_command,
    operator_command,
    privacy_command,
    report_command,
    sensor_command,
    sighting_command,
    simulate_command,
    token_command,
    trace_command,
    verify_command,
    zone_command,
)

app = typer.Typer(
    name="drukte", no_args_is_help=True, pretty_exceptions_enable=False,
    help="Drukte: from traffic counters and crowd sensors to privacy-safe densities and alarms.",
)
app.add_typer(city_command.app, name="city")
app.add_typer(db_command.app, name="db")
app.add_typer(dashboards_command.app, name="dashboards")
app.add_typer(token_command.app, name="token")
app.add_typer(sensor_command.app, name="sensor")
app.add_typer(dead_letters_command.app, name="dead-letters")
app.add_typer(feed_command.app, name="feed")
app.add_typer(baseline_command.app, name="baseline")
app.add_typer(levels_command.app, name="levels")
app.add_typer(privacy_command.app, name="privacy")
app.add_typer(report_command.app, name="report")
app.add_typer(zone_command.app, name="zone")
app.add_typer(alert_command.app, name="alert")
app.add_typer(operator_command.gate_app, name="gate")
app.add_typer(operator_command.measure_app, name="measure")
app.command()(operator_command.drill)
app.command()(contract_command.contract)
app.command()(simulate_command.simulate)
app.command()(doctor_command.doctor)
app.command()(trace_command.trace)
app.command()(sensor_command.scorecard)
app.command()(verify_command.verify)
app.command()(sighting_command.sighting)
app.command()(backfill_command.backfill)

LOGGING = ("gateway", "worker", "writer", "serve", "deliver", "demo")
"""Commands whose log is what they print; the others print an answer, and their log goes to standard error."""
COLLECT_OBJECTS = 50_000
"""So many new objects make a gateway or worker look for cycles among them."""

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]
CityPath = Annotated[Path | None, typer.Option("--city", help="City file (TOML).", exists=True, dir_okay=False)]


def _collect_seldom() -> None:
    # What is loaded stays until the end. Messages come and go by the thousand, and hardly a cycle holds one: Python's
    # own thresholds let it look for cycles all the time, each time through all that is loaded.
    gc.freeze()
    gc.set_threshold(COLLECT_OBJECTS)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version
        typer.echo(f"drukte {version('drukte')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """What holds for `drukte` without a command."""


class Feed(StrEnum):
    """What `drukte replay` reads."""

    DATEX2 = "datex2"
    NATIVE = "native"


@app.command()
def gateway(settings: SettingsFile = None) -> None:
    """Take readings in over HTTP (and NDW by polling) and write them to the log."""
    from streams.city_files import load_city
    from streams.gateway.run import run_gateway
    from streams.settings import load_settings
    loaded = load_settings(settings)
    city = load_city(loaded.city)
    _collect_seldom()
    run_gateway(loaded, city)


@app.command()
def worker(
    settings: SettingsFile = None,
    instance: Annotated[
        str | None, typer.Option(help="Stable name within the group, one for each worker; else the machine's name.")
    ] = None,
) -> None:
    """Fold the log into live rows and alerts."""
    from streams.city_files import load_city
    from streams.settings import load_settings
    from streams.worker.run import run_worker
    loaded = load_settings(settings)
    city = load_city(loaded.city)
    _collect_seldom()
    raise typer.Exit(run_worker(loaded, city, instance))


@app.command()
def writer(settings: SettingsFile = None) -> None:
    """Copy live rows and alerts from Kafka into the database."""
    from streams.city_files import load_city
    from streams.settings import load_settings
    from streams.writer.run import run_writer
    loaded = load_settings(settings)
    run_writer(loaded, load_city(loaded.city))


@app.command()
def serve(settings: SettingsFile = None) -> None:
    """Show the present on a page, straight from Kafka."""
    from streams.city_files import load_city
    from streams.serve.run import run_serve
    from streams.settings import load_settings
    loaded = load_settings(settings)
    run_serve(loaded, load_city(loaded.city))


@app.command()
def deliver(settings: SettingsFile = None) -> None:
    """Tell alerts to Alertmanager, signed webhooks, MQTT and CAP 1.2 receivers."""
    from streams.city_files import load_city
    from streams.deliver.run import run_deliver
    from streams.settings import load_settings
    loaded = load_settings(settings)
    run_deliver(loaded, load_city(loaded.city))


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Feed files, in the order of their time.", exists=True)],
    feed: Annotated[Feed, typer.Option(help="Format of the files.")],
    site_table: Annotated[
        Path | None, typer.Option(help="NDW site table (XML, may be gzip); needed for datex2 without --city.",
                                  exists=True, dir_okay=False)
    ] = None,
    city: Annotated[
        list[str] | None,
        typer.Option(help="City file. Repeat it for later versions, as PATH@TIME: from when each holds."),
    ] = None,
    source: Annotated[str, typer.Option(help="Source of native readings in the city file.")] = "",
    out: Annotated[Path | None, typer.Option(help="Parquet file for the windows.")] = None,
    report: Annotated[Path | None, typer.Option(help="JSON file for the report; else it is printed.")] = None,
) -> None:
    """Run recorded files through the same fold, in process and without a broker."""
    from streams.replay_command import check_writable, replay_files
    check_writable("--report", report)
    printed = replay_files(files, feed, site_table, city or [], source, out)
    if report is None:
        sys.stdout.write(printed.decode())
    else:
        report.write_bytes(printed)


@app.command()
def demo(
    city: CityPath = None,
    roads: Annotated[
        str | None, typer.Option(help="Folder with a recorded NDW table and publication, or `live`.")
    ] = None,
    speed: Annotated[float, typer.Option(min=0.1, max=120, help="Simulated seconds in a second.")] = 20.0,
    for_s: Annotated[float | None, typer.Option("--for", min=1, help="Stop after so many seconds.")] = None,
    report: Annotated[Path | None, typer.Option(help="JSON file for what happened.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated crowd and roads.")] = 1,
) -> None:
    """Show the whole chain at work, with a broker and a database that forget everything at the end."""
    from streams.demo.run import run_demo
    raise typer.Exit(run_demo(city, roads, speed, for_s, report, seed))


def main() -> None:
    """Run the command; an error of ours is one clear line and an exit code."""
    sink = sys.stdout if sys.argv[1:2] and sys.argv[1] in LOGGING else sys.stderr
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
                        logger_factory=structlog.PrintLoggerFactory(sink))
    try:
        app()
    except DrukteError as error:
        sys.stderr.write(f"drukte: {error}\n")
        sys.exit(1 if isinstance(error, FatalError) else 2)


if __name__ == "__main__":
    main()
