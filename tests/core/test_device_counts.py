# SPDX-License-Identifier: Apache-2.0
"""Counts of devices: let in only while activated, and never shown, counted or sealed as people."""

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from schemas.city import Activation, City, Grain, Measure, Semantics
from schemas.ids import IdKind
from schemas.live import LiveTable, Status
from schemas.reading import DEVICE_COUNTS, Batch, Metric
from schemas.refusal import Reason
from schemas.registry import Registry
from schemas.seal import Group, Seal
from streams.core.admission import DEVICES_LIMIT, admit
from streams.core.effect import HealthRows, LiveRows
from streams.core.layout import COUNTED_METRICS, layout
from tests.core.play import Player
from tests.devices import ACTIVATION, WIFI, city_with_devices

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DAY_US = 86_400_000_000
NOON_S = 12 * 3_600
SEAL_S = 6 * 3_600


def us(*when: int) -> int:
    return int(dt.datetime(*when, tzinfo=AMSTERDAM).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


def refused(city: City, begin_us: int, span_ms: int = 60_000, value: float = 212.0,
            metric: Metric = Metric.DEVICES_WIFI) -> list[str]:
    batch = Batch.of(
        sensor=city.ids[IdKind.SENSOR][WIFI], metric=metric, source=city.ids[IdKind.SOURCE]["pax"],
        begin=begin_us, span_ms=span_ms, value=value)
    kept, refusals = admit(batch, Registry.of(city), begin_us + 120_000_000, 0, DAY_US)
    assert len(kept) + len(refusals) == 1
    return [refusal.reason for refusal in refusals]


@pytest.mark.parametrize("metric", DEVICE_COUNTS)
def test_an_activation_lasts_from_its_first_to_the_end_of_its_last_local_day(metric: Metric) -> None:
    city = city_with_devices()
    for begin_us, reasons in (
        (us(2026, 3, 1), []), (us(2026, 3, 8, 23, 59), []), (us(2026, 2, 28, 23, 59), [Reason.NOT_ACTIVATED]),
        (us(2026, 3, 9), [Reason.NOT_ACTIVATED]), (us(2026, 3, 8, 23, 59) + 1, [Reason.NOT_ACTIVATED]),
    ):
        assert refused(city, begin_us, metric=metric) == reasons
    at_instants = city_with_devices(Semantics.INSTANT)
    assert refused(at_instants, us(2026, 3, 8, 23, 59), 0, metric=metric) == []
    assert refused(at_instants, us(2026, 3, 9), 0, metric=metric) == [Reason.NOT_ACTIVATED]


def test_it_is_off_without_an_activation_of_this_very_zone() -> None:
    elsewhere = msgspec.structs.replace(ACTIVATION, zone="straat")
    inside = us(2026, 3, 3)
    activations: list[dict[str, Activation]] = [{}, {"feest": elsewhere}]
    for one in activations:
        assert refused(city_with_devices(activations=one), inside) == [Reason.NOT_ACTIVATED]
    assert refused(city_with_devices(activations={"a": elsewhere, "b": ACTIVATION}), inside) == []


def test_one_of_several_activations_is_enough_and_the_time_between_them_is_off() -> None:
    later = msgspec.structs.replace(ACTIVATION, from_=dt.date(2026, 4, 1), until=dt.date(2026, 4, 2))
    city = city_with_devices(activations={"a": ACTIVATION, "b": later})
    assert [refused(city, us(2026, month, 2)) for month in (3, 4)] == [[], []]
    assert refused(city, us(2026, 3, 20)) == [Reason.NOT_ACTIVATED]


def test_an_expired_activation_stops_no_camera() -> None:
    city = city_with_devices()
    sensors, sources = city.ids[IdKind.SENSOR], city.ids[IdKind.SOURCE]
    at_us = us(2026, 6, 1)
    batch = Batch.of(
        sensor=[sensors["cam-plein"], sensors[WIFI]], metric=[Metric.PEOPLE, Metric.DEVICES_WIFI],
        source=[sources["cameras"], sources["pax"]], begin=at_us, span_ms=[0, 60_000], value=[250.0, 212.0])
    kept, refusals = admit(batch, Registry.of(city), at_us + 120_000_000, 0, DAY_US)
    assert kept.metric.tolist() == [Metric.PEOPLE]
    assert [(one.reason, one.where) for one in refusals] == [(Reason.NOT_ACTIVATED, WIFI)]


def test_more_devices_than_a_counter_holds_are_not_plausible() -> None:
    city = city_with_devices()
    assert refused(city, us(2026, 3, 3), value=DEVICES_LIMIT) == []
    assert refused(city, us(2026, 3, 3), value=DEVICES_LIMIT + 1) == [Reason.BAD_VALUE]


def test_no_channel_of_a_device_count_is_counted() -> None:
    found = layout(city_with_devices(), 1, 0)
    mine = np.isin(found.channel_role, DEVICE_COUNTS)
    assert mine.sum() == 2
    assert not found.channel_counted[mine].any()
    assert not found.channel_research[mine].any()
    assert found.channel_counted[~mine].all()
    assert set(DEVICE_COUNTS).isdisjoint(COUNTED_METRICS)


def play(city: City, devices: float | None) -> Player:
    """Six minutes of people on the square, and counts of devices there unless `devices` is None."""
    player = Player(city, start_s=NOON_S)
    for second in range(0, 360, 10):
        at_s = NOON_S + second
        counted = [
            player.reading(WIFI, metric, at_s - 60, devices, 60 * (metric is Metric.DEVICES_WIFI))
            for metric in DEVICE_COUNTS
        ] if devices is not None and second % 60 == 0 and second else []
        people = player.reading("cam-plein", Metric.PEOPLE, at_s, 20 + 2 * second)
        player.send(at_s, people, *counted)
    player.tick(NOON_S + 900 + SEAL_S)
    return player


def said(player: Player) -> list[object]:
    """All that leaves the fold but rows about sensors themselves and estimates, as plain values."""
    return [
        (effect.table, effect.rows.to_pylist()) if isinstance(effect, LiveRows)
        else (effect.group, effect.start_us, effect.grain_s, effect.cells.to_pylist()) if isinstance(effect, Seal)
        else effect
        for effect in player.effects if not isinstance(effect, HealthRows)
        and not (isinstance(effect, LiveRows) and effect.table is LiveTable.INSIDE)
    ]


def test_windows_alerts_and_cells_are_the_same_with_and_without_them() -> None:
    file = city_with_devices().file
    zones = {key: msgspec.structs.replace(zone, grain=Grain.QUARTER) for key, zone in file.zones.items()}
    measures = {
        "devices_wifi": Measure(semantics=Semantics.INTERVAL, interval_s=60),
        "devices_ble": Measure(semantics=Semantics.INSTANT, interval_s=60),
    }
    sensors = {**file.sensors, WIFI: msgspec.structs.replace(file.sensors[WIFI], measures=measures)}
    city = city_with_devices(zones=zones, sensors=sensors)
    without = play(city, None)
    having = play(city, 60_000)
    assert said(having) == said(without)
    # Rows about sensors may tell that the counter lives, never what it counted.
    health = [row for effect in having.effects if isinstance(effect, HealthRows) for row in effect.rows.to_pylist()]
    assert not [row for row in health if 60_000 in row.values()]
    assert without.seals(Group.PEOPLE) != []
    assert without.transitions != []


def test_a_zone_with_nothing_but_devices_says_that_it_is_blind() -> None:
    sensors = {key: one for key, one in city_with_devices().file.sensors.items() if key != "cam-plein"}
    player = play_devices(city_with_devices(sensors=sensors))
    rows = player.zone("plein")
    assert rows != []
    assert {row["status"] for row in rows} == {Status.MISSING}
    assert {row["people_low"] for row in rows} == {None}


def play_devices(city: City) -> Player:
    player = Player(city, start_s=NOON_S)
    for second in range(60, 360, 60):
        at_s = NOON_S + second
        player.send(at_s, player.reading(WIFI, Metric.DEVICES_WIFI, at_s - 60, 500, 60))
    player.tick(NOON_S + 900)
    return player
