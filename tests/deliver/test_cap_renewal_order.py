# SPDX-License-Identifier: Apache-2.0
"""Which of many renewals goes out when: none keeps an alarm waiting, and one that is refused keeps no other back."""

import asyncio
import threading
from collections.abc import Callable

from streams.clock import wall_us
from streams.deliver.cap_channel import CapChannel, Standing, documents
from streams.deliver.cap_renewal import GRACE_US
from streams.deliver.cap_wording import CapWording
from streams.deliver.post import Caller
from streams.deliver.present import Alerts, Told
from streams.deliver.wording import Wording
from streams.deliver_settings import CapDocumentSettings, CapReceiverSettings
from tests.cities import small_city
from tests.deliver.receiver import SECRET, Receiver
from tests.deliver.running import LIMIT_S, quick
from tests.services.process import wait_until
from tests.writer.samples import transition

IDS = [f"{number:016x}" for number in range(3)]
NOON_US = transition().opened_at_us
NOW_US = NOON_US + 20 * 3_600_000_000 + GRACE_US
PAPER = CapDocumentSettings(sender="drukte@example.org")
Start = Callable[[CapChannel, Alerts], None]


def told_until(receiver: Receiver, is_over: Callable[[], bool], start: Start) -> list[str]:
    """Keys of what the receiver took of two alerts that stand since noon; it is 20 hours later."""
    city, alerts = small_city(), Alerts()
    for identity in IDS[:2]:
        alerts.take(Told(transition(identity, 1), NOON_US))
    wording = CapWording(city, Wording(city), PAPER)

    async def tell() -> None:
        settings = quick(cap_document=PAPER)
        async with Caller(receiver.url, settings.connect_s, settings.read_s) as caller, asyncio.timeout(LIMIT_S):
            channel = CapChannel(
                CapReceiverSettings(name="meldkamer", url=receiver.url, secret=SECRET), settings, caller,
                Standing(alerts, wording.expires_us, lambda: NOW_US), documents(alerts, wording), lambda _: None)
            start(channel, alerts)
            running = asyncio.create_task(channel.run())
            await asyncio.to_thread(wait_until, is_over, LIMIT_S, "the receiver has what it is to have")
            channel.stop()
            await running

    asyncio.run(tell())
    return [call.key for call in receiver.taken]


def test_an_alarm_goes_out_before_the_renewals_that_are_left() -> None:
    taken_in = threading.Event()
    news: list[Callable[[], object]] = []

    def answer(number: int, _: bytes) -> int:
        if number == 0:
            news[0]()
            assert taken_in.wait(LIMIT_S)
        return 200

    def start(channel: CapChannel, alerts: Alerts) -> None:
        alarm, loop = Told(transition(IDS[2], 1, at_us=NOW_US), wall_us()), asyncio.get_running_loop()

        def take_in() -> None:
            alerts.take(alarm)
            channel.add(alarm, outdated=False)
            taken_in.set()

        news.append(lambda: loop.call_soon_threadsafe(take_in))

    with Receiver(answer) as receiver:
        keys = told_until(receiver, lambda: len(receiver.taken) == 3, start)
    assert [key.rpartition("/r")[0] or key for key in keys] == [f"{IDS[0]}/1", f"{IDS[2]}/1", f"{IDS[1]}/1"]


def test_a_renewal_that_is_refused_for_ever_keeps_no_other_back() -> None:
    with Receiver(lambda _, body: 503 if IDS[0].encode() in body else 200) as receiver:
        [key] = told_until(receiver, lambda: bool(receiver.taken), lambda *_: None)
    assert key.startswith(f"{IDS[1]}/1/r")
