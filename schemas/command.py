# SPDX-License-Identifier: Apache-2.0
"""Commands in `site-log`: what operators, and services on their behalf, want of the fold; JSON."""

from enum import StrEnum
from typing import Annotated, cast

import msgspec

from schemas.alert import Transition
from schemas.json_message import decode_json

OUTCOME_TYPE = "alert.outcome.v1"
SUPPRESS_MOST_H = 12
"""A suppression lasts at most so many hours; it can be given again."""
DRILL_H = 4
"""An exercise that nobody ends is over so many hours after it was begun."""
GATE_ORDER, DRILL_ORDER = "gate/", "drill/"
"""Before the key of a gate that is closed, and before `site/KEY` or `rule/KEY` of an exercise, in `standing_order`."""
ENGINE = "engine"
"""Role of an outcome that time brought about, and nobody."""
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Id = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_.:/-]{1,64}$")]
RoleName = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]{0,39}$")]
"""A role, never a name."""
Time = Annotated[int, msgspec.Meta(ge=0, lt=7_258_118_400_000_000)]


class Adopt(msgspec.Struct, frozen=True, kw_only=True, tag="adopt"):
    """Alerts that were open when a worker had to begin without a snapshot: their ids go on.

    Parameters
    ----------
    alerts : list of Transition
        The last transition of every alert of the partition's sites that `alerts` shows as open; may be empty.
    """

    alerts: list[Transition]


class PurgeSensor(msgspec.Struct, frozen=True, kw_only=True, tag="purge_sensor"):
    """Forget a sensor and refuse its readings from now on; the data engineer's to give. It cannot be taken back.

    Parameters
    ----------
    sensor : str
        Its key in the city file.
    """

    sensor: str


class _Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every operator's command has: its own id (a repeat has the same one), the role, the id of a note.

    No field for a person and no free text: that is on topic `notes`, under the note's id.
    """

    id: Id
    role: RoleName
    note_id: Id | None = None


def _check_one_named(said: _Said, *fields: str) -> None:
    if sum(getattr(said, field) is not None for field in fields) != 1:
        raise ValueError(f"say exactly one of {', '.join(fields)}")


class Acknowledge(_Said, frozen=True, kw_only=True, tag="acknowledge"):
    """Somebody works on the alert: no escalation, no repeats; it is judged on as before."""

    alert: Id


class Unacknowledge(_Said, frozen=True, kw_only=True, tag="unacknowledge"):
    """Nobody works on it after all; the escalation clock starts anew."""

    alert: Id


class Note(_Said, frozen=True, kw_only=True, tag="note"):
    """A note about an alert; only its id is here."""

    alert: Id


class Assign(_Said, frozen=True, kw_only=True, tag="assign"):
    """Another role takes it over."""

    alert: Id
    to_role: RoleName


class Suppress(_Said, frozen=True, kw_only=True, tag="suppress"):
    """Do not tell receivers until then: exactly one of alert, rule and place. It is judged on as before.

    Its end is at most 12 hours ahead; a longer one is refused, and it can be given again.
    """

    until_us: Time
    alert: Id | None = None
    rule: Key | None = None
    place: Key | None = None

    def __post_init__(self) -> None:
        _check_one_named(self, "alert", "rule", "place")


class Unsuppress(_Said, frozen=True, kw_only=True, tag="unsuppress"):
    """End a suppression: exactly one of alert, rule and place, as it was given."""

    alert: Id | None = None
    rule: Key | None = None
    place: Key | None = None

    def __post_init__(self) -> None:
        _check_one_named(self, "alert", "rule", "place")


class Resolve(_Said, frozen=True, kw_only=True, tag="resolve"):
    """End an alert by hand. If its condition still holds a new one opens after the dwell."""

    alert: Id


class Drill(_Said, frozen=True, kw_only=True, tag="drill"):
    """An exercise at a site or of a rule, on or off: what opens meanwhile says that it is one.

    It ends by itself 4 hours after it was begun. At its end its open alerts end too; where their condition holds real
    ones open.
    """

    on: bool
    site: Key | None = None
    rule: Key | None = None

    def __post_init__(self) -> None:
        _check_one_named(self, "site", "rule")


class ZoneEmpty(_Said, frozen=True, kw_only=True, tag="zone_empty"):
    """An operator saw that nobody is in the zone."""

    zone: Key
    at_us: Time


class SetOccupancy(_Said, frozen=True, kw_only=True, tag="set_occupancy"):
    """An operator knows how many people are in the zone."""

    zone: Key
    persons: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    at_us: Time


class GateClosed(_Said, frozen=True, kw_only=True, tag="gate_closed"):
    """Nobody passes the gate until then: its silence is no fault, and it is no way out."""

    gate: Key
    until_us: Time


class GateOpen(_Said, frozen=True, kw_only=True, tag="gate_open"):
    """The gate is open again."""

    gate: Key


class MeasureTaken(_Said, frozen=True, kw_only=True, tag="measure_taken"):
    """A measure of a plan was taken at a place: the clock of its effect starts."""

    place: Key
    plan: Key
    measure: Key


class SensorOutOfService(_Said, frozen=True, kw_only=True, tag="sensor_out_of_service"):
    """Do not count and do not wait for a sensor until then; coverage falls."""

    sensor: Key
    until_us: Time


OperatorCommand = (
    Acknowledge | Unacknowledge | Note | Assign | Suppress | Unsuppress | Resolve | Drill | ZoneEmpty | SetOccupancy
    | GateClosed | GateOpen | MeasureTaken | SensorOutOfService
)
Command = Adopt | PurgeSensor | OperatorCommand


class Done(StrEnum):
    """What became of a command."""

    DONE = "done"
    REFUSED = "refused"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The one answer to a command, on `alerts`; a repeat of the command gives the same one.

    An exercise that ends by itself has one too: of command `drill` and role `engine`, under an id that nobody gave.

    Parameters
    ----------
    command_id : str
    command : str
        Its kind, such as `acknowledge`.
    done : Done
    reason : str
        Why it was refused, or why an exercise ended by itself; else empty.
    alert_id, seq : str, int
        The transition that it made; empty and 0 where it made none.
    site : str
        Where it was folded; empty where it was about no place of the partition.
    role : str
    at_us : int
        Log time, microseconds since 1970, UTC.
    place, measure : str
        Of a measure that was taken: the zone, and `PLAN/MEASURE`. Of a gate that was closed or opened: the gate.
    until_us : int, optional
        Until when it holds, log time; none where it has no end of its own.
    standing_order : str
        What it begins or ends, as `KIND/KEY`: `gate`, `sensor`, `alert`, `rule`, `place`, `drill/site`, `drill/rule`;
        empty where the command leaves nothing standing.
    stands : bool
        Whether that holds from then on; such an outcome is told again every hour for as long as it does.
    """

    command_id: str
    command: str
    done: Done
    reason: str
    alert_id: str
    seq: int
    site: str
    role: str
    at_us: int
    place: str = ""
    measure: str = ""
    until_us: int | None = None
    standing_order: str = ""
    stands: bool = False


def kind_of(command: Command) -> str:
    """Its tag."""
    return tag_of(type(command))


def tag_of(kind: type[msgspec.Struct]) -> str:
    """The tag of a kind of command."""
    return str(kind.__struct_config__.tag)


def encode_command(command: Command) -> bytes:
    """As JSON."""
    return msgspec.json.encode(command)


def decode_command(encoded: bytes) -> Command:
    """Read what `encode_command` wrote; raises `RefusedError` (`malformed`) for anything else."""
    return decode_json(encoded, cast("type[Command]", Command), "a command")


def encode_outcome(outcome: Outcome) -> bytes:
    """As JSON."""
    return msgspec.json.encode(outcome)


def decode_outcome(encoded: bytes) -> Outcome:
    """Read what `encode_outcome` wrote; raises `RefusedError` on anything else."""
    return decode_json(encoded, Outcome, "an outcome")
