# SPDX-License-Identifier: Apache-2.0
"""Publishing a city version: its content to topic `city` first, then its coming into force to the whole log.

The order is what makes a half-done publication harmless: a message of the log always finds its content. Doing
the same again mends it, since repeats change nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.city import City
from schemas.city_change import CityChange
from schemas.city_publication import instant, publication_faults, same_content
from schemas.city_version import ALWAYS_US, CityVersion, encode_city
from schemas.errors import DrukteError
from schemas.log import Kind, LogMessage, Topic, encode_log
from streams.acknowledged_sender import AcknowledgedSender
from streams.cities import CITY_PARTITION, CityTopic
from streams.city_files import load_content
from streams.clock import now_us
from streams.settings import KafkaSettings, Settings
from streams.threshold_changes import threshold_change_faults
from streams.topics import ensure_topics

DELIVERY_S = 20.0
LOG_SOURCE = "city"


class NotPublishedError(DrukteError):
    """The version may not follow the published one; the text lists why. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publication did.

    Parameters
    ----------
    change : CityChange
    repeated : bool
        Its content was in topic `city` already.
    base : CityChange or None
        The version before it, where this was the deployment's first publication.
    partitions : int
        Partitions of the log that were told.
    """

    change: CityChange
    repeated: bool
    base: CityChange | None
    partitions: int


def publish(settings: Settings, path: Path, effective_at_us: int) -> Publication:
    """Publish the city file at `path`, to hold from `effective_at_us` on.

    Raises
    ------
    NotPublishedError
        It may not follow the published version.
    CityFaultsError, FatalError
        As `streams.city_files.load_city`; or the topics are not as planned.
    RefusedError
        `too-large`.
    TransientError
        The broker is away. Some of it may have been written: the same command again mends it.
    """
    new, content = load_content(path)
    change = CityChange(version=new.version, sha256=new.sha256, effective_at_us=effective_at_us)
    version = CityVersion(change, content.toml, content.ids_text, content.roads)
    ensure_topics(settings.kafka)
    with city_topic(settings.kafka) as topic:
        published = _by_version(topic.new_versions())
        sender = AcknowledgedSender(settings.kafka, DELIVERY_S)
        repeated, base = new.version in published and same_content(published[new.version].change, new), None
        if repeated:
            _check_same_time(published[new.version].change, change)
        else:
            base = _base(settings.city, path, new) if not published else None
            before = list(published.values()) if base is None else [base]
            _check(new, effective_at_us, before, now_us(settings.clock))
            _send_versions(sender, [one for one in (base, version) if one is not None])
            _check_ours_stands(_by_version(topic.new_versions()), change)
    _tell_the_log(settings, sender, change)
    return Publication(change, repeated, None if base is None else base.change, settings.kafka.partitions)


@contextmanager
def city_topic(kafka: KafkaSettings) -> Iterator[CityTopic]:
    """A reader of topic `city` that is closed at the end."""
    topic = CityTopic(kafka)
    try:
        yield topic
    finally:
        topic.close()


def _by_version(found: list[CityVersion]) -> dict[int, CityVersion]:
    """The first of each number: it is the one that stands."""
    return {one.change.version: one for one in reversed(found)}


def _base(given: Path, path: Path, new: City) -> CityVersion:
    """The version that ran until now, as the deployment's first; it holds from the beginning."""
    city, content = load_content(given)
    if city.version >= new.version:
        raise NotPublishedError(
            f"{path}: nothing was published here yet, and the city file of the settings ({given}, version "
            f"{city.version}) is what runs until now: keep it as it was, and give the new version a file of its own "
            "with a higher `version` (copy the ids file beside it)"
        )
    change = CityChange(version=city.version, sha256=city.sha256, effective_at_us=ALWAYS_US)
    return CityVersion(change, content.toml, content.ids_text, content.roads)


def _check(new: City, effective_at_us: int, before: list[CityVersion], clock_us: int) -> None:
    newest = max(before, key=lambda one: one.change.version)
    faults = publication_faults(new, effective_at_us, newest.city(), newest.change.effective_at_us, clock_us)
    faults += threshold_change_faults(new, effective_at_us, before)
    if faults:
        raise NotPublishedError("\n".join(["not published:", *(f"  {fault}" for fault in faults)]))


def _check_same_time(published: CityChange, wanted: CityChange) -> None:
    if published.effective_at_us != wanted.effective_at_us:
        raise NotPublishedError(
            f"version {wanted.version} is published already and takes over at {instant(published.effective_at_us)}, "
            "which stays; to repeat it give that time, to change it publish a higher version"
        )


def _check_ours_stands(found: dict[int, CityVersion], change: CityChange) -> None:
    if found[change.version].change != change:
        raise NotPublishedError(
            f"somebody else published a version {change.version} at the same moment, and theirs stands; look at it "
            "with `drukte city diff FILE published`, then raise `version` and publish again"
        )


def _tell_the_log(settings: Settings, sender: AcknowledgedSender, change: CityChange) -> None:
    for partition in range(settings.kafka.partitions):
        headers, value = encode_log(LogMessage(
            Kind.CITY, now_us(settings.clock), settings.clock.kind, change.version, LOG_SOURCE,
            f"{change.version}/{change.sha256}/{partition}", change=change,
        ))
        sender.queue(Topic.SITE_LOG, partition, value, headers)
    sender.flush()


def _send_versions(sender: AcknowledgedSender, versions: list[CityVersion]) -> None:
    """Write whole versions, in their order; raises `RefusedError` before anything is written."""
    for key, headers, value in [encode_city(version) for version in versions]:
        sender.queue(Topic.CITY, CITY_PARTITION, value, headers, key)
        sender.flush()
