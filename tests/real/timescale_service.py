# SPDX-License-Identifier: Apache-2.0
"""Fixtures of a real TimescaleDB: one server for the run, a fresh database where one is asked for."""

import os
import signal
import uuid
from collections.abc import Iterator
from typing import Protocol

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from streams.storage import migrate
from tests.services.cache import timescale_dir
from tests.services.containers import TIMESCALE_IMAGE, TimescaleContainer, image_present
from tests.services.missing import give_up
from tests.services.timescale import TimescaleServer


class _Restartable(Protocol):
    uri: str

    def start(self) -> None: ...

    def stop(self, by: signal.Signals = signal.SIGINT) -> None: ...


class Databases:
    """A server on which the tests may make databases.

    Parameters
    ----------
    uri : str
        Of any database of the server; the account may create others.
    server : optional
        The process behind it, where the tests started it.
    """

    def __init__(self, uri: str, server: _Restartable | None) -> None:
        self.uri = uri
        self._server = server
        self._made: list[str] = []
        self._pattern: str | None = None

    def create(self) -> str:
        """Make an empty database and give its address."""
        # template1 may be in use; nobody may sit in template0.
        return self._copy("template0")

    def create_migrated(self) -> str:
        """Make a database as `streams.storage.migrate` leaves it and give its address: a copy, which is quicker."""
        if self._pattern is None:
            uri = self.create()
            migrate(uri)
            pattern = str(conninfo_to_dict(uri)["dbname"])
            # Nobody may sit in what is copied; TimescaleDB's scheduler would.
            self._execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(pattern)))
            self._execute(sql.SQL("SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = {}")
                          .format(sql.Literal(pattern)))
            self._pattern = pattern
        return self._copy(self._pattern)

    def _copy(self, pattern: str) -> str:
        name = f"drukte_test_{uuid.uuid4().hex[:12]}"
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(name), sql.Identifier(pattern)))
        self._made.append(name)
        return make_conninfo(self.uri, dbname=name)

    def drop_all(self) -> None:
        """Drop what was made."""
        while self._made:
            self._drop(self._made.pop())

    def drop(self, uri: str) -> None:
        """Drop one that was made: TimescaleDB keeps a process for each, so they are not left until the end."""
        name = str(conninfo_to_dict(uri)["dbname"])
        self._made.remove(name)
        self._drop(name)

    def _drop(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(statement)

    def stop(self, by: signal.Signals = signal.SIGINT) -> None:
        """Stop the server (SIGQUIT: at once, as in a crash); skips the test where it is not ours."""
        self._own().stop(by)

    def start(self) -> None:
        """Start it again."""
        self._own().start()

    def _own(self) -> _Restartable:
        if self._server is None:
            pytest.skip("DRUKTE_TEST_DATABASE is not ours to stop")
        return self._server


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The server: of `DRUKTE_TEST_DATABASE`, a container, or one started natively."""
    if address := os.environ.get("DRUKTE_TEST_DATABASE"):
        given = Databases(address, None)
        try:
            yield given
        finally:
            given.drop_all()
    elif image_present(TIMESCALE_IMAGE):
        container = TimescaleContainer()
        try:
            container.start()
            yield Databases(container.uri, container)
        finally:
            container.remove()
    elif timescale_dir().is_dir() and os.geteuid() == 0:
        server = TimescaleServer(timescale_dir(), tmp_path_factory.mktemp("timescale"))
        try:
            server.start()
            yield Databases(server.uri, server)
        finally:
            server.stop()
    else:
        give_up("TimescaleDB")


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[str]:
    """A database for one test without anything in it, dropped when it ends."""
    uri = databases.create()
    yield uri
    databases.drop(uri)


@pytest.fixture
def fresh_database(databases: Databases) -> Iterator[str]:
    """A database for one test with all tables and no rows, dropped when it ends."""
    uri = databases.create_migrated()
    yield uri
    databases.drop(uri)
