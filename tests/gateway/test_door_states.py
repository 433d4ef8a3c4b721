# SPDX-License-Identifier: Apache-2.0
from schemas.refusal import Reason, Refusal
from streams import metrics
from streams.gateway.door_states import DoorKind, DoorState, DoorStates


def test_failing_lasts_from_the_first_failure_to_the_next_success() -> None:
    now = [100.0]
    state = DoorState(DoorKind.PULL, "paden", lambda: now[0])
    assert (state.failures, state.failing_s, state.success_age_s) == (0, 0.0, 0.0)
    now[0] = 110.0
    assert (state.failing_s, state.success_age_s) == (0.0, 10.0)  # nothing has ended yet
    state.failed()
    now[0] = 130.0
    state.failed()
    assert (state.failures, state.failing_s, state.success_age_s) == (2, 20.0, 30.0)
    state.succeeded()
    now[0] = 135.0
    assert (state.failures, state.failing_s, state.success_age_s) == (0, 0.0, 5.0)


def test_messages_are_told_by_kind_and_trouble_by_door() -> None:
    states = DoorStates()
    first, second = states.add(DoorKind.FOLDER, "a"), states.add(DoorKind.FOLDER, "b")
    mqtt = states.add(DoorKind.MQTT)
    for state in (first, second, second):
        state.took([Refusal(reason=Reason.PERSON_LEVEL, where="$.mac", count=2)])
    second.waiting_files, mqtt.connected = 4, True
    first.failed()
    figures = {(one.metric, one.label): one.value for one in states.figures()}
    assert figures[metrics.DOOR_MESSAGES, "folder"] == 3
    assert figures[metrics.FOLDER_REFUSED, "person-level"] == 6
    assert (figures[metrics.WAITING, "folder a"], figures[metrics.WAITING, "folder b"]) == (0, 4)
    assert (figures[metrics.DOOR_FAILURES, "folder a"], figures[metrics.DOOR_FAILURES, "mqtt"]) == (1, 0)
    assert figures[metrics.MQTT_CONNECTED, ""] == 1
    # A source may tell every passage: how many messages it sent would be a count of people.
    assert {label for metric, label in figures if metric is metrics.DOOR_MESSAGES} == {"folder", "mqtt"}
    assert states.as_dict()["folder a"]["failures"] == 1
