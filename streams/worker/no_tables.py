# SPDX-License-Identifier: Apache-2.0
"""Faust for a worker without tables: it needs no folder for them, and need not wait for any to be declared."""

import faust
from faust.tables import TableManager


class FolderlessApp(faust.App):
    """As Faust's, which makes folders for tables; a worker that is killed would leave them behind."""

    async def on_first_start(self) -> None:
        """Nothing."""


class NoTables(TableManager):
    """As Faust's, which waits a second at its start for tables that modules may still declare.

    It has to run all the same: the consumer subscribes when its tables are registered, and its recovery, which has
    nothing to recover, sets the streams going after each rebalance.
    """

    async def on_start(self) -> None:
        """Register that there is none, and begin."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()
