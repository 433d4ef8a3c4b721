# SPDX-License-Identifier: Apache-2.0
"""Context records of our own, at a place in the middle of The Hague."""

from typing import Any

from schemas.context import ContextKind, ContextRecord

BEGINS_US = 1_767_225_600_000_000
"""2026-01-01 00:00 UTC."""
HERE = (4.3200, 52.0800)


def record(key: str = "works-1", version: int = 1, **more: Any) -> ContextRecord:
    """A closure of a road for a day."""
    values: dict[str, Any] = {
        "source": "ndw-situations", "record": key, "version": version, "changed_us": BEGINS_US + version,
        "kind": ContextKind.CLOSURE, "what": "RoadOrCarriagewayOrLaneManagement roadClosed", "place": [[HERE]],
        "begins_us": BEGINS_US, "ends_us": BEGINS_US + 86_400_000_000,
    }
    return ContextRecord(**values | more)
