# SPDX-License-Identifier: Apache-2.0
"""Records of `ledger`: what is about to be released, and what was. They hold no count and no value of a cell.

The `released` records of one partition form a chain: each holds the hash of the one before it. Topic and database
hold the same rows, so that each shows what the other lost.
"""

import hashlib

import msgspec

from schemas.errors import RefusedError
from schemas.json_message import decode_json
from schemas.log import JSON, Headers, ReadHeaders, event_headers, event_type
from schemas.refusal import Reason

INTENT_TYPE = "ledger.intent.v1"
RELEASED_TYPE = "ledger.released.v1"
FIRST_HASH = "0" * 64
"""What stands before the first link of a chain."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A batch is about to be drawn.

    Parameters
    ----------
    batch_key : str
    partition : int
        Of `seals`.
    at_us : int
        By the writer's own clock, microseconds since 1970, UTC.
    """

    batch_key: str
    partition: int
    at_us: int


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A batch was released: one row of `privacy.ledger`. The order of the fields is part of the hash.

    Parameters
    ----------
    batch_key : str
    partition : int
        Of `seals`; every partition has a chain of its own.
    link : int
        Place in the chain, from 1.
    target : str
        The table that holds the cells.
    window_start_us, window_end_us : int
        Of the grain.
    zone_map : str
    metric, unit : str
        Names of the metrics and of their units, separated by commas.
    mechanism : str
        How the values were protected; `none` where they are public at their source.
    sigma, sensitivity, rho : float
        Of the noise, in the metric's unit; what one contribution can change; what one cell costs it (zCDP).
    cells : int
        Cells with a value.
    sealed_at_us, released_at_us : int
        Log time of the seal; the writer's own clock at the draw.
    policy_version, policy_hash, code_hash : str
    previous_hash, row_hash : str
        64 hex digits of SHA-256.
    """

    batch_key: str
    partition: int
    link: int
    target: str
    window_start_us: int
    window_end_us: int
    zone_map: str
    metric: str
    unit: str
    mechanism: str
    sigma: float
    sensitivity: float
    rho: float
    cells: int
    sealed_at_us: int
    released_at_us: int
    policy_version: str
    policy_hash: str
    code_hash: str
    previous_hash: str
    row_hash: str = ""

    def computed_hash(self) -> str:
        """The hash that `row_hash` must be: of all other fields, the previous hash among them."""
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, row_hash=""))).hexdigest()

    def sealed(self) -> "Released":
        """The same row with its hash."""
        return msgspec.structs.replace(self, row_hash=self.computed_hash())


def encode_ledger(source: str, record: Intent | Released) -> tuple[Headers, bytes]:
    """Headers and value; the key of the message is the batch key."""
    kind = INTENT_TYPE if isinstance(record, Intent) else RELEASED_TYPE
    at_us = record.at_us if isinstance(record, Intent) else record.released_at_us
    return event_headers(kind, source, record.batch_key, JSON, at_us), msgspec.json.encode(record)


def decode_ledger(headers: ReadHeaders | None, value: bytes | None) -> Intent | Released:
    """Read what `encode_ledger` wrote.

    Raises
    ------
    RefusedError
        `unknown-kind` for another type or version, `malformed` for bad JSON or a row that is not what its hash says.
    """
    kinds: dict[str, type[Intent | Released]] = {INTENT_TYPE: Intent, RELEASED_TYPE: Released}
    kind = event_type(headers)
    if kind not in kinds:
        raise RefusedError(Reason.UNKNOWN_KIND, "no record of the ledger; is a newer writer writing?")
    record = decode_json(value or b"", kinds[kind], f"a {kind}")
    if isinstance(record, Released) and record.row_hash != record.computed_hash():
        raise RefusedError(Reason.MALFORMED, f"row of batch {record.batch_key} is not what its hash says")
    return record


def grid_of(batch_key: str) -> str:
    """The batch key without its part: all parts of one grid of cells share it."""
    return batch_key.rpartition("/")[0]
