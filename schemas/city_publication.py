# SPDX-License-Identifier: Apache-2.0
"""Whether a city version may follow the published one. Pure."""

import datetime as dt
from collections.abc import Iterator

from schemas.city import City
from schemas.city_change import DAY_US, MINUTE_US, CityChange, zone_map
from schemas.ids import Ids

LEAST_AHEAD_US = 2 * MINUTE_US
"""Before a version takes over every gateway, and every partition of the log, has to know of it."""


def publication_faults(new: City, effective_at_us: int, newest: City, since_us: int, now_us: int) -> list[str]:
    """Why `new` may not follow `newest`, a text each; empty where it may.

    Parameters
    ----------
    new : City
    effective_at_us : int
        From when it is to hold, microseconds since 1970, UTC.
    newest : City
        The newest published version.
    since_us : int
        From when that one holds.
    now_us : int
        The deployment's clock.
    """
    return [
        *_version_faults(new, newest),
        *_time_faults(new, effective_at_us, newest, since_us, now_us),
        *_id_faults(new.ids, newest.ids),
    ]


def _version_faults(new: City, newest: City) -> Iterator[str]:
    if new.file.city != newest.file.city:
        yield f"city {new.file.city!r} is not the published {newest.file.city!r}; publish it on a deployment of its own"
    if new.version <= newest.version:
        yield f"version {new.version} is not above the published {newest.version}; raise `version` in the city file"


def _time_faults(new: City, effective_at_us: int, newest: City, since_us: int, now_us: int) -> Iterator[str]:
    if effective_at_us % MINUTE_US:
        yield f"{instant(effective_at_us)} is no whole minute; windows begin at one"
    if effective_at_us < now_us + LEAST_AHEAD_US:
        yield (f"{instant(effective_at_us)} is not two minutes ahead of the deployment's clock, which shows "
               f"{instant(now_us)}; choose a later time")
    if effective_at_us <= since_us:
        yield (f"version {newest.version} takes over at {instant(since_us)}; a later version has to take over after "
               "it")
    if effective_at_us % DAY_US and zone_map(new.file) != zone_map(newest.file):
        yield ("zones or gates have another shape, area, site or side, and rows of one day have to mean one map: "
               "choose 00:00 UTC, or leave the geometry as it was")


def _id_faults(new: Ids, newest: Ids) -> Iterator[str]:
    for kind, before in newest.numbers.items():
        after = new[kind]
        keys = new.keys_by_number(kind)
        changed = [key for key, number in before.items() if after.get(key) != number]
        reused = [key for key, number in before.items() if keys.get(number, key) != key]
        if found := sorted({*changed, *reused}):
            yield (f"CITY.ids: the number of {kind} {found[0]!r} was changed, dropped or given to another key"
                   f"{f' (and of {len(found) - 1} more)' if len(found) > 1 else ''}; numbers are only ever appended: "
                   "start from the published file's ids")


def same_content(change: CityChange, city: City) -> bool:
    """Whether a published change is of exactly this city."""
    return (change.version, change.sha256) == (city.version, city.sha256)


def instant(at_us: int) -> str:
    """A time as people and machines read it, UTC."""
    return dt.datetime.fromtimestamp(at_us / 1e6, dt.UTC).isoformat().replace("+00:00", "Z")
