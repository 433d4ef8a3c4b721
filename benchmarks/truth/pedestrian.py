# SPDX-License-Identifier: Apache-2.0
"""Densities of a published pedestrian experiment: people in the measurement area, frame by frame."""

import os
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.truth.section import Goal, Section
from streams.core.measures import area_density, people_in_area

TOLERANCE_PER_M2 = 0.002
AREA_ID = "1"
"""The measurement area of the published classic densities."""
PUBLISHED = "results/Fundamental_Diagram/Classical_Voronoi/rho_v_Classic_traj.txt_id_1.dat"
EDGES_PER_M2 = (0.0, 0.31, 0.43, 0.72, 1.08, 2.15, np.inf)
"""Fruin's walkway limits, so that the table shows how crowded the experiment was."""


def measured_densities(folder: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Published densities of each frame, and ours from the trajectories; persons/m2."""
    frames, published = np.loadtxt(folder / PUBLISHED, usecols=(0, 1), unpack=True)
    corners = _area_corners(folder / "ini.xml")
    frame, x, y = np.loadtxt(folder / "traj.txt", usecols=(1, 2, 3), unpack=True)
    inside = people_in_area(x, y, corners)
    people = np.array([np.count_nonzero(inside & (frame == one)) for one in frames], np.float64)
    area_m2 = _area_m2(corners)
    return published, area_density(people, area_m2, area_m2).value


def _area_corners(path: Path) -> npt.NDArray[np.float64]:
    root = ElementTree.parse(path).getroot()  # noqa: S314 - a file of our own data folder
    area = next(one for one in root.iter("area_B") if one.get("id") == AREA_ID)
    return np.array([[float(one.get("x", "nan")), float(one.get("y", "nan"))] for one in area.iter("vertex")])


def _area_m2(corners: npt.NDArray[np.float64]) -> float:
    x, y = corners.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def sections(short: bool, seed: int) -> list[Section]:  # noqa: ARG001 - the same data for every seed and length
    """One table: frames within the tolerance, by how crowded they were."""
    folder = Path(os.environ.get("DRUKTE_DATA", "../shared/data")) / "pedestrian-corner"
    published, ours = measured_densities(folder)
    error = np.abs(published - ours)
    good = error <= TOLERANCE_PER_M2
    rows = []
    for low, high in pairwise(EDGES_PER_M2):
        mine = (published >= low) & (published < high)
        if mine.any():
            rows.append((f"from {low:g}" + (f" to {high:g}" if np.isfinite(high) else ""), str(int(mine.sum())),
                         str(int(good[mine].sum())), f"{error[mine].max():.4f}"))
    return [Section(
        title="Density of a pedestrian experiment",
        text="People round a corner (Forschungszentrum Juelich, MIT licence; 16 frames a second). People in the "
             "measurement area by the product's own rule for edges, divided by its size, against the published classic "
             f"density of each frame; right = within {TOLERANCE_PER_M2:g} persons/m2.",
        columns=("published density, p/m2", "frames", "right", "largest error, p/m2"),
        rows=rows,
        goals=(Goal("frames with the published density", float(good.sum()), low=float(len(published))),
               Goal("frames compared", float(len(published)), low=833.0, high=833.0)),
    )]
