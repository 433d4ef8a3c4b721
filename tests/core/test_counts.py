# SPDX-License-Identifier: Apache-2.0
"""Sharing counts over windows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.counts import shared_until


@given(st.integers(0, 10**8), st.integers(1, 3_600_000_000), st.lists(st.floats(0, 1), max_size=8))
def test_shares_add_up_whatever_the_cuts(parts: int, span_us: int, cuts: list[float]) -> None:
    edges = sorted({0, span_us, *(int(cut * span_us) for cut in cuts)})
    until = shared_until(np.array(parts), np.array(edges), np.array(span_us))
    assert int(np.diff(until).sum()) == parts
    assert (np.diff(until) >= 0).all()
    assert np.abs(until - parts * (np.array(edges) / span_us)).max() <= 0.5 + 1e-6
