# SPDX-License-Identifier: Apache-2.0
"""Versions of the small city as files, and as they are published."""

from pathlib import Path

from schemas.city_change import CityChange
from schemas.city_version import ALWAYS_US, CityVersion
from schemas.ids import HEADER
from streams.city_files import assign_ids, ids_path, load_content
from tests.cities import SMALL_TOML

MINUTE_US = 60_000_000
SECOND_CAMERA = """
[sensors.cam-straat-oost]
source = "cameras"
supplier = "Voorbeeld BV"
zone = "straat"
purpose = "crowd safety"
legal_basis = "public task"
start = 2026-01-01
end = 2027-12-31
[sensors.cam-straat-oost.measures.people]
semantics = "instant"
interval_s = 10
view_area_m2 = 250
"""
RULE_ORANJE = """[rules.oranje]
kind = "level"
level = 2
severity = "warning"

"""
SECOND_TOML = SMALL_TOML.replace("version = 1", "version = 2").replace(RULE_ORANJE, "") + SECOND_CAMERA
"""Version 2: another camera in the street, no rule `oranje`; the map is the same."""


def written(path: Path, toml: str, before: Path | None = None) -> Path:
    """A city file whose ids go on where those of `before` end."""
    path.write_text(toml)
    ids_path(path).write_text(HEADER if before is None else ids_path(before).read_text())
    assign_ids(path)
    return path


def both(folder: Path) -> tuple[Path, Path]:
    """Versions 1 and 2."""
    first = written(folder / "klein.toml", SMALL_TOML)
    return first, written(folder / "klein-2.toml", SECOND_TOML, first)


def as_published(path: Path, effective_at_us: int = ALWAYS_US) -> CityVersion:
    """What a publication of the file writes."""
    city, content = load_content(path)
    change = CityChange(version=city.version, sha256=city.sha256, effective_at_us=effective_at_us)
    return CityVersion(change, content.toml, content.ids_text, content.roads)
