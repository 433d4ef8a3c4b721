# SPDX-License-Identifier: Apache-2.0
"""Lessons: what a forecast has learnt from published windows, for one that begins anew.

A lesson is sums over a whole site's quarters, made of bands, of vehicles and of baselines alone: it holds nothing
that the published rows do not. It travels behind the rows of a baseline message.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.arrow_stream import decode_stream, encode_stream, required
from schemas.errors import RefusedError
from schemas.refusal import Reason

PEOPLE, ROADS = "people", "road"
SUMS = ("middle_moment", "middle_product", "scale_moment", "scale_product", "histogram")
"""The sums of a lesson, in the order of `Lesson`."""

_SUM = pa.list_(required("item", pa.float64()))
LESSONS = pa.schema([
    required("about", pa.string()),
    required("site", pa.int32()),
    required("model", pa.int32()),
    *(required(name, _SUM) for name in SUMS),
])
"""Columns of the stream behind a baseline; see `Lesson`."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What the people, or the roads, of one site have taught.

    Parameters
    ----------
    about : str
        `PEOPLE` or `ROADS`.
    site : int
        Number in `CITY.ids`.
    model : int
        Which model's sums they are; another model's are of no use.
    middle_moment, middle_product, scale_moment, scale_product, histogram : float64 arrays, flat
        As the forecast of that model keeps them for one pool, in the order of their last dimension.
    """

    about: str
    site: int
    model: int
    middle_moment: Floats
    middle_product: Floats
    scale_moment: Floats
    scale_product: Floats
    histogram: Floats


def encode_lessons(lessons: tuple[Lesson, ...]) -> bytes:
    """As an Arrow IPC stream."""
    columns: list[pa.Array] = [
        pa.array([one.about for one in lessons], pa.string()), pa.array([one.site for one in lessons], pa.int32()),
        pa.array([one.model for one in lessons], pa.int32()),
        *(pa.array([getattr(one, name) for one in lessons], _SUM) for name in SUMS),
    ]
    return encode_stream(pa.RecordBatch.from_arrays(columns, schema=LESSONS), "zstd")


def decode_lessons(encoded: bytes) -> tuple[Lesson, ...]:
    """Read what `encode_lessons` wrote.

    Raises
    ------
    RefusedError
        `malformed` for anything else, `bad-value` for sums that are no numbers.
    """
    batch = decode_stream(encoded, LESSONS, "a message of lessons")
    plain = zip(*(batch[name].to_pylist() for name in ("about", "site", "model")), strict=True)
    lessons = tuple(
        Lesson(about, site, model, **{name: _sums(batch[name][at]) for name in SUMS})
        for at, (about, site, model) in enumerate(plain))
    _check(lessons)
    return lessons


def _sums(scalar: pa.ListScalar) -> Floats:
    return np.array(scalar.values.to_numpy(zero_copy_only=False), np.float64)


def _check(lessons: tuple[Lesson, ...]) -> None:
    if len({(one.about, one.site) for one in lessons}) != len(lessons):
        raise RefusedError(Reason.BAD_VALUE, "lessons name a site twice")
    for one in lessons:
        if not all(np.isfinite(getattr(one, name)).all() for name in SUMS) or (one.histogram < 0).any():
            raise RefusedError(Reason.BAD_VALUE, "a lesson has sums that are no finite numbers, or negative shares")
