# SPDX-License-Identifier: Apache-2.0
"""Commands in `site-log`: what operators, and services on their behalf, want of the fold; JSON."""

import msgspec

from schemas.alert import Transition
from schemas.errors import RefusedError
from schemas.refusal import Reason


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


Command = Adopt | PurgeSensor


def encode_command(command: Command) -> bytes:
    """As JSON."""
    return msgspec.json.encode(command)


def decode_command(encoded: bytes) -> Command:
    """Read what `encode_command` wrote; raises `RefusedError` (`malformed`) for anything else."""
    try:
        command: Command = msgspec.json.decode(encoded, type=Command)
    except msgspec.DecodeError:
        raise RefusedError(Reason.MALFORMED, "not the JSON of a command") from None
    return command
