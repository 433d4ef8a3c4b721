# SPDX-License-Identifier: Apache-2.0
"""One measured figure."""

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """A figure as the documents print it: what, how much, in which unit, under which conditions."""

    name: str
    value: float
    unit: str
    conditions: str
