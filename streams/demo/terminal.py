# SPDX-License-Identifier: Apache-2.0
"""Where the demo is seen: a screen that is drawn anew in a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from streams.demo.changes import changed_lines, delivered_lines, status_line
from streams.demo.picture import Picture
from streams.demo.view import STAND_INS, Status, screen

STATUS_EVERY_S = 15.0
"""A plain log says where the demo stands at least so often."""


class View(Protocol):
    """Something that shows pictures."""

    def show(self, picture: Picture, status: Status) -> None:
        """Show this one."""


class ScreenView:
    """The whole terminal, drawn in one go so that it does not flicker."""

    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live

    def show(self, picture: Picture, status: Status) -> None:
        """As `View.show`."""
        self._live.update(screen(picture, status, self._console.size.height), refresh=True)


class PlainView:
    """A line for each change; good for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._before = Picture()
        self._said_s = -STATUS_EVERY_S
        self._noted: tuple[str, ...] = ()
        self._delivered = 0

    def show(self, picture: Picture, status: Status) -> None:
        """As `View.show`."""
        if status.notes != self._noted:
            self._say(*status.notes)
            self._noted = status.notes
        self._say(*changed_lines(self._before, picture, status))
        self._say(*delivered_lines(self._delivered, status))
        self._before, self._delivered = picture, status.delivered
        if status.running_s - self._said_s >= STATUS_EVERY_S:
            self._say(status_line(picture, status))
            self._said_s = status.running_s

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def view_on(console: Console) -> Iterator[View]:
    """The view that fits where the output goes."""
    if not console.is_terminal or console.is_dumb_terminal:
        console.print(STAND_INS, soft_wrap=True)
        yield PlainView(console)
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield ScreenView(console, live)


class Progress:
    """The lines of the start: what is being done, and how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say what, do it, say the seconds."""
        begin_s = time.monotonic()
        self._console.print(f"{what:<34}", end="", highlight=False)
        try:
            yield
        except BaseException:
            self._console.print("failed", highlight=False)
            raise
        self._console.print(f"{time.monotonic() - begin_s:6.1f} s", highlight=False)
