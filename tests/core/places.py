# SPDX-License-Identifier: Apache-2.0
"""A layout of places alone, for state that is kept by place and never looks at channels."""

from collections.abc import Sequence

import numpy as np

from streams.core.layout import Layout, PlaceKind
from streams.core.service import Service


def bare_layout(kinds: Sequence[PlaceKind], span_us: int = 60_000_000, first_number: int = 1) -> Layout:
    """Places of the given kinds, numbered from `first_number`, with no channel at all."""
    size = len(kinds)
    index, long, real = np.zeros(0, np.intp), np.zeros(0, np.int64), np.zeros(0)
    return Layout(
        place_kind=np.array(kinds, np.int8),
        place_number=np.arange(first_number, first_number + size, dtype=np.int32),
        place_span_us=np.full(size, span_us, np.int64), place_delay_us=np.zeros(size, np.int64),
        place_site=["site"] * size, place_key=[f"place-{at}" for at in range(size)], place_class=[""] * size,
        gate_zones=np.full((size, 2), -1, np.intp), channel_place=index, channel_role=np.zeros(0, np.uint8),
        channel_semantics=np.zeros(0, np.int8), channel_interval_us=long, channel_delay_us=long,
        channel_hold_us=long, channel_on_event=np.zeros(0, np.bool_), channel_counted=np.zeros(0, np.bool_),
        channel_research=np.zeros(0, np.bool_), channel_view_m2=real, channel_rolls_over_at=real,
        channel_partner=index, channel_group=np.zeros(0, np.int16), channel_sensor=np.zeros(0, np.int32),
        service=Service.of([], []), groups=[], lookup=np.zeros((0, 0), np.intp))
