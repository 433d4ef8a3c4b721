# SPDX-License-Identifier: Apache-2.0
"""An open alert never expires at a receiver, whatever happens to it and when."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert import State, Transition
from schemas.cap import Document, MessageType, encode_cap
from schemas.cap_check import cap_faults
from streams.deliver.cap_renewal import GRACE_US, IN_A_LIFE, renewal_due_us, standing_renewals
from streams.deliver.cap_wording import CapWording
from streams.deliver.present import Alerts, Told
from streams.deliver.wording import Wording
from streams.deliver_settings import CapDocumentSettings
from tests.cities import small_city
from tests.writer.samples import transition

CITY = small_city()
MINUTE_US = 60_000_000
NOON_US = transition().opened_at_us


def changed(seq: int, minutes: int, *, acknowledged: bool = False) -> Transition:
    """A change of an alert so many minutes after noon; a mere acknowledgement has a document that never expires."""
    standing: dict[str, Any] = {"state_from": State.FIRING, "level_from": 2}
    return transition(seq=seq, at_us=NOON_US + minutes * MINUTE_US, acknowledged=acknowledged,
                      **(standing if seq > 1 else {}))


def sent_until(cap: CapWording, life: Sequence[Transition], until_us: int) -> list[Document]:
    """Every document that a process which never rests has sent until a moment, in their order."""
    found = [(one.at_us, cap.document(one, life[:at])) for at, one in enumerate(life) if one.at_us <= until_us]
    period_us = cap.expires_us // IN_A_LIFE
    for moment_us in range(NOON_US // period_us * period_us, until_us - GRACE_US + 1, period_us):
        at_us = moment_us + GRACE_US
        known = [one for one in life if one.at_us <= at_us]
        if known and renewal_due_us(known[-1], at_us, cap.expires_us) == moment_us:
            found.append((at_us, cap.document(known[-1], known[:-1], moment_us)))
    return [document for _, document in sorted(found, key=lambda one: one[0])]


lives = st.lists(st.tuples(st.integers(1, 200), st.booleans()), max_size=4)


@settings(max_examples=40)
@given(expires_h=st.sampled_from([1.0, 1.5, 6.0]), gaps=lives, later_min=st.integers(0, 200))
def test_at_any_moment_a_document_stands_that_has_not_expired(
    expires_h: float, gaps: list[tuple[int, bool]], later_min: int
) -> None:
    cap = CapWording(CITY, Wording(CITY), CapDocumentSettings(sender="drukte@example.org", expires_h=expires_h))
    life, minutes = [changed(1, 0)], 0
    for gap_min, acknowledged in gaps:
        minutes += gap_min
        flag = acknowledged or life[-1].acknowledged
        life.append(changed(len(life) + 1, minutes, acknowledged=flag))
    until_us = life[-1].at_us + later_min * MINUTE_US
    documents = sent_until(cap, life, until_us)
    assert max(one.infos[0].expires_us or 0 for one in documents if one.infos) > until_us
    for at, one in enumerate(documents):
        assert cap_faults(encode_cap(one)) == []
        standing = {old.identifier for old in documents[:at] if one.sent_us - old.sent_us < cap.expires_us}
        referred = {reference.identifier for reference in one.references}
        assert standing <= referred <= {old.identifier for old in documents[:at]}
        assert (one.message_type is MessageType.ALERT) == (at == 0)


def test_only_what_is_open_is_renewed_whether_or_not_a_newer_alert_has_its_place() -> None:
    alerts, expires_us = Alerts(), 180 * MINUTE_US
    older, newer = transition("a" * 16), transition("b" * 16, opened_at_us=NOON_US + 1)
    over = transition("c" * 16, state_to=State.RESOLVED)
    for one in (older, newer, over):
        alerts.take(Told(one, one.at_us))
    now_us = NOON_US + 60 * MINUTE_US + GRACE_US
    assert [(told.transition, moment_us) for told, moment_us in standing_renewals(alerts, now_us, expires_us)] == [
        (older, NOON_US + 60 * MINUTE_US), (newer, NOON_US + 60 * MINUTE_US)]
    assert standing_renewals(alerts, now_us - 1, expires_us) == []
