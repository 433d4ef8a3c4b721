# SPDX-License-Identifier: Apache-2.0
"""NDW's national publication: time and memory of decoding it to readings."""

import os
import resource
import time
from pathlib import Path

from benchmarks.figure import Figure
from schemas.feeds.datex2 import RoadChannels, decode_measured, read_site_table
from schemas.ndw_roads import road_table
from streams.replay import city_of_roads

REPEATS = 3


def run() -> list[Figure]:
    """Median CPU time of decoding the file of 2016 (70 MB, 16,975 sites); nothing where the data are absent."""
    folder = Path(os.environ.get("DRUKTE_DATA", "../shared/data")) / "ndw-2016"
    if not folder.is_dir():
        return []
    with (folder / "measurement_site_table.xml.gz").open("rb") as stream:
        city = city_of_roads(road_table(read_site_table(stream)))
    channels = RoadChannels.of(city.roads, city.ids)
    spent_s, readings = [], 0
    for _ in range(REPEATS):
        begun = time.process_time()
        with (folder / "traffic_speed.xml.gz").open("rb") as stream:
            readings = len(decode_measured(stream, channels).batch)
        spent_s.append(time.process_time() - begun)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    conditions = f"{readings} readings, median of {REPEATS}"
    return [
        Figure("NDW national file, decoding", sorted(spent_s)[REPEATS // 2], "s CPU", conditions),
        Figure("NDW national file, peak memory with its site table", peak_mb, "MB", "this process, all benchmarks"),
    ]
