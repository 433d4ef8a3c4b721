# SPDX-License-Identifier: Apache-2.0
"""Events and plans of the city file: what adds to the rules for a time, and what is done at which level."""

import datetime as dt
from typing import Annotated

import msgspec


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Effect(_Strict, frozen=True, kw_only=True):
    """What a measure should bring about: "inflow at gate 3 falls by 30 % in 10 minutes".

    Parameters
    ----------
    gate : str, optional
        Whose inflow should fall; without one the people in the zone of the alert should.
    fall_percent : float
    within_min : int
    """

    gate: str | None = None
    fall_percent: Annotated[float, msgspec.Meta(gt=0, le=100)]
    within_min: Annotated[int, msgspec.Meta(ge=2, le=60)]


class Measure(_Strict, frozen=True, kw_only=True):
    """A scenario card: what is done when a place reaches a level.

    Parameters
    ----------
    title : str
    zones : list of str
        Where it belongs; `["*"]` = everywhere.
    level : int
        The level from which it is shown.
    trigger : str
        In words, for the card; the rule decides, not this text.
    decides : str
        The role that decides, never a name.
    steps : list of str
    sign_text, detour, stop_when : str
        Text for signs, detour for traffic, when the measure ends; empty where there is none.
    effect : Effect, optional
        Its clock starts when the measure is marked as taken.
    """

    title: str
    zones: list[str] = msgspec.field(default_factory=lambda: ["*"])
    level: Annotated[int, msgspec.Meta(ge=1, le=9)]
    trigger: str
    decides: str
    steps: list[str]
    sign_text: str = ""
    detour: str = ""
    stop_when: str
    effect: Effect | None = None


class Event(_Strict, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A time in which rules are added and tightened, never loosened.

    Parameters
    ----------
    name : str
    from_, until : datetime
        With an offset.
    sites : list of str
    profile : str, optional
        Holds beside each zone's own profile while the event lasts; the stricter of the two counts.
    expected_visitors : int, optional
    plan : str, optional
        Key of a plan.
    """

    name: str
    from_: dt.datetime
    until: dt.datetime
    sites: list[str]
    profile: str | None = None
    expected_visitors: Annotated[int, msgspec.Meta(gt=0)] | None = None
    plan: str | None = None

    @property
    def from_us(self) -> int:
        """Its begin, microseconds since 1970, UTC."""
        return round(self.from_.timestamp() * 1_000_000)

    @property
    def until_us(self) -> int:
        """Its end, microseconds since 1970, UTC."""
        return round(self.until.timestamp() * 1_000_000)


class Plan(_Strict, frozen=True, kw_only=True):
    """The measures of a plan, by key; `always` plans hold without an event too."""

    name: str
    always: bool = False
    measures: dict[str, Measure]
