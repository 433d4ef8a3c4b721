# SPDX-License-Identifier: Apache-2.0
"""Pages of `docs/feeds`: their entries for the city file and their examples, so that no page says what is not so."""

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from schemas.city import City, CityFile, Source
from schemas.city_load import city_sha256, wanted_ids
from schemas.city_sensors import sensor_faults
from schemas.feeds.decoded import Decoded
from schemas.feeds.format import Format
from schemas.feeds.observed import Observed, placed
from schemas.ids import Ids, format_ids
from schemas.registry import Registry
from schemas.roads import RoadTable
from tests.cities import SMALL_TOML

PAGES = Path(__file__).parents[3] / "docs" / "feeds"


@dataclass(frozen=True)
class Page:
    """One format's page.

    Parameters
    ----------
    city : City
        The small city with the page's entries.
    source_key : str
    examples : list of bytes
    """

    city: City
    source_key: str
    examples: list[bytes]

    @property
    def source(self) -> Source:
        return self.city.file.sources[self.source_key]

    def placed(self, observed: Observed) -> Decoded:
        return placed(observed, Registry.of(self.city), self.source_key)

    def read(self, form: Format, example: int = 0) -> Decoded:
        return self.placed(form.decode(self.examples[example], self.source, {}))


def page(name: str) -> Page:
    text = (PAGES / f"{name}.md").read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    toml = "\n".join(block for kind, block in blocks if kind == "toml")
    file = msgspec.toml.decode(f"{SMALL_TOML}\n{toml}", type=CityFile)
    assert list(sensor_faults(file)) == []
    ids, added = Ids().extended(wanted_ids(file, RoadTable.empty()))
    city = City(file, ids, RoadTable.empty(), city_sha256(msgspec.json.encode(file), format_ids(added), None))
    [source_key] = re.findall(r"^\[sources\.(\w+)\]", toml, re.MULTILINE)
    return Page(city, source_key, [block.encode() for kind, block in blocks if kind != "toml"])


def refused(observed: Observed) -> int:
    """How many values of a document were refused."""
    return sum(refusal.count for refusal in observed.refusals)
