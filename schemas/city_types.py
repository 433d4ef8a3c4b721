# SPDX-License-Identifier: Apache-2.0
"""From TOML to a typed city file, with every wrong key and type reported, not only the first."""

import datetime as dt
import math
from collections.abc import Iterator
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import msgspec
import tomli

from schemas.city import CityFile
from schemas.city_fault import CityFaultsError, Fault, key_path, meant


def typed_city_file(toml: bytes) -> CityFile:
    """The city file as typed values, not yet checked for meaning.

    Raises
    ------
    CityFaultsError
        The text is no TOML (with its line), or keys are unknown or missing or of another type (all of them).
    """
    document = _document(toml)
    try:
        file = msgspec.convert(document, CityFile)
    except msgspec.ValidationError as error:
        # It names the first fault only; looking at each value costs as much as reading the file does.
        raise CityFaultsError(list(_faults(document, CityFile, "")) or [Fault("", str(error))]) from None
    if any(not math.isfinite(number) for number in _numbers(document)):
        raise CityFaultsError(list(_faults(document, CityFile, "")))
    return file


def _document(toml: bytes) -> dict[str, Any]:
    try:
        return tomli.loads(toml.decode())
    except UnicodeDecodeError as error:
        line = toml.count(b"\n", 0, error.start) + 1
        raise CityFaultsError([Fault(f"line {line}", "is not UTF-8; save the file as UTF-8")]) from None
    except tomli.TOMLDecodeError as error:
        raise CityFaultsError([Fault("", f"is no TOML: {error}; correct it there")]) from None


def _faults(value: object, wanted: Any, path: str) -> Iterator[Fault]:
    """What keeps a decoded TOML value from being of the type `wanted`, in depth."""
    arguments = get_args(wanted)
    if get_origin(wanted) is UnionType and NoneType in arguments:
        (wanted,) = (argument for argument in arguments if argument is not NoneType)
        arguments = get_args(wanted)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        yield from _struct_faults(value, wanted, path)
    elif get_origin(wanted) is dict and isinstance(value, dict):
        key_type, value_type = arguments
        for key, inner in value.items():
            yield from _leaf_faults(key, key_type, key_path(path, key))
            yield from _faults(inner, value_type, key_path(path, key))
    elif get_origin(wanted) is list and isinstance(value, list):
        for at, item in enumerate(value):
            yield from _faults(item, arguments[0], f"{path}[{at}]")
    else:
        yield from _leaf_faults(value, wanted, path)


def _struct_faults(value: object, wanted: type[msgspec.Struct], path: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(path, f"{_shown(value)} does not fit here: write a table with keys")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
    for key, inner in value.items():
        if key in fields:
            yield from _faults(inner, fields[key].type, key_path(path, key))
        else:
            yield Fault(key_path(path, key), f"is not known here{meant(key, fields)}")
    for key, field in fields.items():
        if field.required and key not in value:
            yield Fault(key_path(path, key), "is missing; add it")


def _leaf_faults(value: object, wanted: Any, path: str) -> Iterator[Fault]:
    if isinstance(wanted, type) and issubclass(wanted, StrEnum) and isinstance(value, str):
        if value not in set(wanted):
            yield Fault(path, f"{value!r} is not known here{meant(value, wanted)}")
        return
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        text, _, inner = str(error).partition(" - at `$")
        yield Fault(path + inner.removesuffix("`"), f"{_shown(value)} does not fit here: {text}")
        return
    if any(not math.isfinite(number) for number in _numbers(value)):
        yield Fault(path, f"{_shown(value)} does not fit here: write finite numbers")


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, dt.date) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _numbers(value: object) -> Iterator[float]:
    """Every float within decoded TOML, in no order."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float):
            yield one
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())
