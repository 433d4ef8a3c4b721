# SPDX-License-Identifier: Apache-2.0
"""Every example of the pages about feeds, through `drukte feed try` with the entry that stands beside it."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from schemas.city import City, Source
from schemas.city_fault import CityFaultsError
from schemas.city_load import parse_city, wanted_ids
from schemas.city_types import typed_city_file
from schemas.feeds.formats import FORMATS
from schemas.ids import HEADER, Ids, format_ids
from schemas.roads import RoadTable
from streams.feed_try import OWN_DOORS, Setting, Tried, suggestions, try_body
from tests.cities import SMALL_TOML
from tests.conftest import ROOT

GUIDE = ROOT / "docs" / "connect-a-feed.md"
PAGES = sorted((ROOT / "docs" / "feeds").glob("*.md"))
NO_READINGS = {"datex2-situations", "datex2"}
"""Formats that hold none, or whose sensors stand in a site table instead of an entry."""
MESSAGES = ("json", "ndjson", "xml", "csv")
"""Languages of the blocks that hold a message."""
_BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SENSORS = re.compile(r"^\[sensors\.[^\n]*\n(?:[^\[\n][^\n]*\n|\n)*", re.MULTILINE)
_TOPIC = re.compile(r"`([^`]*(?:/Observations|/onvif-ej/)[^`]*)`")


@dataclass(frozen=True)
class Example:
    """A message of a page and the entry above or below it."""

    page: Path
    number: int
    body: bytes
    entry: str
    topic: str

    def __str__(self) -> str:
        return f"{self.page.stem}-{self.number}"


def examples() -> list[Example]:
    found = []
    for page in [GUIDE, *PAGES]:
        text = page.read_text()
        blocks = _BLOCK.findall(text)
        entry = "\n".join(body for language, body in blocks if language == "toml")
        topic = _TOPIC.search(text)
        bodies = [body for language, body in blocks if language in MESSAGES]
        found += [Example(page, number, body.encode(), entry, topic[1] if topic else "")
                  for number, body in enumerate(bodies)]
    return found


def city_with(entry: str) -> City | None:
    """The small city's places with the sensors of an entry alone; None for an entry that leaves sensors out."""
    toml = (_SENSORS.sub("", SMALL_TOML) + "\n" + entry).encode()
    try:
        _, added = Ids().extended(wanted_ids(typed_city_file(toml), RoadTable.empty()))
        return parse_city(toml, HEADER + format_ids(added), None)
    except CityFaultsError:
        return None


def tried_by_each_source(example: Example) -> list[Tried]:
    city = city_with(example.entry)
    sources = msgspec.convert(tomllib.loads(example.entry)["sources"], dict[str, Source])
    context = {"name": example.page.name} | ({"topic": example.topic} if example.topic else {})
    return [try_body(example.body, Setting(one, key, city, context), 10, []) for key, one in sources.items()]


@pytest.mark.parametrize("example", examples(), ids=str)
def test_an_example_is_read_with_the_entry_beside_it(example: Example) -> None:
    found = tried_by_each_source(example)
    read = [one.readings + one.missing + len(one.passed) + len(one.sites) for one in found if one.whole is None]
    assert any(read), found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_an_example_that_counts(page: Path) -> None:
    counted = [one for example in examples() if example.page == page for one in tried_by_each_source(example)]
    assert any(one.readings for one in counted) or {one.format for one in counted} <= NO_READINGS


@pytest.mark.parametrize("example", [one for one in examples() if one.page in PAGES], ids=str)
def test_the_format_of_an_example_is_suggested(example: Example) -> None:
    formats = {one.format for one in tried_by_each_source(example)}
    assert formats & set(suggestions(example.body))


@pytest.mark.parametrize("key", [*FORMATS, *OWN_DOORS])
def test_every_format_reads_an_example_of_its_own(key: str) -> None:
    mine = [one for example in examples() for one in tried_by_each_source(example) if one.format == key]
    assert any(one.whole is None and (one.readings or one.passed or one.sites) for one in mine)


def test_the_guide_leads_to_every_page_and_every_format_has_one() -> None:
    linked = set(re.findall(r"\(feeds/([\w-]+\.md)\)", GUIDE.read_text()))
    assert linked == {page.name for page in PAGES}
    told = "".join(page.read_text() for page in PAGES) + GUIDE.read_text()
    for key in (*FORMATS, *OWN_DOORS):
        assert f'format = "{key}"' in told, key
