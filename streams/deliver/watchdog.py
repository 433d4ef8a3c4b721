# SPDX-License-Identifier: Apache-2.0
"""The watchdog: an alert of its own when the engine is silent, and a heartbeat whose end shows that we are.

It runs beside the receivers' tasks, outside the worker: its alert never goes through the fold or topic `alerts`, and
needs no broker. An alert has three transitions at most (silent, back, ended with what changed), so that after a
restart the records of deliveries say whether it had ended.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from schemas.alert import Cause, State, Transition, alert_id
from schemas.alertmanager import ENGINE_MEASURE, WATCHDOG_SOURCE, PostedAlert, encode_alerts
from schemas.city import City
from schemas.delivery import Delivery
from schemas.errors import RefusedError, TransientError
from schemas.live import SCHEMAS, LiveTable
from schemas.log import JSON, Clock, Topic
from schemas.moment import rfc3339
from streams.clock import now_us, wall_us
from streams.deliver.engine_watch import Blind, EngineWatch, Phase, Seen
from streams.deliver.engine_wording import PLACE, RULE, SITE, EngineWords
from streams.deliver.post import Caller
from streams.deliver.present import Told
from streams.serve.tail import Tail
from streams.settings import Settings
from streams.writer.rows import Message, RowBuffer

SECOND_US = 1_000_000
RETRY_S = 0.5
SETTLE_S = 180.0
"""So long, in log time, a zone is waited for after a silence."""
LAST_SEQ = 3
BACK = {Topic.LIVE: 1_500, Topic.ALERTS: 500}
HEARTBEAT_LIVES = 3
"""A heartbeat ends by itself after so many that did not come."""
_STATES = {Phase.SILENT: State.FIRING, Phase.BACK: State.RECOVERING, Phase.SPEAKING: State.RESOLVED}
_OPENING = 1
_SEQ = {Phase.SILENT: _OPENING, Phase.BACK: 2, Phase.SPEAKING: LAST_SEQ}
_ZONE = SCHEMAS[LiveTable.ZONE].names

log = structlog.get_logger(__name__)


class Watchdog:
    """Watches the engine and tells the receivers.

    Parameters
    ----------
    settings : Settings
    city : City
    words : EngineWords
        Is given what stands behind each transition before it is told.
    tell : callable
        Gives a transition to all receivers.
    """

    def __init__(self, settings: Settings, city: City, words: EngineWords, tell: Callable[[Told], None]) -> None:
        self._settings, self._words, self._tell = settings, words, tell
        clock = settings.clock
        speed = clock.speed if clock.kind is Clock.SIMULATED else 1.0
        silent_us = round(settings.deliver.watchdog.silent_s * SECOND_US * speed)
        self._on = settings.deliver.watchdog.on and clock.kind is not Clock.DATA
        self._watch = EngineWatch(
            city, settings.kafka.partitions, silent_us, round(SETTLE_S * SECOND_US),
            now_us(clock) if self._on else 0)
        self._is_site_taken = SITE in city.file.sites
        self._opened: tuple[str, int] = ("", 0)
        self._told_us: dict[int, int] = {}
        self._last: Transition | None = None

    def take_over(self, city: City) -> None:
        """Know another version's places from now on."""
        self._watch.take_over(city)

    def resume(self, recorded: Iterable[Delivery], receivers: Collection[str]) -> None:
        """Go on with an alert that was told before this process began and has not ended; call it once.

        One that has ended is ended again where a receiver was told of it and never of its end: nobody else does that,
        since topic `alerts` has none of it.

        Parameters
        ----------
        recorded : iterable of Delivery
        receivers : collection of str
            Those that are told now.
        """
        newest: dict[str, dict[str, Delivery]] = {}
        times_us: dict[str, dict[int, int]] = {}
        for one in recorded:
            if one.site == SITE:
                told = newest.setdefault(one.alert_id, {})
                told[one.receiver] = max(told.get(one.receiver, one), one, key=_seq)
                if one.at_us is not None:
                    times_us.setdefault(one.alert_id, {})[one.seq] = one.at_us
        # Where a site of the city has the watchdog's own key nobody can tell whose records they are.
        if not self._on or self._watch.phase is not Phase.SPEAKING or self._is_site_taken:
            return
        for identity, told in newest.items():
            self._end_again(told, times_us.get(identity, {}), receivers)
        standing = [last for told in newest.values() if (last := max(told.values(), key=_seq)).seq < LAST_SEQ]
        if standing:
            last = max(standing, key=lambda one: one.done_at_us)
            self._go_on(last, times_us.get(last.alert_id, {}))

    def _end_again(
        self, told: Mapping[str, Delivery], times_us: dict[int, int], receivers: Collection[str]
    ) -> None:
        last = max(told.values(), key=_seq)
        if last.seq < LAST_SEQ or all(one.seq == LAST_SEQ for name, one in told.items() if name in receivers):
            return
        since_us, until_us = (self._log_us(edge(one.first_try_at_us or one.done_at_us for one in told.values()))
                              for edge in (min, max))
        self._begin(last.alert_id, times_us.get(_OPENING, since_us), times_us)
        self._say(Phase.SPEAKING, Blind(since_us, until_us, known=False), now_us(self._settings.clock))
        self._last = None

    def _go_on(self, last: Delivery, times_us: dict[int, int]) -> None:
        since_us = times_us.get(_OPENING, self._log_us(last.first_try_at_us or last.done_at_us))
        self._begin(last.alert_id, since_us, times_us)
        self._watch.resume(since_us)
        # Its texts are gone; it stands as a plain line until the next word.
        self._say(Phase.SILENT, Blind(since_us, since_us, known=False), since_us)

    def _begin(self, identity: str, opened_us: int, told_us: dict[int, int]) -> None:
        """Speak of an alert from now on; `told_us` are the times of what was told of it before, by sequence."""
        self._opened, self._told_us = (identity, opened_us), told_us

    def _log_us(self, at_us: int) -> int:
        clock = self._settings.clock
        if clock.kind is Clock.WALL:
            return at_us
        return clock.start_us + round((at_us - clock.wall_start_us) * clock.speed)

    async def run(self, stopped: Callable[[], bool]) -> None:
        """Watch until `stopped`; a broker that is away is silence too. Raises `FatalError`."""
        if not self._on:
            return
        tail = Tail(self._settings.kafka, "drukte-watchdog", BACK)
        opened = False
        try:
            while not stopped():
                try:
                    if not opened:
                        await asyncio.to_thread(tail.open)
                        opened = True
                    self._take(await asyncio.to_thread(tail.poll))
                except TransientError as error:
                    log.debug("the watchdog waits for the broker", reason=str(error))
                    await asyncio.sleep(RETRY_S)
                away = not opened or not tail.is_well
                if away or tail.caught_up:
                    self._look(broker_away=away)
        finally:
            await asyncio.to_thread(tail.close)

    def _take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            buffer = RowBuffer()
            try:
                buffer.add(message)
            except RefusedError:
                continue  # its dead letter is the writer's
            zones = (dict(zip(_ZONE, row, strict=True)) for row in buffer.live[LiveTable.ZONE].values())
            self._watch.zones_closed({row["zone"]: Seen(_end_us(row), row["level"]) for row in zones})
            self._watch.told(buffer.transitions.values())
            ends_us = [
                _end_us(dict(zip(SCHEMAS[table].names, row, strict=True)))
                for table, rows in buffer.live.items() for row in rows.values()
            ]
            for at_us in (*ends_us, *(one.at_us for one in buffer.transitions.values())):
                self._watch.heard(message.partition, at_us)

    def _look(self, *, broker_away: bool) -> None:
        at_us = now_us(self._settings.clock)
        for phase, blind in self._watch.look(at_us, broker_away=broker_away):
            if phase is Phase.SILENT:
                self._begin(alert_id(SITE, PLACE, RULE, at_us), at_us, {})
            log.warning("engine", phase=str(phase), silent_s=(blind.until_us - blind.since_us) / SECOND_US,
                        broker_away=blind.broker_away)
            self._say(phase, blind, at_us)

    def _say(self, phase: Phase, blind: Blind, at_us: int) -> None:
        identity, opened_us = self._opened
        # A word that was told before a restart keeps its time: later documents refer to it by that.
        at_us = self._told_us.get(_SEQ[phase], at_us)
        before = State.NORMAL if phase is Phase.SILENT or self._last is None else self._last.state_to
        silent_s = (blind.until_us - blind.since_us) / SECOND_US
        one = Transition(
            alert_id=identity, seq=_SEQ[phase], site=SITE, place=PLACE, rule=RULE, severity="critical",
            measure=ENGINE_MEASURE,
            unit="s", level_from=0, level_to=0, state_from=before, state_to=_STATES[phase],
            stale=phase is Phase.SILENT, window_start_us=blind.since_us, window_end_us=max(blind.until_us, at_us),
            people_low=None, people_high=None, percent_low=None, percent_high=None, coverage=0.0, profile="",
            city_version=0, cause=Cause.NO_DATA, opened_at_us=opened_us, at_us=at_us, low=silent_s, high=silent_s,
            limit=self._settings.deliver.watchdog.silent_s,
        )
        self._last = one
        self._words.remember(one, blind)
        self._tell(Told(one, wall_us()))


def _seq(one: Delivery) -> int:
    return one.seq


def _end_us(row: dict[str, object]) -> int:
    start, span_s = row["window_start"], row["span_s"]
    return round(start.timestamp() * SECOND_US) + span_s * SECOND_US  # type: ignore[attr-defined,no-any-return,operator]  # checked against its schema


class Heartbeat:
    """An alert that always fires: where it ends, deliver is dead, or Alertmanager is cut off from it.

    Parameters
    ----------
    caller : Caller
        Alertmanager's.
    every_s : float
    """

    def __init__(self, caller: Caller, every_s: float) -> None:
        self._caller, self._every_s = caller, every_s
        self._began_us = wall_us()

    def alert(self, at_us: int) -> PostedAlert:
        """What is posted at a moment of wall time."""
        return PostedAlert(
            labels={"alertname": "DrukteHeartbeat", "site": SITE, "place": "deliver", "rule": "heartbeat",
                    "source": WATCHDOG_SOURCE, "severity": "info", "exercise": "false"},
            annotations={"summary": "Vuurt altijd; houdt het op, dan is drukte deliver dood.",
                         "description": "Fires always; when it ends drukte deliver is dead."},
            starts_at=rfc3339(self._began_us),
            ends_at=rfc3339(at_us + round(HEARTBEAT_LIVES * self._every_s * SECOND_US)),
        )

    async def run(self, stopped: Callable[[], bool], wait: Callable[[float], object]) -> None:
        """Post until `stopped`; a failure is tried again at the next beat. `wait` blocks for so many seconds."""
        while not stopped():
            answer = await self._caller.post(encode_alerts([self.alert(wall_us())]), {"Content-Type": JSON})
            if not answer.taken:
                log.warning("heartbeat not taken", http_status=answer.status, error=answer.error)
            await asyncio.to_thread(wait, self._every_s)
