# SPDX-License-Identifier: Apache-2.0
"""What a step of the fold asks the edges to send."""

from dataclasses import dataclass

import pyarrow as pa

from schemas.alert import Transition
from schemas.live import LiveTable
from schemas.seal import Seal


@dataclass(frozen=True, slots=True)
class LiveRows:
    """Protected rows of one table, with the columns of `schemas.live.SCHEMAS[table]`."""

    table: LiveTable
    rows: pa.RecordBatch


Effect = LiveRows | Transition | Seal
