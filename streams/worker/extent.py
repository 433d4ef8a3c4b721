# SPDX-License-Identifier: Apache-2.0
"""What a topic holds of a partition. Pure."""

from dataclasses import dataclass

EDGE_MESSAGES = 20
"""So many messages at an end are looked at for one that can be read."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Offsets from `earliest` up to, not including, `end`."""

    earliest: int
    end: int

    @property
    def head(self) -> "Extent":
        """Its first few messages."""
        return Extent(self.earliest, min(self.earliest + EDGE_MESSAGES, self.end))

    @property
    def tail(self) -> "Extent":
        """Its last few messages."""
        return Extent(max(self.end - EDGE_MESSAGES, self.earliest), self.end)
