# SPDX-License-Identifier: Apache-2.0
"""All files for Grafana: what they should hold, writing them, and whether a folder is current."""

from pathlib import Path

from dashboards.city_wall import city_wall
from dashboards.grafana import encoded
from dashboards.provisioning import provisioning_files
from dashboards.zone import zone

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "infra" / "grafana"


def generated_files() -> dict[str, bytes]:
    """Path below the folder to content; the same bytes every time."""
    return {
        "dashboards/city-wall.json": encoded(city_wall()),
        "dashboards/zone.json": encoded(zone()),
        **provisioning_files(),
    }


def write_files(folder: Path) -> list[Path]:
    """Write what differs; the paths that were written. Raises `OSError`."""
    written = []
    for path in stale_files(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generated_files()[path.relative_to(folder).as_posix()])
        written.append(path)
    return written


def stale_files(folder: Path) -> list[Path]:
    """The paths that are missing or hold something else, in order."""
    found = []
    for name, content in sorted(generated_files().items()):
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            found.append(path)
    return found
