# SPDX-License-Identifier: Apache-2.0
"""The state of a partition as bytes, and back: a restored partition goes on bit for bit."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.city import City
from schemas.city_change import CityChange
from schemas.command import Outcome
from schemas.context import ContextRecord
from schemas.errors import FatalError
from schemas.sighting import SightingShown
from streams.core.alerting import Case
from streams.core.desk import Until
from streams.core.inside import Anchor
from streams.core.measures_taken import Clock
from streams.core.step import Partition
from streams.core.upgrades import UPGRADES, Kept

STATE_VERSION = 6
"""Rises whenever the state has other parts or another meaning; `streams.core.upgrades` then has one function more."""
OLDEST_VERSION = min(UPGRADES)
"""From which an upgrade leads here."""
_LISTS: dict[str, Any] = {"cases": list[Case], "drilled": list[str], "outcomes": list[Outcome],
                          "standing": list[Outcome],
                          "holding": list[Until], "changes": list[CityChange], "_purged": list[str],
                          "_resting": list[str], "swapped": list[str], "clocks": list[Clock], "said": list[Anchor],
                          "records": list[ContextRecord],
                          "last_sightings": list[SightingShown], "pending_sightings": list[SightingShown]}
_MAGIC = b"DRUKTE-STATE\n"


class SnapshotError(FatalError):
    """Bytes that are no state of this partition."""


class _Array(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    city_sha256: str
    partitions: int
    number: int
    arrays: dict[str, _Array]
    values: dict[str, msgspec.Raw]


def _places(partition: Partition) -> Iterator[tuple[str, object, str]]:
    """Every piece of state: its name, the object that has it and the attribute."""
    for name in Partition.STATE:
        yield name, partition, name
    for part_name in Partition.PARTS:
        part = attrgetter(part_name)(partition)
        for name in part.STATE:
            yield f"{part_name}.{name}", part, name


def dump(partition: Partition, partitions: int, number: int) -> bytes:
    """The state, with what is needed to see that it is restored where it belongs."""
    partition.settle()
    arrays: dict[str, _Array] = {}
    values: dict[str, msgspec.Raw] = {}
    blobs: list[bytes] = []
    for name, owner, attribute in _places(partition):
        value = getattr(owner, attribute)
        if isinstance(value, np.ndarray):
            arrays[name] = _Array(value.dtype.str, value.shape)
            blobs.append(np.ascontiguousarray(value).tobytes())
        else:
            values[name] = msgspec.Raw(msgspec.json.encode(value))
    head = msgspec.json.encode(_Head(
        version=STATE_VERSION, city_sha256=partition.city.sha256, partitions=partitions, number=number, arrays=arrays,
        values=values))
    return b"".join([_MAGIC, len(head).to_bytes(8, "little"), head, *blobs])


def load(encoded: bytes, cities: Callable[[str], City], partitions: int, number: int) -> Partition:
    """The partition that `dump` was given.

    Parameters
    ----------
    encoded : bytes
    cities : callable
        The city version with a sha256; raises `KeyError` where it is not known.
    partitions, number : int

    Raises
    ------
    SnapshotError
        Another format or number of partitions, another partition, a state version from which no upgrade leads
        here, a city version that is not known; cut off or too long.
    """
    head, body = _split(encoded)
    wanted, found = (partitions, number), (head.partitions, head.number)
    if wanted != found:
        names = ("number of partitions", "partition")
        differing = [name for name, left, right in zip(names, wanted, found, strict=True) if left != right]
        raise SnapshotError(f"snapshot is of another {', '.join(differing)}")
    try:
        city = cities(head.city_sha256)
    except KeyError:
        raise SnapshotError(
            f"snapshot is of a city version that is not known here (sha256 {head.city_sha256})") from None
    partition = Partition(city, partitions, number, purged=_keys(head, "_purged"), resting=_keys(head, "_resting"))
    _fill(partition, _upgraded(head.version, Kept(_arrays(head, body), dict(head.values)), partition))
    try:
        partition.know(cities)
    except KeyError as error:
        raise SnapshotError(f"a city version is announced that is not known here (sha256 {error.args[0]})") from None
    return partition


def _keys(head: _Head, name: str) -> list[str]:
    """Sensors without which the partition is laid out."""
    return msgspec.json.decode(head.values.get(name, b"[]"), type=list[str])


def _arrays(head: _Head, body: bytes) -> dict[str, npt.NDArray[Any]]:
    arrays, at = {}, 0
    for name, form in head.arrays.items():
        size = np.dtype(form.dtype).itemsize * math.prod(form.shape)
        if at + size > len(body):
            raise SnapshotError("snapshot is cut off")
        arrays[name] = np.frombuffer(body[at : at + size], form.dtype).reshape(form.shape).copy()
        at += size
    if at != len(body):
        raise SnapshotError("snapshot is longer than its head says")
    return arrays


def _upgraded(version: int, kept: Kept, partition: Partition) -> Kept:
    while version in UPGRADES:
        kept = UPGRADES[version](kept, partition)
        version += 1
    if version != STATE_VERSION:
        raise SnapshotError(f"snapshot is of state version {version}; this program knows {STATE_VERSION}")
    return kept


def _fill(partition: Partition, kept: Kept) -> None:
    for name, owner, attribute in _places(partition):
        if name in kept.values:
            setattr(owner, attribute, _typed(attribute, getattr(owner, attribute), kept.values[name]))
            continue
        array = kept.arrays.get(name)
        if array is None or _form(array) != _form(getattr(owner, attribute)):
            raise SnapshotError(f"snapshot has no fitting {name}")
        setattr(owner, attribute, array)


def _split(encoded: bytes) -> tuple[_Head, bytes]:
    start = len(_MAGIC) + 8
    if not encoded.startswith(_MAGIC) or len(encoded) < start:
        raise SnapshotError("no snapshot of a partition")
    size = int.from_bytes(encoded[len(_MAGIC) : start], "little")
    try:
        head = msgspec.json.decode(encoded[start : start + size], type=_Head)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"snapshot's head cannot be read: {error}") from None
    return head, encoded[start + size :]


def _form(value: Any) -> tuple[str, tuple[int, ...]] | None:
    return (value.dtype.str, value.shape) if isinstance(value, np.ndarray) else None


def _typed(name: str, value: Any, encoded: msgspec.Raw) -> Any:
    """Decode to the kind of value that stands there now."""
    if isinstance(value, Counter):
        return Counter(msgspec.json.decode(encoded, type=dict[str, int]))
    if isinstance(value, list):
        return msgspec.json.decode(encoded, type=_LISTS[name])
    return msgspec.json.decode(encoded, type=type(value))
