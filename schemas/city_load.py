# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a city's files to a sound `City`; pure."""

from hashlib import sha256

from schemas.city import City, CityFile
from schemas.city_check import city_faults
from schemas.city_fault import CityFaultsError, Fault
from schemas.city_types import typed_city_file
from schemas.errors import DrukteError
from schemas.ids import IdKind, Ids, IdsError, parse_ids
from schemas.roads import RoadTable, decode_roads, road_ids


def parse_city(toml: bytes, ids_text: str, roads: bytes | None) -> City:
    """A city from the content of its three files.

    Parameters
    ----------
    toml : bytes
        The city file.
    ids_text : str
        `CITY.ids`; empty when there is none yet.
    roads : bytes, optional
        The companion that the city file names under `roads`.

    Raises
    ------
    CityFaultsError
        With every fault: of TOML alone; else of keys and types; else of meaning, ids and roads.
    """
    city, faults = read_city(typed_city_file(toml), toml, ids_text, roads)
    if faults:
        raise CityFaultsError(faults)
    return city


def read_city(file: CityFile, toml: bytes, ids_text: str, roads: bytes | None) -> tuple[City, list[Fault]]:
    """A city and what is wrong with it; only one without faults is sound and may be used.

    Parameters
    ----------
    file : CityFile
        `toml` as `typed_city_file` reads it.
    toml, ids_text, roads
        As for `parse_city`.
    """
    faults: list[Fault] = []
    table = RoadTable.empty()
    try:
        table = parse_roads(file, roads)
    except CityFaultsError as error:
        faults += error.faults
    try:
        ids = parse_ids(ids_text)
    except IdsError as error:
        faults.append(Fault("ids", str(error)))
        ids, _ = Ids().extended(wanted_ids(file, table))
    faults += city_faults(file, ids, table)
    return City(file, ids, table, city_sha256(toml, ids_text, roads)), faults


def parse_roads(file: CityFile, encoded: bytes | None) -> RoadTable:
    """The companion that `file` names, empty where it names none.

    Raises
    ------
    CityFaultsError
        It is missing, is not named, has a name that does not fit its content, or cannot be read.
    """
    if file.roads is None and encoded is None:
        return RoadTable.empty()
    if encoded is None:
        text = f"{file.roads!r} does not stand beside the city file; restore it or remove the key"
        raise _roads_fault(text)
    if file.roads is None:
        raise _roads_fault(f"is missing though a companion was given; name it: {roads_name(encoded)!r}")
    if file.roads != roads_name(encoded):
        raise _roads_fault(
            f"{file.roads!r} does not fit its content, which would be {roads_name(encoded)!r}; restore the "
            "file, or make it anew with `drukte city import-ndw`"
        )
    try:
        return decode_roads(encoded)
    except DrukteError as error:
        raise _roads_fault(str(error)) from None


def _roads_fault(text: str) -> CityFaultsError:
    return CityFaultsError([Fault("roads", text)])


def wanted_ids(file: CityFile, roads: RoadTable) -> dict[IdKind, list[str]]:
    """Every key that needs an integer, in the order of the file, then of the roads.

    Returns
    -------
    dict of IdKind to list of str
        Each key once; what to hand to `Ids.extended`.
    """
    wanted = {
        IdKind.SOURCE: list(file.sources),
        IdKind.SITE: list(file.sites),
        IdKind.ZONE: list(file.zones),
        IdKind.GATE: list(file.gates),
        IdKind.SENSOR: list(file.sensors),
    }
    for kind, keys in road_ids(roads).items():
        wanted[kind].extend(keys)
    return {kind: list(dict.fromkeys(keys)) for kind, keys in wanted.items()}


def roads_name(encoded: bytes) -> str:
    """The only name that a companion file with this content may have."""
    return f"roads-{sha256(encoded).hexdigest()}.parquet"


def city_sha256(toml: bytes, ids_text: str, roads: bytes | None) -> str:
    """One name for the three files together, 64 hex digits: SHA-256 over the digests of each."""
    parts = (toml, ids_text.encode(), roads or b"")
    return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()
