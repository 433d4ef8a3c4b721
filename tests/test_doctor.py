# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from schemas.ids import HEADER
from schemas.log import Topic
from streams.city_files import assign_ids
from streams.cli import app
from streams.doctor import Finding, Grade, examine
from streams.storage import connect, migrate
from streams.topics import MOCK_PARTITIONS
from tests.cities import SMALL_TOML
from tests.conftest import ROOT
from tests.gateway.mock_broker import MockBroker, nowhere
from tests.real.chain import Chain
from tests.real.kafka_service import _Topics
from tests.services.process import free_port, wait_until

KAFKA_CHECKS = ("topics", "site-log", "live", "alerts", "lost", "writer")
DATABASE_CHECKS = ("migrations", "edition", "retention", "unwritten", "integrity")
LIMIT_S = 90.0


def nowhere_uri() -> str:
    return f"postgresql://drukte@127.0.0.1:{free_port()}/drukte"


def written(folder: Path, bootstrap: str, uri: str, *, city: str = SMALL_TOML, more: str = "", kafka: str = "") -> Path:
    """Settings and a city in a folder."""
    path = folder / "klein.toml"
    path.write_text(SMALL_TOML)
    path.with_suffix(".ids").write_text(HEADER)
    assign_ids(path)
    path.write_text(city)
    settings = folder / "drukte.toml"
    settings.write_text(
        f'city = "klein.toml"\n[kafka]\nbootstrap = "{bootstrap}"\n{kafka}\n[database]\nuri = "{uri}"\n{more}\n'
    )
    return settings


def found(settings: Path) -> dict[str, Finding]:
    return {one.check: one for one in examine(settings)}


def grades(findings: dict[str, Finding], *checks: str) -> set[Grade]:
    return {findings[check].grade for check in checks}


def test_broken_settings_are_the_only_finding(tmp_path: Path) -> None:
    path = tmp_path / "drukte.toml"
    path.write_text('city = "klein.toml"\n[kafka]\npartitions = 0\n')
    findings = found(path)
    assert list(findings) == ["settings"]
    assert findings["settings"].grade is Grade.BAD
    assert "kafka.partitions" in findings["settings"].says


def test_with_everything_away_each_check_still_answers(tmp_path: Path) -> None:
    city = SMALL_TOML.replace('zone = "plein"', 'zone = "plien"', 1)
    findings = found(written(tmp_path, nowhere().bootstrap, nowhere_uri(), city=city))
    assert set(findings) == {"settings", "city", "broker", "database", *KAFKA_CHECKS, *DATABASE_CHECKS}
    assert findings["settings"].grade is Grade.OK
    assert grades(findings, "city", "broker", "database") == {Grade.BAD}
    assert "plien" in findings["city"].says
    assert grades(findings, *KAFKA_CHECKS, *DATABASE_CHECKS) == {Grade.WARN}
    assert all(one.do for one in findings.values() if one.grade is not Grade.OK)


def test_a_threshold_that_cannot_be_is_a_fault_of_the_city(tmp_path: Path) -> None:
    city = SMALL_TOML.replace("capacity = 400", "capacity = 4")
    findings = found(written(tmp_path, nowhere().bootstrap, nowhere_uri(), city=city))
    assert findings["city"].grade is Grade.BAD
    assert "plein" in findings["city"].says


def test_missing_topics_are_named(tmp_path: Path) -> None:
    owner = Producer({"test.mock.num.brokers": 1, "log_level": 2})
    broker = next(iter(owner.list_topics(timeout=5).brokers.values()))
    owner.list_topics(Topic.SITE_LOG.value, timeout=5)
    settings = written(tmp_path, f"{broker.host}:{broker.port}", nowhere_uri(),
                       kafka=f"mock = true\npartitions = {MOCK_PARTITIONS}")
    findings = found(settings)
    assert findings["broker"].grade is Grade.OK
    assert findings["topics"].grade is Grade.BAD
    assert "topic live is not there" in findings["topics"].says
    assert "site-log" not in findings["topics"].says
    assert grades(findings, "live", "alerts", "writer") == {Grade.BAD}


def test_a_log_that_stands_still_and_a_database_away(tmp_path: Path, broker_with_topics: MockBroker) -> None:
    settings = written(tmp_path, broker_with_topics.kafka.bootstrap, nowhere_uri(),
                       kafka=f"mock = true\npartitions = {MOCK_PARTITIONS}")
    ran = CliRunner().invoke(app, ["doctor", "--settings", str(settings)])
    assert ran.exit_code == 1
    lines = {line.split()[1]: line.split()[0] for line in ran.output.splitlines() if not line.startswith(" ")}
    assert lines["topics"] == lines["alerts"] == lines["broker"] == "ok"
    assert lines["site-log"] == lines["database"] == lines["writer"] == "bad"
    assert lines["live"] == "warn"
    assert "drukte gateway" in ran.output


@pytest.fixture
def broker_with_topics() -> MockBroker:
    return MockBroker()


def test_a_wrong_option_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["doctor", "--nonsense"]).exit_code == 2


@pytest.mark.real
def test_a_database_without_tables_and_rows_that_are_too_old(tmp_path: Path, empty_database: str) -> None:
    settings = written(tmp_path, nowhere().bootstrap, empty_database)
    findings = found(settings)
    assert findings["database"].grade is Grade.OK
    assert grades(findings, "migrations", "retention") == {Grade.BAD}
    assert "drukte db migrate" in findings["migrations"].do
    migrate(empty_database)
    findings = found(settings)
    assert grades(findings, *DATABASE_CHECKS) == {Grade.OK}
    with connect(empty_database) as connection:
        connection.execute("""
            INSERT INTO live.road_minute
                (zone, vehicle_class, window_start, span_s, coverage, speed_coverage, status, revision)
            VALUES (1, 'any', now() - interval '90 hours', 60, 0, 0, 0, 0)""")
    findings = found(settings)
    assert findings["retention"].grade is Grade.BAD
    assert "90 h" in findings["retention"].says


def _asked(settings: Path) -> tuple[int, dict[str, Finding]]:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "doctor", "--json", "--settings", settings], cwd=ROOT,
        capture_output=True, timeout=LIMIT_S, check=False,
    )
    assert not done.stderr, done.stderr.decode()
    findings = msgspec.convert(json.loads(done.stdout), list[Finding])
    return done.returncode, {one.check: one for one in findings}


@pytest.mark.real
def test_a_healthy_chain_and_one_without_its_gateway(
    tmp_path: Path, kafka_bootstrap: str, fresh_database: str
) -> None:
    topics = _Topics(kafka_bootstrap)
    topics.delete([topic.value for topic in Topic])
    settings = tmp_path / "drukte.toml"
    try:
        with Chain(tmp_path, kafka_bootstrap, fresh_database) as chain:
            last: dict[str, Finding] = {}

            def is_well() -> bool:
                last.clear()
                code, findings = _asked(settings)
                last.update(findings)
                return code == 0 and all(one.grade is Grade.OK for one in findings.values() if one.check != "city")

            wait_until(is_well, LIMIT_S, f"all is well: {last}")
            chain._processes["gateway"].stop()
            code, findings = _asked(settings)
            assert code == 1
            assert [one.check for one in findings.values() if one.grade is Grade.BAD] == ["site-log"]
            settings.write_text(settings.read_text().replace("partitions = 3", "partitions = 5"))
            code, findings = _asked(settings)
            assert code == 1
            assert "has 3 partitions, 5 are wanted" in findings["topics"].says
    finally:
        topics.delete([topic.value for topic in Topic])
