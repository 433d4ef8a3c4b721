# SPDX-License-Identifier: Apache-2.0
"""Parts of a source's entry in the city file for formats that do not say themselves what their values are."""

import msgspec


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class CsvColumns(_Strict, frozen=True, kw_only=True):
    """Which column of a CSV says what.

    Parameters
    ----------
    time : list of str
        Columns that make the stamp together, joined by a blank.
    time_format : str
        As `datetime.strptime` reads it, or `iso`.
    sensor : str, optional
        Column with the source's name of the sensor; without it each value column is a sensor of its own.
    values : dict of str to str
        Value column -> metric key, a direction (`in`, `out`, any word for `in_direction`), or `people`.
    interval_s : float
        Length of the interval of each row; 0 for states at an instant.
    header : list of str, optional
        Names of the columns of a file without header.
    delimiter : str
    missing : list of str
        Spellings of "no value" beside the empty one.
    scale : dict of str to float
        Value column -> what it is multiplied with, such as an effective width in m for persons per m.
    """

    time: list[str]
    time_format: str = "iso"
    sensor: str | None = None
    values: dict[str, str]
    interval_s: float
    header: list[str] | None = None
    delimiter: str = ","
    missing: list[str] = []
    scale: dict[str, float] = {}


class Datastream(_Strict, frozen=True, kw_only=True):
    """What one Datastream of a SensorThings service is: the `vendor_id` (or key) of a sensor, and its metric."""

    sensor: str
    metric: str
