# SPDX-License-Identifier: Apache-2.0
"""Road rows that are told again: late readings and corrections of closed windows."""

import numpy as np
import numpy.typing as npt

from streams.core.layout import RING_SLACK_US, Layout, PlaceKind
from streams.core.moves import Moves, carry_rings
from streams.core.windows import Windows

Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


class Revisions:
    """How often the row of each closed road window was told; rows about people are told once."""

    STATE = ("_told", "_first_start")

    def __init__(self, layout: Layout, windows: Windows) -> None:
        self._layout = layout
        self._windows = windows
        self._told = np.zeros((len(layout.place_kind), windows.rings), np.int64)
        self._first_start = np.zeros(len(layout.place_kind), np.int64)
        self._late: list[tuple[Places, Ints, Ints]] = []

    def start(self) -> None:
        """Note the first windows: what lies before them was never told and is not revised."""
        self._first_start = self._windows.open_start.copy()

    def carry(self, old: "Revisions", moves: Moves) -> None:
        """Go on counting for the places that stay."""
        self.start()
        new, was = moves.places()
        self._first_start[new] = old._first_start[was]
        rings = min(self._windows.rings, old._windows.rings)
        span = self._layout.place_span_us[new]
        windows = self._windows.open_start[new] // span - np.arange(1, rings)[:, None]
        carry_rings(old._told.T, self._told.T, windows, new, was)

    def closed(self, place: Places, start_us: Ints) -> None:
        """Note that a window was told for the first time."""
        self._told[place, self._windows.ring(place, start_us)] = 0

    def reach(self, channel: Places, begin: Ints) -> Mask:
        """Readings of roads that come late, but not too late for their slots."""
        place = self._layout.channel_place[channel]
        is_road = self._layout.place_kind[place] == PlaceKind.ROAD
        in_slots = begin >= self._windows.open_start[place] - RING_SLACK_US
        return np.asarray(is_road & in_slots & (begin >= self._first_start[place]))

    def note(self, channel: Places, begin: Ints, end: Ints) -> None:
        """Readings of the message at hand that change what was told."""
        if len(channel):
            self._late.append((channel, begin, end))

    def noted(self) -> tuple[Places, Ints, Ints]:
        """The windows that all of them lie in, as `touched`; they are forgotten with it."""
        late, self._late = self._late, []
        if not late:
            none = np.zeros(0, np.int64)
            return np.zeros(0, np.intp), none, none
        channel, begin, end = (np.concatenate([one[part] for one in late]) for part in range(3))
        return self.touched(channel, begin, end)

    def touched(self, channel: Places, begin: Ints, end: Ints) -> tuple[Places, Ints, Ints]:
        """The closed windows that readings lie in, each once, and their next revision.

        Returns
        -------
        place, start_us, revision : arrays over windows
        """
        place = self._layout.channel_place[channel]
        span = self._layout.place_span_us[place]
        first, last = begin // span, np.maximum(end - 1, begin) // span
        most = int((last - first).max(initial=0)) + 1
        windows = first[:, None] + np.arange(most)
        told = (windows <= last[:, None]) & (windows * span[:, None] < self._windows.open_start[place][:, None])
        row = np.broadcast_to(place[:, None], told.shape)[told]
        start = (windows * span[:, None])[told]
        pairs = np.unique(np.stack([row, start]), axis=1)
        at = pairs[0].astype(np.intp), self._windows.ring(pairs[0].astype(np.intp), pairs[1])
        self._told[at] += 1
        return at[0], pairs[1], self._told[at]
