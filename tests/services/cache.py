# SPDX-License-Identifier: Apache-2.0
"""Where installed services lie, and whether they are there."""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
POM = ROOT / "infra" / "test-services" / "pom.xml"
GRAFANA_TYPES = ROOT / "tests" / "dashboards" / "package.json"
ASYNCAPI = ROOT / "tests" / "schemas" / "asyncapi" / "package.json"
DEBIAN_SUITE = "trixie"
DEBIAN_PACKAGES = ("postgresql-17", "postgresql-17-timescaledb")


def services_dir() -> Path:
    """`$DRUKTE_SERVICES`, else `.services` in the project's root."""
    return Path(os.environ.get("DRUKTE_SERVICES", ROOT / ".services")).resolve()


def kafka_dir() -> Path:
    """The broker's jars; the name changes with the pom, so that an old set is never taken for a new one."""
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    return services_dir() / f"kafka-{digest}"


def timescale_dir() -> Path:
    """The root of the small Debian that holds PostgreSQL and TimescaleDB."""
    wanted = " ".join((DEBIAN_SUITE, *DEBIAN_PACKAGES))
    return services_dir() / f"timescale-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"


def grafana_types_dir() -> Path:
    """Grafana's published types and the TypeScript compiler; the name changes with the list of versions."""
    digest = hashlib.sha256(GRAFANA_TYPES.read_bytes()).hexdigest()[:12]
    return services_dir() / f"grafana-types-{digest}"


def asyncapi_dir() -> Path:
    """AsyncAPI's own JSON Schema and a validator; the name changes with the list of versions."""
    digest = hashlib.sha256(ASYNCAPI.read_bytes()).hexdigest()[:12]
    return services_dir() / f"asyncapi-{digest}"
