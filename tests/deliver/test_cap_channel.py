# SPDX-License-Identifier: Apache-2.0
"""CAP documents to real HTTP receivers and into a feed, from a broker of their own."""

import threading
import time
from collections import Counter
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from lxml import etree

from schemas.alert import State
from schemas.alert_outputs import FEED_FILE
from schemas.cap_check import cap_faults, parsed, text_of
from schemas.delivery import Outcome
from schemas.errors import FatalError, WrongUseError
from schemas.log import Clock
from streams.clock import wall_us
from streams.deliver.cap_feed import FeedFolder, Message, kept
from streams.deliver.run import check_receivers
from streams.deliver_settings import CapDocumentSettings, CapFeedSettings, CapReceiverSettings
from streams.settings import ClockSettings, DeliverSettings, KafkaSettings, load_settings
from tests.deliver.receiver import SECRET, Call, Receiver
from tests.deliver.running import LIMIT_S, Alerts, quick, recorded, running, wait_recorded, webhook
from tests.deliver.samples import START_US, resolved, told
from tests.gateway.mock_broker import MockBroker
from tests.services.process import wait_until
from tests.writer.samples import transition

IDS = [f"{number:016x}" for number in range(4)]
SENDER = "drukte@example.org"
HOUR_US = 3_600_000_000
PAPER = CapDocumentSettings(sender=SENDER)
ATOM = "{http://www.w3.org/2005/Atom}"


def receiver(url: str, secret: str | None = SECRET) -> CapReceiverSettings:
    return CapReceiverSettings(name="meldkamer", url=url, secret=secret)


def posted(url: str) -> DeliverSettings:
    return quick(cap_document=PAPER, cap=[receiver(url)])


def feeding(folder: Path, **changes: object) -> DeliverSettings:
    return quick(cap_document=PAPER, cap_feed=CapFeedSettings(folder=folder, **changes))  # type: ignore[arg-type]


def delivering(
    kafka: KafkaSettings, deliver: DeliverSettings, hours: float = 0.1
) -> AbstractContextManager[threading.Thread]:
    """Deliver, on a clock that shows so many hours after the samples' noon."""
    start_us = transition().opened_at_us + round(hours * HOUR_US)
    return running(kafka, deliver, ClockSettings(kind=Clock.SIMULATED, start_us=start_us, wall_start_us=wall_us()))


def said(xml: bytes, path: str) -> str:
    root = parsed(xml)
    assert root is not None
    return text_of(root, path)


def test_a_receiver_that_fails_nine_times_of_ten_gets_each_document_once_and_in_order(broker: MockBroker) -> None:
    wanted = [(alert_id, seq) for seq in range(1, 4) for alert_id in IDS]
    with Receiver(lambda number, _: 200 if number % 10 == 9 else (503, 429, 500, 408)[number % 4]) as desk:
        with delivering(broker.kafka, posted(desk.url)):
            Alerts(broker.kafka).send(*(transition(alert_id, seq) for alert_id, seq in wanted))
            wait_recorded(broker.kafka, {("meldkamer", *one): Outcome.DELIVERED for one in wanted})
        calls: list[Call] = desk.taken
        assert all(cap_faults(call.body) == [] for call in desk.calls)
        assert Counter(said(call.body, "identifier") for call in calls) == Counter(
            f"drukte-{alert_id}-{seq}" for alert_id, seq in wanted)
        assert len(desk.calls) >= 10 * len(wanted)
    for alert_id in IDS:
        mine = [call for call in calls if call.key.startswith(alert_id)]
        assert [call.key for call in mine] == [f"{alert_id}/{seq}" for seq in (1, 2, 3)]
        for before, after in pairwise(mine):
            first = f"{SENDER},{said(before.body, 'identifier')},{said(before.body, 'sent')}"
            assert first in said(after.body, "references").split()


def test_a_call_says_what_it_is_and_a_receiver_without_a_secret_gets_no_signature(broker: MockBroker) -> None:
    with Receiver(signed=False) as desk:
        deliver = quick(cap_document=PAPER, cap=[receiver(desk.url, secret=None)])
        with delivering(broker.kafka, deliver):
            Alerts(broker.kafka).send(transition(IDS[0], exercise=True))
            wait_recorded(broker.kafka, {("meldkamer", IDS[0], 1): Outcome.DELIVERED})
    [call] = desk.calls
    assert (call.headers["content-type"], call.key) == ("application/cap+xml", f"{IDS[0]}/1")
    assert "drukte-signature" not in call.headers
    assert (said(call.body, "status"), said(call.body, "scope")) == ("Exercise", "Restricted")


def test_references_reach_back_over_a_restart(broker: MockBroker) -> None:
    alerts = Alerts(broker.kafka)
    with Receiver() as desk:
        with delivering(broker.kafka, posted(desk.url)):
            alerts.send(transition(IDS[0], 1), transition(IDS[0], 2))
            wait_recorded(broker.kafka, {("meldkamer", IDS[0], seq): Outcome.DELIVERED for seq in (1, 2)})
        alerts.send(resolved(IDS[0], 3).transition)
        with delivering(broker.kafka, posted(desk.url)):
            wait_recorded(broker.kafka, {("meldkamer", IDS[0], seq): Outcome.DELIVERED for seq in (1, 2, 3)})
    assert [said(call.body, "msgType") for call in desk.calls] == ["Alert", "Update", "Cancel"]
    assert len(said(desk.calls[2].body, "references").split()) == 2


def test_an_alert_that_opens_suppressed_is_told_when_that_ends(broker: MockBroker, tmp_path: Path) -> None:
    alerts, folder = Alerts(broker.kafka), tmp_path / "feed"
    with Receiver() as desk:
        settings = quick(cap_document=PAPER, cap=[receiver(desk.url)], cap_feed=CapFeedSettings(folder=folder))
        with delivering(broker.kafka, settings):
            alerts.send(transition(IDS[0], 1, suppressed=True), transition(IDS[0], 2), resolved(IDS[0], 3).transition)
            alerts.send(transition(IDS[1], 1, suppressed=True), resolved(IDS[1], 2).transition)
            wait_recorded(broker.kafka, {
                ("meldkamer", IDS[0], 1): Outcome.NOT_WANTED, ("meldkamer", IDS[0], 2): Outcome.DELIVERED,
                ("meldkamer", IDS[0], 3): Outcome.DELIVERED, ("meldkamer", IDS[1], 1): Outcome.NOT_WANTED,
                ("meldkamer", IDS[1], 2): Outcome.NOT_WANTED,
            })
            wait_entries(folder, 2)
    assert [said(call.body, "msgType") for call in desk.calls] == ["Alert", "Cancel"]
    assert len(said(desk.calls[1].body, "references").split()) == 1
    assert set(contents(folder)) == {FEED_FILE, f"drukte-{IDS[0]}-2.xml", f"drukte-{IDS[0]}-3.xml"}


def contents(folder: Path) -> dict[str, bytes]:
    return {place.name: place.read_bytes() for place in folder.iterdir()}


def wait_entries(folder: Path, count: int) -> None:
    def there() -> bool:
        place = folder / FEED_FILE
        return place.exists() and place.read_bytes().count(b"<entry>") == count

    wait_until(there, LIMIT_S, f"the feed has {count} entries")


def test_the_feed_is_well_formed_and_the_same_after_a_restart(broker: MockBroker, tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    alerts = Alerts(broker.kafka)
    with delivering(broker.kafka, feeding(folder, url="https://cap.example/drukte/")):
        wait_entries(folder, 0)
        alerts.send(transition(IDS[0], 1), transition(IDS[1], 1), transition(IDS[0], 2), resolved(IDS[0], 3).transition)
        wait_entries(folder, 4)
    first = contents(folder)
    assert len(first) == 5
    check_feed(folder)
    with delivering(broker.kafka, feeding(folder, url="https://cap.example/drukte/")):
        alerts.send(transition(IDS[0], 1))  # a repeat of the worker
        alerts.send(transition(IDS[2], 1))
        wait_entries(folder, 5)
    again = contents(folder)
    assert again == first | {name: again[name] for name in (FEED_FILE, f"drukte-{IDS[2]}-1.xml")}
    for name in again:
        (folder / name).unlink()
    with delivering(broker.kafka, feeding(folder, url="https://cap.example/drukte/")):
        wait_entries(folder, 5)
    assert contents(folder) == again
    assert recorded(broker.kafka) == {}


def check_feed(folder: Path) -> None:
    """What RFC 4287 asks of a feed, and that each entry leads to its document."""
    root = etree.parse(folder / FEED_FILE).getroot()
    assert root.tag == ATOM + "feed"
    for parent in [root, *root.iterfind(ATOM + "entry")]:
        for name in ("id", "title", "updated"):
            assert len(parent.findall(ATOM + name)) == 1
        assert datetime.fromisoformat(parent.findtext(ATOM + "updated") or "").tzinfo is not None
    assert root.findtext(f"{ATOM}author/{ATOM}name") == SENDER
    entries = root.findall(ATOM + "entry")
    ids = [entry.findtext(ATOM + "id") for entry in entries]
    assert len(set(ids)) == len(ids)
    assert root.findtext(ATOM + "updated") == max(entry.findtext(ATOM + "updated") or "" for entry in entries)
    for entry in entries:
        [link] = entry.findall(ATOM + "link")
        assert (link.get("rel"), link.get("type")) == ("alternate", "application/cap+xml")
        xml = (folder / (link.get("href") or "").removeprefix("https://cap.example/drukte/")).read_bytes()
        assert cap_faults(xml) == []
        assert (entry.findtext(ATOM + "id") or "").endswith(said(xml, "identifier"))


def test_the_feed_holds_the_newest_and_what_stands_open() -> None:
    standing, old = told(IDS[0], 1, at_s=0, at_us=START_US - 1), told(IDS[1], 1, at_s=10, at_us=START_US)
    ended = [told(IDS[2], 1, at_s=20, at_us=START_US + 1), resolved(IDS[2], 2, at_s=30, at_us=START_US + 2)]
    over = resolved(IDS[1], 2, at_s=15, at_us=START_US + 1)
    found = [standing, old, over, *ended]
    assert kept(found, START_US, 2) == [ended[1], ended[0], standing]
    assert kept(found[::-1], START_US, 2) == [ended[1], ended[0], standing]
    assert kept(found, START_US + 40_000_000, 2) == [standing]
    assert kept([old, over], START_US, 1) == [over]


def test_what_gave_way_leaves_the_folder_and_strange_files_stay(broker: MockBroker, tmp_path: Path) -> None:
    (tmp_path / "README").write_text("ours")
    with delivering(broker.kafka, feeding(tmp_path, length=1)):
        for number, alert_id in enumerate(IDS):
            Alerts(broker.kafka).send(resolved(alert_id, 1, at_us=START_US + number * 1_000_000).transition)
        wait_until(lambda: set(contents(tmp_path)) == {"README", FEED_FILE, f"drukte-{IDS[3]}-1.xml"}, LIMIT_S, "one")


def test_a_document_that_lies_there_stands_and_a_broken_one_is_written_anew(tmp_path: Path, broker: MockBroker) -> None:
    with delivering(broker.kafka, feeding(tmp_path)):
        Alerts(broker.kafka).send(transition(IDS[0], 1), transition(IDS[1], 1))
        wait_entries(tmp_path, 2)
    kept_file, broken = tmp_path / f"drukte-{IDS[0]}-1.xml", tmp_path / f"drukte-{IDS[1]}-1.xml"
    good, said_before = broken.read_bytes(), kept_file.read_bytes().replace(b"Plein:", b"Plein van toen:")
    kept_file.write_bytes(said_before)
    broken.write_bytes(good[:200])
    with delivering(broker.kafka, feeding(tmp_path)):
        wait_until(lambda: broken.read_bytes() == good, LIMIT_S, "the broken document is whole again")
        wait_until(lambda: "van toen" in (tmp_path / FEED_FILE).read_text(), LIMIT_S, "the feed says what stands")
    assert kept_file.read_bytes() == said_before


def test_a_folder_that_cannot_be_written_is_tried_again(broker: MockBroker, tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    folder.write_text("a file in the way")
    with Receiver() as desk:
        feed, hook = CapFeedSettings(folder=folder), webhook("desk", desk.url)
        deliver = quick(cap_document=PAPER, cap_feed=feed, webhooks=[hook])
        with delivering(broker.kafka, deliver):
            Alerts(broker.kafka).send(transition(IDS[0], 1))
            wait_recorded(broker.kafka, {("desk", IDS[0], 1): Outcome.DELIVERED})
            folder.unlink()
            wait_entries(folder, 1)


def test_what_is_no_document_is_left_out_and_no_path_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = FeedFolder(tmp_path / "feed", SENDER)
    folder.write([Message("drukte-../../x-1", b"<alert/>"), Message("drukte-1-1", b"<alert/>")])
    assert [place.name for place in tmp_path.rglob("*.xml")] == [FEED_FILE]
    assert (folder.knows("drukte-1-1"), (tmp_path / "feed" / FEED_FILE).read_bytes().count(b"<entry>")) == (False, 0)


@pytest.mark.parametrize(("deliver", "named"), [
    (quick(cap=[receiver("http://a/")]), "cap_document"),
    (quick(cap_feed=CapFeedSettings(folder=Path("feed"))), "cap_document"),
    (quick(cap_document=PAPER), "names no receiver"),
    (quick(cap_document=PAPER, cap=[receiver("http://a/"), receiver("http://b/")]), "name of its own"),
    (quick(cap_document=PAPER, cap=[receiver("http://a/")], webhooks=[webhook("meldkamer", "http://b/")]), "own"),
    (quick(webhooks=[webhook("mqtt", "http://a/")]), "mqtt"),
])
def test_settings_that_make_no_sense_end_it(deliver: DeliverSettings, named: str) -> None:
    with pytest.raises(FatalError, match=named):
        check_receivers(deliver)


def test_the_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "drukte.toml"
    path.write_text(f"""\
city = "klein.toml"
[deliver.cap_document]
sender = "{SENDER}"
[[deliver.cap]]
name = "meldkamer"
url = "https://desk.example/cap"
[deliver.cap_feed]
folder = "{tmp_path}/feed"
[deliver.mqtt]
port = 8883
tls = {{}}
""")
    deliver = load_settings(path).deliver
    check_receivers(deliver)
    assert deliver.cap_feed == CapFeedSettings(folder=tmp_path / "feed")
    path.write_text('city = "a"\n[deliver.cap_document]\nsender = "a b"\n')
    with pytest.raises(WrongUseError, match="sender"):
        load_settings(path)


def test_an_old_transition_is_told_as_the_present_state(broker: MockBroker) -> None:
    hour_ago_ms = round((time.time() - 3600) * 1000)
    Alerts(broker.kafka).send(transition(IDS[0], 1), transition(IDS[0], 2, state_from=State.FIRING), at_ms=hour_ago_ms)
    with Receiver() as desk, delivering(broker.kafka, posted(desk.url)):
        wait_recorded(broker.kafka, {
            ("meldkamer", IDS[0], 1): Outcome.SKIPPED_STALE, ("meldkamer", IDS[0], 2): Outcome.DELIVERED})
    [call] = desk.calls
    assert (said(call.body, "msgType"), said(call.body, "identifier")) == ("Update", f"drukte-{IDS[0]}-2")


def test_an_open_alert_that_does_not_change_is_told_again_until_it_is_taken(
    broker: MockBroker, tmp_path: Path
) -> None:
    alerts, folder = Alerts(broker.kafka), tmp_path / "feed"
    noon_us = transition().opened_at_us
    moments_us = [noon_us + hour * HOUR_US for hour in (4, 12, 20)]
    newest = f"drukte-{IDS[0]}-1-r{moments_us[-1] // 1_000_000}"
    tries: list[bytes] = []

    def answer(_: int, body: bytes) -> int:
        if b"-r" not in body.split(b"</identifier>")[0]:
            return 200
        tries.append(body)
        return 503 if len(tries) < 3 else 200

    over = resolved(IDS[0], 2, at_us=moments_us[-1] + HOUR_US).transition
    with Receiver(answer) as desk:
        settings = quick(cap_document=PAPER, cap=[receiver(desk.url)], cap_feed=CapFeedSettings(folder=folder))
        with delivering(broker.kafka, settings, hours=20.1):
            alerts.send(transition(IDS[0], 1), transition(IDS[1], 1, suppressed=True))
            wait_until(lambda: len(desk.taken) == 2, LIMIT_S, "the alert and its renewal")
            wait_until(lambda: (folder / f"{newest}.xml").exists(), LIMIT_S, "the renewal is in the feed")
            check_feed(folder)
            alerts.send(over)
            wait_until(lambda: len(desk.taken) == 3, LIMIT_S, "the end")
            wait_until(lambda: not (folder / f"{newest}.xml").exists(), LIMIT_S, "the renewal has left the feed")
    opening, renewal, end = (call.body for call in desk.taken)
    assert (len(tries), [call.key for call in desk.taken]) == (
        3, [f"{IDS[0]}/1", f"{IDS[0]}/1/r{moments_us[-1] // 1_000_000}", f"{IDS[0]}/2"])
    assert cap_faults(renewal) == []
    assert (said(renewal, "identifier"), said(renewal, "msgType")) == (newest, "Update")
    assert said(renewal, "info/headline") == said(opening, "info/headline")
    assert said(opening, "info/expires") > said(renewal, "sent")
    assert said(renewal, "info/expires") > said(opening, "info/expires")
    assert f"{SENDER},{newest},{said(renewal, 'sent')}" in said(end, "references").split()
    assert set(recorded(broker.kafka)) == {("meldkamer", IDS[0], 1), ("meldkamer", IDS[0], 2), ("meldkamer", IDS[1], 1)}
