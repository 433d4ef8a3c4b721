# SPDX-License-Identifier: Apache-2.0
"""One measured figure."""

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """A figure as the documents print it.

    Parameters
    ----------
    name : str
        What.
    value : float
        How much, in `unit`.
    unit : str
    conditions : str
        Under which conditions.
    target : float or None
        What it is held against, in the same unit.
    against : str
        What the target is: `goal`, or a yardstick of the same run.
    lower_is_better : bool
        For times, CPU and memory.
    """

    name: str
    value: float
    unit: str
    conditions: str
    target: float | None = None
    against: str = "goal"
    lower_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """1 = as good as the target, above 1 = better; None without a target or a value to divide by."""
        if not self.target or not self.value:
            return None
        return self.target / self.value if self.lower_is_better else self.value / self.target
