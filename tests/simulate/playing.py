# SPDX-License-Identifier: Apache-2.0
"""A small city in full view and short events in it."""

from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.city import City
from streams.simulate.crowd_sensors import NativeReading
from streams.simulate.event import Event
from streams.simulate.ground import Ground
from streams.simulate.run import Pace, Play, Played, play
from streams.simulate.sensor_errors import Mix, SensorError, chosen_errors
from streams.simulate.truth import TruthFile
from tests.cities import small_city

START_US = 1_780_000_020_000_000
"""A whole minute within the service of the small city's sensors."""
UNPACED = Pace(0)


class Kept:
    """An outlet that keeps everything."""

    def __init__(self) -> None:
        self.readings: list[NativeReading] = []
        self.publications: dict[int, bytes] = {}

    def send(self, source: str, readings: list[NativeReading]) -> None:
        """Keep it."""
        del source
        self.readings.extend(readings)

    def publish(self, minute_us: int, publication: bytes) -> None:
        """Keep it."""
        self.publications[minute_us] = publication

    def close(self) -> None:
        """Nothing to end."""


def city_in_view() -> City:
    """The small city, both zones seen whole: the street by two cameras, one half each."""
    sensors = dict(small_city().file.sensors)
    for key in ("cam-straat", "cam-straat-2"):
        measure = msgspec.structs.replace(sensors["cam-straat"].measures["people"], view_area_m2=250)
        sensors[key] = msgspec.structs.replace(sensors["cam-straat"], measures={"people": measure})
    return small_city(sensors=sensors)


def an_event(
    seed: int = 1, mix: Mix = Mix.NONE, errors: dict[str, SensorError] | None = None, roads: bool = False,
    length_s: int = 600, city: City | None = None,
) -> Play:
    """An event of ten minutes in which much happens."""
    event = Event(seed=seed, length_s=length_s, surge_at_s=200, jam_at_min=2, jam_min=30)
    chosen = chosen_errors(city or city_in_view(), seed, mix, errors)
    return Play(city or city_in_view(), event, START_US, mix, chosen, roads)


def kept_of(playing: Play) -> Kept:
    """Everything that is reported of an event."""
    kept = Kept()
    play(playing, [kept], None, UNPACED)
    return kept


def with_truth(playing: Play, path: Path, *outlets: Kept) -> tuple[Played, pa.Table]:
    """Play an event; its truth as a table."""
    truth = TruthFile(path, Ground.of(playing.city), playing.about())
    played = play(playing, outlets, truth, UNPACED)
    truth.close()
    return played, pq.read_table(path)
