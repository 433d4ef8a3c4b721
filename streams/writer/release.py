# SPDX-License-Identifier: Apache-2.0
"""The release of a sealed batch: drawn once, whatever crashes, repeats or runs twice.

The order is the rule: intent to the topic; in one transaction draw, cells, sums, ledger row and offset; then
`released` to the topic. An intent without a commit has published nothing and is drawn again, unless a restore took
the draw away (`streams.writer.restored`).
"""

from dataclasses import dataclass

from schemas.errors import FatalError
from schemas.ledger import Intent, Released
from schemas.log import Topic
from schemas.seal import METRICS, Seal
from streams.clock import wall_us
from streams.core import release as policy
from streams.core.release import MEASURES, POLICY_VERSION, TARGET, Grid, checked_grid, protection
from streams.research.noise import code_hash, published_values
from streams.storage import Connection
from streams.writer import release_tables as tables
from streams.writer.database import Database
from streams.writer.ledger_topic import LedgerTopic
from streams.writer.release_tables import Head, Standing

ANNOUNCED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a seal stands in `seals`."""

    partition: int
    offset: int


class Release:
    """The steps of a release, for one process.

    Parameters
    ----------
    database : Database
        A session of its own.
    ledger : LedgerTopic
    """

    def __init__(self, database: Database, ledger: LedgerTopic) -> None:
        self._database = database
        self._ledger = ledger
        self._known_links: dict[int, int] = {}
        self.released = 0
        """Batches released by this process."""

    def begin(self) -> None:
        """After `streams.writer.restored.reconcile`: learn the chains' ends, append to the topic what it lacks."""
        with self._database.session() as connection:
            self._known_links = tables.links(connection)
        for partition in sorted(self._known_links):
            self.announce(partition)

    def release(self, seal: Seal, place: Place) -> Standing:
        """Bring a seal to its end.

        Parameters
        ----------
        seal : Seal
        place : Place
            Its offset is stored with it.

        Returns
        -------
        Standing
            What the batch was before: NEW was drawn now, RELEASED was left alone, LOST is missing for ever.

        Raises
        ------
        RefusedError
            The seal holds what cannot be published; nothing was written, not even the offset.
        TransientError
            Database or broker is away: do it again.
        FatalError
            The database was put back behind this process, or a restore was declared: start anew.
        """
        grid = checked_grid(seal)
        if self.standing(seal) is Standing.NEW:
            self.intend(seal, place)
        was = self.commit(seal, grid, place)
        if was is Standing.NEW:
            self.announce(place.partition)
        return was

    def standing(self, seal: Seal) -> Standing:
        """What the database says of the batch now."""
        with self._database.session() as connection:
            return tables.standing(connection, seal.batch_key)

    def intend(self, seal: Seal, place: Place) -> None:
        """Tell the topic that the batch is about to be drawn; returns when the broker has it."""
        self._ledger.append([Intent(batch_key=seal.batch_key, partition=place.partition, at_us=wall_us())])

    def commit(self, seal: Seal, grid: Grid, place: Place) -> Standing:
        """Draw and publish in one transaction, unless the batch is known; the offset is stored in any case."""
        with self._database.session() as connection, connection.transaction():
            head = self.held_head(connection, place.partition)
            was = tables.standing(connection, seal.batch_key)
            link = head.link
            if was is Standing.NEW:
                values = published_values(grid, protection(seal.group, seal.grain_s))
                tables.insert_cells(connection, seal, grid, values)
                tables.extend_chain(connection, ledger_row(seal, grid, place.partition, head))
                link += 1
            elif was is Standing.LOST:
                tables.insert_missing(connection, seal, grid)
            tables.set_offset(connection, Topic.SEALS, place.partition, place.offset + 1)
        self._known_links[place.partition] = link
        self.released += was is Standing.NEW
        return was

    def skip(self, place: Place) -> None:
        """Go past a message that was refused."""
        with self._database.session() as connection:
            tables.set_offset(connection, Topic.SEALS, place.partition, place.offset + 1)

    def held_head(self, connection: Connection, partition: int) -> Head:
        """Lock a chain until the caller's transaction ends; raises `FatalError` where the database was put back."""
        head = tables.hold_chain(connection, partition)
        if tables.restore_is_pending(connection):
            raise FatalError("`drukte db restore` was run: the writer starts anew, to see what the restore took away")
        if head.link < self._known_links.get(partition, 0):
            raise FatalError("the database was put back under the running writer; run `drukte db restore`, start anew")
        return head

    def note_link(self, partition: int, link: int) -> None:
        """Remember the end of a chain that was extended by `streams.writer.release_together`."""
        self._known_links[partition] = link

    def announce(self, partition: int) -> None:
        """Append to the topic every ledger row of a chain that it may lack, in order; another writer's too.

        So whenever the topic holds a link it holds all before it.
        """
        more = True
        while more:
            with self._database.session() as connection:
                after = tables.announced_link(connection, partition)
                rows = tables.ledger_rows(connection, partition, after, ANNOUNCED_AT_ONCE)
            if rows:
                self._ledger.append(rows)
                with self._database.session() as connection:
                    tables.set_announced(connection, partition, rows[-1].link)
            more = len(rows) == ANNOUNCED_AT_ONCE


def ledger_row(seal: Seal, grid: Grid, partition: int, head: Head) -> Released:
    """The next link of a chain: what is released of a seal."""
    protected = protection(seal.group, seal.grain_s)
    measures = [MEASURES[metric] for metric in METRICS[seal.group]]
    return Released(
        batch_key=seal.batch_key, partition=partition, link=head.link + 1, target=TARGET,
        window_start_us=seal.start_us, window_end_us=seal.start_us + seal.grain_s * policy.SECOND_US,
        zone_map=seal.zone_map, metric=",".join(one.name for one in measures),
        unit=",".join(one.unit for one in measures), mechanism=str(protected.mechanism),
        sigma=float(protected.sigma), sensitivity=float(protected.sensitivity), rho=protected.rho,
        cells=int(grid.known.sum()), sealed_at_us=seal.sealed_at_us, released_at_us=wall_us(),
        policy_version=POLICY_VERSION, policy_hash=policy.policy_hash(), code_hash=code_hash(),
        previous_hash=head.row_hash,
    ).sealed()
