# SPDX-License-Identifier: Apache-2.0
"""The formats that a source may speak: one entry each, with what it counts and who decodes it."""

from schemas.feeds import (
    axis,
    cmsa,
    device_counts,
    eco_counter,
    hikvision,
    mapped_csv,
    ngsi_ld,
    onvif,
    sensorthings,
    situations,
    telraam,
    xovis,
)
from schemas.feeds.format import Context, Format

__all__ = ["FORMATS", "Context", "Format"]

_ALL: tuple[Format, ...] = (
    axis.FORMAT, cmsa.FORMAT, cmsa.ZONES_FORMAT, eco_counter.FORMAT, hikvision.FORMAT, mapped_csv.FORMAT,
    onvif.FORMAT, telraam.FORMAT, xovis.FORMAT,
    device_counts.FORMAT, ngsi_ld.FORMAT, sensorthings.FORMAT, situations.FORMAT,
)

FORMATS: dict[str, Format] = {one.key: one for one in _ALL}
"""By key; `native`, `datex2` and `datex2-situations` have doors of their own (see `streams.gateway.intake`)."""
