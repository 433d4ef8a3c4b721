# SPDX-License-Identifier: Apache-2.0
"""Where a partition goes on: at its newest snapshot that fits, else cold. Said in the log either way."""

from collections.abc import Iterable, Mapping

import msgspec
import structlog

from schemas.errors import DrukteError
from schemas.log import Topic
from schemas.snapshot import decode_state
from streams.cities import Cities
from streams.core.snapshot import OLDEST_VERSION, STATE_VERSION, load
from streams.settings import KafkaSettings
from streams.worker.extent import Extent
from streams.worker.folds import Kept, Restored
from streams.worker.snapshots import Candidate, SnapshotReader

READ_S = 15.0
"""For all partitions; with `streams.worker.adoption.LIMIT_S` below `streams.worker.offsets.SEEK_S`, so that it is
these limits which speak."""

CITY_S = 2.0
"""For what was published since this worker started: next to nothing."""

log = structlog.get_logger(__name__)


class Restorer:
    """Finds the state with which partitions go on.

    Parameters
    ----------
    kafka : KafkaSettings
    cities : Cities
        A snapshot names the version that was in force in it.
    """

    def __init__(self, kafka: KafkaSettings, cities: Cities) -> None:
        self._kafka = kafka
        self._cities = cities

    def restore(self, extents: Mapping[int, Extent]) -> dict[int, Restored]:
        """The states of those partitions that have a snapshot that fits. Blocks, for `READ_S` at most.

        Parameters
        ----------
        extents : mapping of int to Extent
            By partition.

        Raises
        ------
        TransientError
            The snapshots cannot be read within the limit: nobody knows then whether there is one.
        """
        self._cities.refresh(CITY_S)
        reader = SnapshotReader(self._kafka, READ_S, _skipped)
        try:
            restored = self._first_fitting(reader.newest(extents), extents)
            missing = [number for number in reader.not_empty if number not in restored]
            if missing:
                restored |= self._first_fitting(reader.last_of_each_key(missing), extents)
        finally:
            reader.close()
        for number in sorted(extents):
            _say(number, extents[number], restored.get(number), number in reader.not_empty)
        return restored

    def _first_fitting(
        self, candidates: Mapping[int, list[Candidate]], extents: Mapping[int, Extent]
    ) -> dict[int, Restored]:
        found = {number: self._fitting(number, some, extents[number]) for number, some in candidates.items()}
        return {number: restored for number, restored in found.items() if restored is not None}

    def _fitting(self, number: int, candidates: Iterable[Candidate], extent: Extent) -> Restored | None:
        for candidate in candidates:
            if reason := self._misfit(candidate, number, extent):
                _skipped(number, candidate.offset, reason)
                continue
            try:
                state = load(decode_state(candidate.headers, candidate.value), self._cities.by_sha256,
                             self._kafka.partitions, number)
            except (DrukteError, msgspec.MsgspecError, ValueError) as error:
                # The text of anything but our own errors could hold a value of the state.
                _skipped(number, candidate.offset, str(error) if isinstance(error, DrukteError)
                         else f"cannot be read ({type(error).__name__})")
                continue
            kept = Kept(candidate.head.next_offset, candidate.head.log_time_us)
            # Messages between them are gone: what the state knows is still worth more than nothing.
            return Restored(state, kept, max(kept.next_offset, extent.earliest))
        return None

    def _misfit(self, candidate: Candidate, number: int, extent: Extent) -> str:
        head = candidate.head
        if head.partition != number:
            return f"is of partition {head.partition}"
        if not OLDEST_VERSION <= head.state_version <= STATE_VERSION:
            return f"is of state version {head.state_version}; this worker knows {STATE_VERSION}"
        if head.city_sha256 not in {one.city.sha256 for one in self._cities.known}:
            known = ", ".join(str(one.city.version) for one in self._cities.known)
            return f"is of another city file (version {head.city_version}); known here: {known}"
        if head.next_offset > extent.end:
            return f"goes on at {head.next_offset}, but {Topic.SITE_LOG} ends at {extent.end}: was it made anew?"
        return ""


def _skipped(partition: int, offset: int, reason: str) -> None:
    log.error("snapshot passed over", place=f"{Topic.SNAPSHOTS}[{partition}]@{offset}", reason=reason,
              do="an older one is tried, else the log is folded from its beginning")


def _say(number: int, extent: Extent, restored: Restored | None, had_snapshots: bool) -> None:
    if restored is not None:
        kept = restored.kept
        log.info("partition goes on at its snapshot", partition=number, offset=kept.next_offset,
                 end=extent.end, log_time_us=kept.log_time_us)
        if restored.begins_at > kept.next_offset:
            log.error("messages are gone", partition=number, first=kept.next_offset, next=restored.begins_at,
                      messages=restored.begins_at - kept.next_offset, log_time_us=kept.log_time_us,
                      do="windows from this log time on are missing; was no worker up for as long as the log keeps?")
    elif extent.earliest == 0 and not had_snapshots:
        log.info("partition begins at the begin of its log", partition=number, offset=0, end=extent.end)
    else:
        log.warning("cold start", partition=number, offset=extent.earliest, end=extent.end,
                    why="no usable snapshot: the log is folded from its earliest message with empty state",
                    missing=extent.earliest > 0)
