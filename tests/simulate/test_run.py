# SPDX-License-Identifier: Apache-2.0
"""The same seed gives the same bytes, another one others; the pace is that of the clock."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.errors import FatalError
from schemas.feeds import native
from schemas.registry import Registry
from streams.simulate.ground import Ground
from streams.simulate.outlets import Folder
from streams.simulate.roads import MINUTE_US
from streams.simulate.run import Pace, play
from streams.simulate.sensor_errors import Mix
from streams.simulate.truth import TruthFile
from tests.cities import small_city
from tests.simulate.playing import START_US, UNPACED, an_event, city_in_view, kept_of


def hashes(folder: Path, seed: int) -> dict[str, str]:
    """Play an event into files; the SHA-256 of each."""
    playing = an_event(seed, Mix.TYPICAL, roads=True)
    folder.mkdir()
    outlet = Folder(folder / "readings")
    truth = TruthFile(folder / "truth.parquet", Ground.of(playing.city), playing.about())
    play(playing, [outlet], truth, UNPACED)
    truth.close()
    outlet.close()
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    one, again, other = (hashes(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert one == again
    assert {"truth.parquet", "readings/cameras.ndjson", "readings/counters.ndjson"} < set(one)
    assert sum(name.startswith("readings/ndw/") for name in one) == 9
    assert not any(other[name] == value for name, value in one.items() if name in other)


def test_files_are_read_by_the_decoder_without_a_refusal(tmp_path: Path) -> None:
    outlet = Folder(tmp_path / "readings")
    played = play(an_event(mix=Mix.TYPICAL), [outlet], None, UNPACED)
    outlet.close()
    registry = Registry.of(city_in_view())
    for source, readings in played.readings.items():
        decoded = native.decode((tmp_path / "readings" / f"{source}.ndjson").read_bytes(), registry, source)
        assert decoded.refusals == []
        assert len(decoded.batch) == readings


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "old.ndjson").write_text("x")
    with pytest.raises(FatalError, match="not empty"):
        Folder(tmp_path)


def test_a_publication_comes_out_after_its_delivery_time() -> None:
    assert kept_of(an_event(roads=True, length_s=70)).publications == {}
    assert set(kept_of(an_event(roads=True, length_s=80)).publications) == {START_US}
    assert set(kept_of(an_event(roads=True, length_s=130)).publications) == {START_US}
    found = kept_of(an_event(roads=True, length_s=140)).publications
    assert list(found) == [START_US, START_US + MINUTE_US]


def test_a_start_between_two_steps_is_refused() -> None:
    playing = an_event()
    shifted = type(playing)(
        playing.city, playing.event, START_US + 1_000_000, playing.mix, playing.errors, playing.roads
    )
    with pytest.raises(FatalError, match="whole 10 s"):
        play(shifted, [], None, UNPACED)


def test_the_pace_waits_for_what_is_early_and_for_nothing_else() -> None:
    now_s, waits = [100.0], list[float]()

    def wait(pause_s: float) -> None:
        waits.append(pause_s)
        now_s[0] += pause_s

    pace = Pace(20, lambda: now_s[0], wait)
    pace.keep(10)
    now_s[0] += 3
    pace.keep(20)
    pace.keep(80)
    assert waits == pytest.approx([0.5, 0.5])
    free = Pace(0, lambda: now_s[0], wait)
    free.keep(1e9)
    assert len(waits) == 2


@pytest.mark.parametrize("emptied", [
    {"sensors": {}}, {"zones": {}, "gates": {}, "sensors": {}},
])
def test_a_city_without_sensors_or_zones_reports_nothing(emptied: dict[str, Any]) -> None:
    assert kept_of(an_event(city=small_city(**emptied))).readings == []


def test_progress_is_told_after_every_step() -> None:
    told: list[int] = []
    play(an_event(length_s=65), [], None, UNPACED, told.append)
    assert told == [10, 20, 30, 40, 50, 60]


def test_what_is_written_about_an_event_is_enough_to_play_it_again() -> None:
    about = msgspec.json.decode(an_event().about())
    assert {"city", "city_version", "city_sha256", "start_us", "event", "mix", "errors", "roads"} < set(about)
