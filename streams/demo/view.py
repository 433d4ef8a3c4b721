# SPDX-License-Identifier: Apache-2.0
"""The demo's screen: zones, roads, alerts, rates. A pure function of what was read; fits 100 x 30."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.demo import wording
from streams.demo.picture import AlertLine, Picture, RoadLine, ZoneLine

STAND_INS = "Broker and database are stand-ins inside this demo: they forget everything at its end."
LEVEL_STYLES = ("black on green", "black on yellow", "black on dark_orange", "bold white on red")
NO_DATA_STYLE = "bold black on white"
"""Like no level: missing is not calm."""
STALE_S = 180.0
STALE_WALL_S = 15.0
"""A window that ended longer ago, in log time and by the watch on the wall, says nothing about now."""
LOWER_LINES = (8, 16)
"""Fewest and most lines of roads and alerts."""
ALERT_NAME = 18
"""Longer names of zones are cut in the list of alerts, so that the rest of its line fits."""
CLOSED_SHOWN = dt.timedelta(minutes=30)
"""So long, in log time, a closed alert still stands in the list."""
PAGE_S = 6.0
"""Roads that do not fit take turns."""
FIXED_LINES = 8
"""Title, lag, page, heading of the zones, two blank lines and the two lines at the foot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the demo knows besides the database.

    Parameters
    ----------
    city : str
        Its name.
    timezone : ZoneInfo
        Of the city; times are shown in it.
    now : datetime
        The deployment's clock.
    speed : float
        Seconds of that clock in a second.
    running_s : float
        Seconds since the demo began to send.
    sent : int
        Readings that the gateway took.
    sent_per_s : float
        The same of late, a second.
    refused : int
        Readings that it refused.
    notes : tuple of str
        What the viewer has to know, such as a feed that cannot be reached.
    page : str
        Address of the page.
    delivered : int
        Changes of alerts that the webhook took.
    newest_delivered : tuple of str
        Summaries of the newest of them, oldest first.
    """

    city: str
    timezone: ZoneInfo
    now: dt.datetime
    speed: float
    running_s: float
    sent: int
    sent_per_s: float
    refused: int
    notes: tuple[str, ...] = ()
    page: str = ""
    delivered: int = 0
    newest_delivered: tuple[str, ...] = ()

    @property
    def stale_s(self) -> float:
        """Age in log time beyond which a window says nothing about now."""
        return max(STALE_S, STALE_WALL_S * self.speed)


def screen(picture: Picture, status: Status, height: int = 30) -> RenderableType:
    """All of the screen, at most `height` lines."""
    alerts = _shown_alerts(picture.alerts, status)
    lines = height - FIXED_LINES - len(status.notes)
    fewest, most = LOWER_LINES
    lower = min(most, max(fewest, lines - len(picture.zones)))
    room = max(3, lines - lower)
    return Group(
        _title(status),
        Text(lag_text(picture, status), no_wrap=True, overflow="ellipsis"),
        _outside(status),
        *(Text(note, style="bold yellow", no_wrap=True, overflow="ellipsis") for note in status.notes),
        "",
        _zones(picture.zones, status, room),
        "",
        _side_by_side(_roads(picture.roads, status, lower), _alerts(alerts, status, lower)),
        _totals(picture, status),
        Text(STAND_INS, style="italic", no_wrap=True, overflow="ellipsis"),
    )


def lag_text(picture: Picture, status: Status) -> str:
    """How far the database's newest window lies behind the clock, in log time and by the watch."""
    if picture.newest is None:
        return "no window yet"
    behind_s = (status.now - picture.newest).total_seconds()
    shown = f"{picture.newest.astimezone(status.timezone):%H:%M}"
    wall = f" = {behind_s / status.speed:.1f} s of yours" if status.speed != 1 else ""
    return f"log shown up to {shown}, {behind_s:.0f} s behind{wall}"


def _outside(status: Status) -> Text:
    """Where the page is, and what was told to the webhook last."""
    text = Text.assemble("page ", (status.page, "bold"), f" · webhook: {status.delivered} delivered")
    if status.newest_delivered:
        text.append(f", last: {status.newest_delivered[-1]}")
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _title(status: Status) -> Text:
    clock = f"{status.now.astimezone(status.timezone):%a %d %b %H:%M:%S}"
    kind = "wall clock" if status.speed == 1 else f"simulated, {status.speed:g} x"
    text = Text.assemble(
        ("Drukte demo", "bold"), f" · {status.city} · ", (clock, "bold"), f" ({kind})",
    )
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _zones(zones: Sequence[ZoneLine], status: Status, room: int) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="bold", expand=False)
    table.add_column("zone", width=26, no_wrap=True, overflow="ellipsis")
    table.add_column("level", width=15, no_wrap=True)
    columns = (("of capacity", 11), ("people", 12), ("per m²", 9), ("", 1), ("seen", 5), ("age", 5))
    for heading, width in columns:
        table.add_column(heading, width=width, justify="right", no_wrap=True)
    shown = _most_urgent(zones, status, room)
    for zone in shown:
        table.add_row(*_zone_cells(zone, status))
    if hidden := len(zones) - len(shown):
        table.add_row(Text(f"and {hidden} calmer ones", style="dim"))
    return table


def _most_urgent(zones: Sequence[ZoneLine], status: Status, room: int) -> list[ZoneLine]:
    """As many zones as fit, in their own order; those left out are the calmest with a value."""
    if len(zones) <= room:
        return list(zones)

    def urgency(index: int) -> tuple[int, float]:
        zone = zones[index]
        missing = wording.zone_word(zone, status.now, status.stale_s) == wording.NO_DATA
        return -1 if missing or zone.level is None else -zone.level, -(zone.percent_high or 0.0)

    kept = sorted(sorted(range(len(zones)), key=urgency)[: room - 1])
    return [zones[index] for index in kept]


def _zone_cells(zone: ZoneLine, status: Status) -> list[RenderableType]:
    word = wording.zone_word(zone, status.now, status.stale_s)
    age = wording.age(zone.window_end, status.now)
    seen = wording.share(zone.coverage)
    if word == wording.NO_DATA or zone.level is None:
        dashes = [wording.NOTHING] * 3
        return [zone.name, Text(f" {word}", style=NO_DATA_STYLE), *dashes, "", seen, age]
    trend = "" if zone.trend is None else wording.ARROWS[zone.trend]
    style = _level_style(zone.level, len(zone.level_names))
    return [
        zone.name, Text(f" {word:<13}", style=style), wording.percent(zone), wording.people(zone),
        wording.density(zone), trend, seen, age,
    ]


def _level_style(level: int, levels: int) -> str:
    """Colours spread over as many levels as the profile has; the highest one is always the last colour."""
    last = len(LEVEL_STYLES) - 1
    return LEVEL_STYLES[min(last, round(level * last / max(1, levels - 1)))]


def _side_by_side(left: Table, right: Table) -> Table:
    both = Table.grid(padding=(0, 1))
    both.add_column(width=44)
    both.add_column(width=55)
    both.add_row(left, right)
    return both


def _roads(roads: Sequence[RoadLine], status: Status, lines: int) -> Table:
    room = lines - 1
    pages = -(-len(roads) // room) if roads else 1
    page = int(status.running_s // PAGE_S) % pages
    shown = roads[page * room : (page + 1) * room]
    count = f"roads {page * room + 1}–{page * room + len(shown)} of {len(roads)}" if pages > 1 else "roads"
    table = Table(box=None, padding=(0, 1), header_style="bold", expand=False)
    table.add_column(count if roads else "no roads", width=20, no_wrap=True, overflow="ellipsis")
    for heading, width in (("veh/min", 7), ("km/h", 4), ("seen", 5)):
        table.add_column(heading, width=width, justify="right", no_wrap=True)
    for road in shown:
        table.add_row(*_road_cells(road, status))
    for _ in range(room - len(shown)):
        table.add_row("")
    return table


def _road_cells(road: RoadLine, status: Status) -> list[RenderableType]:
    # A road's window waits for late publications, and the reports themselves come a minute later.
    if road.vehicles is None or wording.is_stale(road.window_end, status.now, 2 * status.stale_s):
        return [road.name, Text("geen", style=NO_DATA_STYLE), Text("geg.", style=NO_DATA_STYLE), "0 %"]
    return [road.name, wording.vehicles_per_minute(road), wording.speed(road), wording.share(road.coverage)]


def _shown_alerts(alerts: Sequence[AlertLine], status: Status) -> list[AlertLine]:
    return [alert for alert in alerts if alert.is_open or status.now - alert.at <= CLOSED_SHOWN]


def _alerts(alerts: Sequence[AlertLine], status: Status, lines: int) -> Table:
    opened = sum(alert.is_open for alert in alerts)
    table = Table(box=None, padding=(0, 1), header_style="bold", expand=False)
    table.add_column(f"alerts: {opened} open", width=53, no_wrap=True, overflow="ellipsis")
    room = lines - 1
    shown = alerts if len(alerts) <= room else alerts[: room - 1]
    for alert in shown:
        table.add_row(_alert_text(alert, status))
    if hidden := len(alerts) - len(shown):
        table.add_row(Text(f"and {hidden} more", style="dim"))
    return table


def _alert_text(alert: AlertLine, status: Status) -> Text:
    name = alert.name if len(alert.name) <= ALERT_NAME else f"{alert.name[: ALERT_NAME - 1]}…"
    text = f" {name} · {wording.alert_life(alert, status.timezone)}"
    if not alert.is_open:
        return Text(f" {alert.rule} {text}", style="dim")
    style = _level_style(alert.level, len(alert.level_names))
    return Text.assemble((f" {alert.rule} ", style), text)


def _totals(picture: Picture, status: Status) -> Text:
    rows = ", ".join(f"{name.removesuffix('_minute')} {count:,}" for name, count in picture.rows.items())
    refused = f", {status.refused:,} refused" if status.refused else ""
    return Text(
        f"Ctrl-C ends · sent {status.sent:,} ({status.sent_per_s:.0f}/s{refused}) · rows: {rows}",
        no_wrap=True, overflow="ellipsis",
    )
