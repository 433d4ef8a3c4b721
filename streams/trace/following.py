# SPDX-License-Identifier: Apache-2.0
"""One sensor's events in the order in which they are told: what was, once, and then what comes. Pure.

Each row is told once; what a purge takes away is not told; refusals of a source that tells every passage are told by
the minute and as a band, since their number may be one of people.
"""

from collections.abc import Iterator

from schemas.letter import Letter
from schemas.log import Topic
from streams.core.layout import MINUTE_US
from streams.core.privacy import band
from streams.trace.events import Event, concerns, english_band, event, letter_of, live_events
from streams.trace.reasons import Heard, reasons
from streams.trace.subject import Subject
from streams.writer.rows import Message

REMEMBERED = 4_096
"""Rows that are known again; a worker that starts anew repeats minutes, not days."""
MINUTE_WAIT_US = 10_000_000
"""A minute's refusals are told so long after it has ended."""
_WHOSE = {"sensor": "", "source": "its source: ", "log": "the log: "}


class Following:
    """What was told of one sensor, and what is still to be told.

    Parameters
    ----------
    subject : Subject
    from_us : int
        What lies before it is looked at, and not told; log time, microseconds since 1970, UTC.
    speed : float
        Seconds of log time in a second.
    """

    def __init__(self, subject: Subject, from_us: int, speed: float = 1.0) -> None:
        self._subject = subject
        self._from_us = from_us
        self._speed = speed
        self._heard = Heard()
        self._past: list[Event] | None = []
        self._last_health: Event | None = None
        self._told: dict[tuple[int, int], None] = {}
        self._minutes: dict[tuple[int, str, str], int] = {}
        self._why: tuple[str, ...] = ()
        self._gone_us = 0
        """Windows that began before it were taken away by a purge."""

    def take(self, message: Message, came_us: int) -> list[Event]:
        """What a message adds; nothing before `caught_up`.

        Parameters
        ----------
        message : Message
            Of `live` or `dead-letters`.
        came_us : int
            Its stamp in log time.
        """
        if message.topic == Topic.LIVE and message.partition == self._subject.partition:
            self._heard.partition_us = max(came_us, self._heard.partition_us or came_us)
            found = [one for one in live_events(message, came_us, self._subject) if self._note(one)]
        elif message.topic == Topic.DEAD_LETTERS and (letter := letter_of(message)) is not None:
            found = list(self._refused(letter, came_us))
        else:
            found = []
        if self._past is None:
            return found
        self._past += found
        return []

    def caught_up(self, now_us: int) -> list[Event]:
        """What was before the present, in the order of log time, and what is wrong now; called once."""
        past = sorted(self._past or (), key=lambda one: one.at_us)
        self._past = None
        shown = [one for one in past if one.at_us >= self._from_us and not self._is_gone(one)]
        if self._last_health is not None and self._last_health not in shown:
            shown.insert(0, self._last_health)
        return shown + self.tick(now_us)

    def tick(self, now_us: int) -> list[Event]:
        """What the passing of time adds: refusals of a minute that is over; why nothing comes, where that changed."""
        found = list(self._minutes_over(now_us))
        why = reasons(self._subject, self._heard, now_us, self._speed)
        if why != self._why:
            found += [event("why", now_us, one) for one in why if one not in self._why]
            if not why:
                found.append(event("well", now_us, "what was wrong is over"))
            self._why = why
        return found

    def _note(self, one: Event) -> bool:
        """Remember what an event says; whether it is new."""
        heard = self._heard
        if self._is_gone(one):
            return False
        if one.kind == "row":
            key = (one.at_us, one.values.get("revision", 0))
            if key in self._told:
                return False
            self._told[key] = None
            if len(self._told) > REMEMBERED:
                del self._told[next(iter(self._told))]
            if heard.row_end_us is None or one.at_us >= heard.row_end_us:
                heard.row_end_us, heard.row_is_missing = one.at_us, one.values["status"] == "missing"
        elif one.kind == "health":
            if self._last_health is not None and one.at_us <= self._last_health.at_us:
                return False
            self._last_health, heard.state = one, one.values["number"]
        elif one.kind == "purged":
            self._gone_us = max(self._gone_us, one.at_us)
            if one.values["sensor"] == self._subject.registered.key:
                heard.purged_us = one.at_us
        return True

    def _is_gone(self, one: Event) -> bool:
        return one.kind == "row" and one.at_us - one.values["span_s"] * 1_000_000 < self._gone_us

    def _refused(self, letter: Letter, came_us: int) -> Iterator[Event]:
        whose = concerns(letter, self._subject)
        # A service's letter carries the broker's stamp, which is no log time.
        at_us = came_us if letter.topic is not None else letter.at_us
        if not whose or at_us < self._from_us:
            return
        if self._subject.tells_passages and whose != "log":
            key = (at_us // MINUTE_US, letter.reason, whose)
            self._minutes[key] = self._minutes.get(key, 0) + letter.count
            return
        self._heard.refused[letter.reason, whose] = at_us
        yield event("refused", at_us, f"{_WHOSE[whose]}{letter.reason}: {letter.count} at {letter.where}; "
                    f"{letter.detail}", came_us, {"reason": letter.reason, "of": whose, "where": letter.where,
                                                  "count": letter.count, "do": letter.detail})

    def _minutes_over(self, now_us: int) -> Iterator[Event]:
        over = sorted(key for key in self._minutes if (key[0] + 1) * MINUTE_US + MINUTE_WAIT_US <= now_us)
        for key in over:
            minute, reason, whose = key
            self._heard.refused[reason, whose] = (minute + 1) * MINUTE_US
            low, high = (int(edge) for edge in band(self._minutes.pop(key)))
            yield event("refused", (minute + 1) * MINUTE_US, f"{_WHOSE[whose]}{reason}: {english_band(low, high)} "
                        "in this minute", None, {"reason": reason, "of": whose, "low": low, "high": high})
