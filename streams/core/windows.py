# SPDX-License-Identifier: Apache-2.0
"""When a window closes: early once all that is expected has come, else when nobody need be waited for."""

import numpy as np
import numpy.typing as npt

from schemas.reading import Batch
from streams.core.arrivals import Arrivals
from streams.core.counts import LONGEST_GAP
from streams.core.layout import MINUTE_US, NEVER_EARLY, RING_SLACK_US, Group, Layout, Rate
from streams.core.moves import Moves, carry_rings
from streams.core.slots import Put

SILENT_AFTER = 3
"""Intervals without a report, beyond its allowed delay, after which a sensor is not waited for."""
UNWAITED_SHARE = 0.05
"""A window does not wait for a reading of which so little lies in it."""
FAR_FUTURE = np.iinfo(np.int64).max
SAMPLED = (Rate.INSTANT, Rate.CUMULATIVE)
"""Their readings are of an instant, not of an interval."""

Places = npt.NDArray[np.intp]
Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Windows:
    """The earliest open window of every place and what has arrived for it and those after it.

    Attributes
    ----------
    open_start : int64 array over places
        Begin of the earliest window that is still open, microseconds since 1970, UTC.
    rings : int
        How many windows of a place can be open at once; `ring` numbers them.
    next_deadline : int
        Log time before which no window closes for having waited long enough.
    """

    STATE = ("open_start", "_arrived", "_expected", "_delay_us", "_last_heard", "_overhang_us", "_live", "_moved",
             "_all_live", "_next_end", "next_deadline")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        places = len(layout.place_kind)
        span = layout.place_span_us
        self.rings = int(((layout.place_delay_us + RING_SLACK_US) // MINUTE_US).max(initial=0)) + 4
        self.open_start: Times = np.zeros(places, np.int64)
        self._arrived = np.zeros((self.rings, places), np.int64)
        self._expected = np.zeros(places, np.int64)
        self._delay_us = np.zeros(places, np.int64)
        self._last_heard = np.zeros(len(layout.channel_place), np.int64)
        self._overhang_us = np.zeros(len(layout.channel_place), np.int64)
        """How far a channel's readings reach beyond the windows' ends: its clock is not aligned to minutes."""
        self._patience_us = SILENT_AFTER * layout.channel_interval_us + layout.channel_delay_us
        self._patience_us[layout.channel_on_event] = np.maximum(
            self._patience_us, layout.channel_hold_us)[layout.channel_on_event]
        self._live = layout.channel_counted.copy()
        self._slots_a_window = -(-span[layout.channel_place] // layout.channel_interval_us)
        self._slots_a_window[layout.channel_on_event] = NEVER_EARLY
        self._moved = True
        self._all_live = False
        self._next_end = 0
        """No window ends before it."""
        self._spans_us = np.unique(span).tolist()
        self._back_us = _longest_back_us(layout)
        self._least_ring_us = min((group.ring_us for group in layout.groups), default=0)
        self._open_bounds: tuple[int, int] | None = None
        """Least and greatest of `open_start`, found when they are asked for."""
        self.next_deadline = FAR_FUTURE

    def start(self, log_time_us: int) -> None:
        """Open each place's first window: the first that begins at or after the log's first time."""
        span = self._layout.place_span_us
        self.open_start, self._open_bounds = -(-log_time_us // span) * span, None
        self._last_heard[:] = log_time_us
        self.refresh(log_time_us)

    def carry(self, old: "Windows", moves: Moves) -> None:
        """Go on with the places that stay; a new one opens its first window at the change or after it."""
        span = self._layout.place_span_us
        self.open_start = -(-moves.at_us // span) * span
        new, was = moves.places()
        self.open_start[new], self._open_bounds = old.open_start[was], None
        windows = self.open_start[new] // span[new] + np.arange(min(self.rings, old.rings))[:, None]
        carry_rings(old._arrived, self._arrived, windows, new, was)
        self._last_heard[:] = moves.at_us
        new, was = moves.channels()
        self._last_heard[new], self._overhang_us[new] = old._last_heard[was], old._overhang_us[was]
        self.refresh(moves.at_us)

    @property
    def last_heard(self) -> Times:
        """Log time at which each channel was heard last; the log's begin where it never was."""
        return self._last_heard

    def ring(self, place: Places, start_us: Times) -> npt.NDArray[np.intp]:
        """The ring position of a place's window."""
        return (start_us // self._layout.place_span_us[place] % self.rings).astype(np.intp)

    def may_wait(self, batch: Batch, log_time_us: int) -> bool:
        """Whether it is sure that readings lie in no window that is over and come neither late nor ahead."""
        first_open, last_open = self._bounds()
        from_us = last_open
        if log_time_us >= self._next_end:
            last_end = max(log_time_us // span * span for span in self._spans_us)
            from_us = max(last_open, last_end + int(np.maximum.reduce(self._back_us.take(batch.metric))))
        return int(np.minimum.reduce(batch.begin)) >= from_us and (
            int(np.maximum.reduce(batch.begin)) < first_open + self._least_ring_us)

    def _bounds(self) -> tuple[int, int]:
        if self._open_bounds is None:
            self._open_bounds = int(self.open_start.min(initial=FAR_FUTURE)), int(self.open_start.max(initial=0))
        return self._open_bounds

    def lateness(self, new: Arrivals) -> tuple[Mask, Mask] | None:
        """Readings whose window has closed, and those too far ahead of it for their slots; None without any."""
        group = new.group
        first_open, last_open = self._bounds()
        if new.first_us >= last_open and new.last_us < first_open + group.ring_us and (
                group.semantics in SAMPLED or int(np.minimum.reduce(new.span_us)) > 0):
            return None
        open_start = self.open_start.take(new.place)
        late = _came_late(new, open_start)
        ahead = new.begin >= open_start + group.ring_us
        return (late, ahead) if late.any() or ahead.any() else None

    def take(self, new: Arrivals, put: Put, log_time_us: int, is_recorded: bool) -> bool:
        """Note reports of a group and newly filled slots; whether a touched window is now complete and over.

        Of recorded data a message may be older than what it holds: its sensors were heard until then.
        """
        group, channel, place, begin = new.group, new.channel, new.place, new.begin
        self._last_heard[channel] = np.maximum(new.end_us, new.received_us) if is_recorded else new.received_us
        if not group.is_instant:
            self._note_overhang(group, channel, begin + new.span_us)
        if not group.counted:
            return False
        if not self._all_live:
            revived = channel[~self._live[channel]]
            if len(revived):  # they are waited for again: no deadline comes earlier by it
                self._live[revived] = True
                self._count_expected()
        if not put.is_all_new:
            place, begin = place[put.filled], begin[put.filled]
        self._count_arrived(new, place, begin)
        if log_time_us < self._next_end:
            return False
        over = self.open_start[place] + group.row_us <= log_time_us
        return bool((over & self._complete(place)).any())

    def _count_arrived(self, new: Arrivals, place: Places, begin: Times) -> None:
        group, back_us = new.group, _back_us(new.group)
        first, last = (new.first_us - back_us) // group.row_us, (new.last_us - back_us) // group.row_us
        if self._open_bounds is None or new.first_us < self._open_bounds[1] + back_us:
            still_open = begin >= self.open_start.take(place) + back_us
            place, begin = place[still_open], begin[still_open]
        if first == last:  # nearly always: a message is of one window
            np.add.at(self._arrived[first % self.rings], place, 1)
        else:
            np.add.at(self._arrived, ((begin - back_us) // group.row_us % self.rings, place), 1)

    def _note_overhang(self, group: Group, channel: Places, end: Times) -> None:
        beyond = end % group.interval_us
        overhang = np.where(group.interval_us - beyond >= UNWAITED_SHARE * group.interval_us, beyond, 0)
        moved = self._overhang_us[channel] != overhang
        if moved.any():
            self._moved = True
            self._overhang_us[channel] = overhang

    def refresh(self, log_time_us: int) -> None:
        """Judge anew which sensors are silent."""
        live = self._layout.channel_counted & (log_time_us - self._last_heard <= self._patience_us)
        if self._moved or not np.array_equal(live, self._live):
            self._live = live
            self._count_expected()
            self.next_deadline = 0

    def due(self, log_time_us: int) -> npt.NDArray[np.bool_]:
        """Places whose earliest open window may close now; also finds the next deadline."""
        end = self.open_start + self._layout.place_span_us
        deadline = end + self._delay_us
        self.next_deadline = int(deadline.min(initial=FAR_FUTURE))
        self._next_end = int(end.min(initial=FAR_FUTURE))
        due = deadline <= log_time_us
        over = np.flatnonzero(end <= log_time_us)
        due[over] |= self._complete(over)
        return due

    def close(self, place: Places) -> None:
        """Go on to the next window of these places."""
        self._arrived[self.ring(place, self.open_start[place]), place] = 0
        self.open_start[place] += self._layout.place_span_us[place]
        self._next_end, self._open_bounds = 0, None  # not known before the next look

    def gates_may_close(self) -> Mask:
        """Over places: a gate waits for the rows of its zones, which say whether its flows may be shown."""
        joined, span = self._layout.gate_zones, self._layout.place_span_us
        end = self.open_start + span
        zone_open = np.where(joined >= 0, self.open_start[joined], np.iinfo(np.int64).max)
        same_rows = (joined < 0) | (span[joined] == span[:, None])
        return np.asarray(((zone_open >= end[:, None]) | ~same_rows).all(axis=1))

    def _complete(self, place: Places) -> npt.NDArray[np.bool_]:
        expected = self._expected[place]
        return (expected > 0) & (self._arrived[self.ring(place, self.open_start[place]), place] >= expected)

    def _count_expected(self) -> None:
        live = np.flatnonzero(self._live)
        self._all_live = len(live) == int(self._layout.channel_counted.sum())
        place = self._layout.channel_place[live]
        self._expected[:] = 0
        np.add.at(self._expected, place, self._slots_a_window[live])
        self._delay_us[:] = 0
        np.maximum.at(self._delay_us, place, self._layout.channel_delay_us[live] + self._overhang_us[live])
        self._moved = False


def _back_us(group: Group) -> int:
    """A running count stands for the interval before it."""
    return group.interval_us if group.semantics is Rate.CUMULATIVE else 0


def _longest_back_us(layout: Layout) -> Times:
    """By metric, over all channels that it has: how far back of its begin a reading counts."""
    back_us = np.array([0, *(_back_us(group) for group in layout.groups)], np.int64)
    # A sensor without a channel has position 0.
    group = np.where(layout.lookup >= 0, np.append(layout.channel_group + 1, 0)[layout.lookup], 0)
    found = np.zeros(np.iinfo(np.uint8).max + 1, np.int64)
    found[: layout.lookup.shape[1]] = back_us[group].max(axis=0, initial=0)
    return found


def _came_late(new: Arrivals, open_start: Times) -> Mask:
    """Readings whose window (`open_start`: the earliest open one of each reading's place) has closed."""
    if new.group.is_instant:
        return np.asarray(new.begin < open_start)
    if new.group.semantics is Rate.CUMULATIVE:  # the base of differences for three intervals after it
        return np.asarray(new.begin < open_start - LONGEST_GAP * new.group.interval_us)
    return np.asarray(new.begin + new.span_us <= open_start)
