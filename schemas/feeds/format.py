# SPDX-License-Identifier: Apache-2.0
"""What a format is: one entry in the list of those that a source may speak."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from schemas.city import Source
from schemas.feeds.observed import Observed

Context = Mapping[str, str]
"""What came beside a body: `topic` of an MQTT message, `content-type`, `name` of a file, `received_us`."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Parameters
    ----------
    key : str
        As `format` in the city file.
    title : str
    semantics : str
        How it counts, for people: interval, cumulative, rate or instant, by metric.
    decode : callable
        Body, the source's settings and what came beside the body -> what it says. Raises `RefusedError` for a
        body as a whole: `malformed`, `person-level`.
    looks_like : callable
        Whether a body looks like this format; cheap, never raises.
    proven : bool
        Whether real messages of it were read; false where only its documentation was.
    strict : bool
        Whether a body that is decoded holds nothing but what was read or refused by name. Only such bodies may be
        kept for `drukte dead-letters redo`.
    notes : str
        Where its facts come from, and its traps.
    """

    key: str
    title: str
    semantics: str
    decode: Callable[[bytes, Source, Context], Observed]
    looks_like: Callable[[bytes], bool]
    proven: bool = True
    strict: bool = False
    notes: str = field(default="")
