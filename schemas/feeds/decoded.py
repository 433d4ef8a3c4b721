# SPDX-License-Identifier: Apache-2.0
"""What every decoder of a feed gives back: readings, refusals and named tallies."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from schemas.reading import Batch
from schemas.refusal import Refusal


class Tally(StrEnum):
    """Names of the counts of a decoded document."""

    READINGS = "readings"
    """Readings handed on, with or without a value."""
    READINGS_WITHOUT_VALUE = "readings_without_value"
    REFUSED_VALUES = "refused_values"
    SITES = "sites"
    """Sites in the publication, whether or not they are known here."""
    SITES_JOINED = "sites_joined"
    """Sites whose id and record version stand in the city's roads."""
    FLOWS = "flows"
    SPEEDS = "speeds"
    USABLE_SPEEDS = "usable_speeds"
    NEGATIVE_SPEEDS = "negative_speeds"
    ZERO_SPEEDS = "zero_speeds"
    NEGATIVE_FLOWS = "negative_flows"
    ZERO_FLOWS = "zero_flows"
    """All of them, also those with a data error."""
    ZERO_FLOWS_WITH_DATA_ERROR = "zero_flows_with_data_error"
    DATA_ERRORS = "data_errors"
    OWN_TIMES = "own_times"
    """Values with a time of their own beside the site's."""
    REFERENCE_VALUES = "reference_values"
    """Norms (`basicDataReferenceValue`) of joined sites: no measurements, and not in REFUSED_VALUES."""
    REFERENCE_FLOWS = "reference_flows"
    """Those of them that hold a flow."""
    UNREADABLE_ATTRIBUTES = "unreadable_attributes"
    """Weights and qualities that are no number or out of range; the reading goes on without them."""
    TABLE_VERSION_DIFFERS = "table_version_differs"


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded document.

    Parameters
    ----------
    batch : Batch
        Readings, in the document's order.
    refusals : list of Refusal
        What was refused, in runs of like ones.
    counts : dict of str to int
        Tallies by `Tally`, for reports and metrics.
    published_us : int, optional
        When the document says it was made, microseconds since 1970, UTC: no reading of it was known before,
        and none can tell of a time after it.
    """

    batch: Batch
    refusals: list[Refusal] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    published_us: int | None = None

    @classmethod
    def concatenated(cls, parts: Iterable[Self]) -> "Decoded":
        """All of `parts` as one: readings and refusals in order, counts added up."""
        batches: list[Batch] = []
        refusals: list[Refusal] = []
        counts: dict[str, int] = {}
        for part in parts:
            batches.append(part.batch)
            refusals += part.refusals
            for name, count in part.counts.items():
                counts[name] = counts.get(name, 0) + count
        return Decoded(Batch.concatenated(batches), refusals, counts)
