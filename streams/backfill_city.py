# SPDX-License-Identifier: Apache-2.0
"""Whether a back-fill's city file is the database's: cells are keyed by numbers, and what is released stands."""

from schemas.city import City
from schemas.city_timeline import Timeline
from schemas.errors import DrukteError
from schemas.ids import IdKind
from streams.writer.database import Database

NAMED = 3
"""So many contradictions are named."""


def check_city(database: Database, cities: Timeline[City]) -> None:
    """See whether the numbers of a city file mean in the database what they mean in the file.

    A database without any city (nobody has written to it yet) takes all.

    Parameters
    ----------
    database : Database
    cities : Timeline of City

    Raises
    ------
    DrukteError
        The database is another city's, or knows another place by a number.
    TransientError
        The database is away.
    """
    with database.session() as connection:
        owners = {city for (city,) in connection.execute("SELECT DISTINCT city FROM engine.city_version")}
        places = connection.execute("SELECT kind, number, key FROM engine.place ORDER BY kind, number").fetchall()
    ours = cities.newest.file.city
    if owners and ours not in owners:
        raise DrukteError(
            f"the city file is of {ours!r}, the database of {', '.join(map(repr, sorted(owners)))}: what is released "
            "cannot be taken back. Name this deployment's city file with --city, or its settings with --settings"
        )
    known = {kind: cities.newest.ids.keys_by_number(kind) for kind in IdKind}
    wrong = [
        f"{kind} {number} is {key!r} in the database, {mine!r} in the file" for kind, number, key in places
        if (mine := known[IdKind(kind)].get(number, key)) != key
    ]
    if wrong:
        raise DrukteError(
            f"the city file numbers other places than the database: {'; '.join(wrong[:NAMED])}"
            f"{' and others' if len(wrong) > NAMED else ''}. Take the deployment's own CITY.ids, which is only added to"
        )
