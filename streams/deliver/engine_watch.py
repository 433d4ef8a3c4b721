# SPDX-License-Identifier: Apache-2.0
"""Whether the engine still speaks, judged from outside by the age of its last word, and what changed meanwhile. Pure.

The age is log time against the deployment's clock: a worker that is dead, one that lags and a log without time look
the same to who relies on it. Times are microseconds since 1970, UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.alert import State, Transition
from schemas.city import City
from schemas.ids import IdKind
from streams.core.layout import PlaceKind, layout

STEP_US = 10_000_000
"""Log time moves on this grid."""
_OPEN = (State.FIRING, State.RECOVERING)


class Phase(StrEnum):
    """How the engine stands."""

    SPEAKING = "speaking"
    SILENT = "silent"
    BACK = "back"
    """It speaks again; not every zone has been heard yet."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A zone's closed window: its end and level; None = nothing was seen."""

    end_us: int
    level: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """A zone before and after a silence, and the highest level in between."""

    zone: str
    before: int | None
    after: int | None
    highest: int | None


@dataclass(frozen=True, slots=True)
class Blind:
    """A silence, and what happened in it.

    Parameters
    ----------
    since_us, until_us : int
        The last that was heard, and when the engine spoke again (or the moment of this word).
    sites : tuple of str
        Whose part of the engine was silent.
    broker_away : bool
        Whether the broker did not answer when it was noticed.
    changes : tuple of Change
    opened, ended : tuple of Transition
        Alerts, each by the change that opened or ended it.
    known : bool
        Whether what was so before is known: not where this process itself was away.
    unheard : tuple of str
        Zones that have not been heard again.
    """

    since_us: int
    until_us: int
    sites: tuple[str, ...] = ()
    broker_away: bool = False
    changes: tuple[Change, ...] = ()
    opened: tuple[Transition, ...] = ()
    ended: tuple[Transition, ...] = ()
    known: bool = True
    unheard: tuple[str, ...] = ()


@dataclass(slots=True)
class _Silence:
    since_us: int
    sites: tuple[str, ...]
    broker_away: bool
    before: dict[str, Seen] | None
    back_us: int = 0
    highest: dict[str, int] = field(default_factory=dict)
    opened: dict[str, Transition] = field(default_factory=dict)
    ended: dict[str, Transition] = field(default_factory=dict)


class EngineWatch:
    """Follows `live` and `alerts` of every partition that has places.

    Parameters
    ----------
    city : City
    partitions : int
    silent_us : int
        How much later than its places allow a partition may be.
    settle_us : int
        How long a zone is waited for after a silence.
    began_us : int
        Nothing is called silent before it had this long to speak since then.
    """

    def __init__(self, city: City, partitions: int, silent_us: int, settle_us: int, began_us: int) -> None:
        self._partitions, self._silent_us, self._settle_us = partitions, silent_us, settle_us
        self._began_us = began_us
        self._heard_us: dict[int, int] = {}
        self._levels: dict[str, Seen] = {}
        self._silence: _Silence | None = None
        self.phase = Phase.SPEAKING
        self.take_over(city)

    def take_over(self, city: City) -> None:
        """Know another version's places from now on."""
        self._pace_us: dict[int, int] = {}
        self._zone_pace_us: dict[str, int] = {}
        self._sites: dict[int, list[str]] = {}
        self._zone_key = {number: key for key, number in city.ids[IdKind.ZONE].items() if key in city.file.zones}
        for number in range(self._partitions):
            found = layout(city, self._partitions, number)
            paces_us = (found.place_span_us + found.place_delay_us + STEP_US).tolist()
            if paces_us:
                self._pace_us[number] = min(paces_us)
                self._sites[number] = sorted(set(found.place_site))
            zones = zip(found.place_key, found.place_kind.tolist(), paces_us, strict=True)
            self._zone_pace_us |= {key: pace for key, kind, pace in zones if kind == PlaceKind.ZONE}
        self._levels = {key: seen for key, seen in self._levels.items() if key in self._zone_pace_us}

    def resume(self, since_us: int) -> None:
        """Go on with a silence that was told of before this process began."""
        self._silence, self.phase = _Silence(since_us, (), False, None), Phase.SILENT

    def heard(self, partition: int, at_us: int) -> None:
        """The partition said something about a time."""
        self._heard_us[partition] = max(at_us, self._heard_us.get(partition, 0))

    def zones_closed(self, seen: Mapping[int, Seen]) -> None:
        """Windows of zones, by number."""
        for number, one in seen.items():
            key = self._zone_key.get(number)
            if key is None:
                continue
            if self._silence is not None and one.level is not None and one.end_us > self._silence.since_us:
                self._silence.highest[key] = max(one.level, self._silence.highest.get(key, 0))
            if key not in self._levels or one.end_us > self._levels[key].end_us:
                self._levels[key] = one

    def told(self, transitions: Iterable[Transition]) -> None:
        """Changes of alerts; those of the silence are remembered."""
        silence = self._silence
        if silence is None:
            return
        for one in transitions:
            if one.at_us <= silence.since_us:
                continue
            if one.state_to is State.RESOLVED:
                silence.ended.setdefault(one.alert_id, one)
            elif one.state_to in _OPEN and one.opened_at_us > silence.since_us:
                silence.opened.setdefault(one.alert_id, one)

    def look(self, now_us: int, *, broker_away: bool) -> list[tuple[Phase, Blind]]:
        """Judge; each change of phase with what is known of the silence.

        A change to SPEAKING carries all that changed. One call may give two: an engine that falls silent again ends
        one silence and begins another.
        """
        said: list[tuple[Phase, Blind]] = []
        if self.phase is Phase.BACK and (self._late(now_us) or self._settled(now_us)):
            said.append(self._turn(Phase.SPEAKING, now_us))
            self._silence = None
        if self.phase is Phase.SPEAKING and (late := self._late(now_us)):
            self._silence = self._begun(late, broker_away)
            said.append(self._turn(Phase.SILENT, now_us))
        if self.phase is Phase.SILENT and self._silence is not None:
            if not broker_away and all(self._on_time(number, now_us) for number in self._pace_us):
                self._silence.back_us = now_us
                said.append(self._turn(Phase.BACK, now_us))
            elif self._silence.before is None:
                self._silence.before = dict(self._levels)
        return said

    def _late(self, now_us: int) -> list[int]:
        return [number for number, pace_us in self._pace_us.items()
                if now_us - max(self._heard_us.get(number, 0), self._began_us) > pace_us + self._silent_us]

    def _on_time(self, number: int, now_us: int) -> bool:
        return now_us - self._heard_us.get(number, 0) <= self._pace_us[number] + self._silent_us

    def _begun(self, late: list[int], broker_away: bool) -> _Silence:
        since_us = min(self._heard_us.get(number, self._began_us) for number in late)
        sites = tuple(sorted({site for number in late for site in self._sites[number]}))
        return _Silence(since_us, sites, broker_away, dict(self._levels))

    def _turn(self, phase: Phase, now_us: int) -> tuple[Phase, Blind]:
        self.phase = phase
        silence = self._silence
        if silence is None:
            raise AssertionError("a change of phase without a silence")
        before = silence.before
        return phase, Blind(
            since_us=silence.since_us, until_us=silence.back_us or now_us, sites=silence.sites,
            broker_away=silence.broker_away, changes=() if before is None else tuple(self._changes(silence, before)),
            opened=tuple(silence.opened.values()), ended=tuple(silence.ended.values()), known=before is not None,
            unheard=tuple(sorted(self._unheard(now_us))),
        )

    def _changes(self, silence: _Silence, before: Mapping[str, Seen]) -> Iterable[Change]:
        for zone, was in before.items():
            now = self._levels.get(zone)
            if now is None or now.end_us <= was.end_us:
                continue  # not heard again: it is told apart
            highest = silence.highest.get(zone)
            passed = highest is not None and highest > max(was.level or 0, now.level or 0)
            if was.level != now.level or passed:
                yield Change(zone, was.level, now.level, highest)

    def _settled(self, now_us: int) -> bool:
        silence = self._silence
        if silence is None or silence.before is None or now_us - silence.back_us > self._settle_us:
            return True
        return not self._unheard(now_us)

    def _unheard(self, now_us: int) -> list[str]:
        """Zones whose newest window is older than it should be."""
        return [zone for zone, seen in self._levels.items()
                if now_us - seen.end_us > self._zone_pace_us[zone] + self._silent_us]
