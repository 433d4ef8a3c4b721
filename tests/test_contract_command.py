# SPDX-License-Identifier: Apache-2.0
"""`drukte contract`: the files are current, the documents hold together, drift is found."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from schemas.alert_outputs import EVENT_SOURCE, MQTT_TOPIC, SIGNATURE_HEADER, message_of, webhook_headers
from schemas.cap import NAMESPACE
from schemas.city import CityFile
from schemas.contract import json_schema
from schemas.log import Topic
from streams.cli import app
from streams.contract_command import DEFAULT_FOLDER, generated_files, stale_files, write_files
from streams.deliver.wording import Wording
from tests.cities import small_city
from tests.deliver.samples import told
from tests.services.cache import asyncapi_dir
from tests.services.missing import INSTALL
from tests.writer.samples import transition

Json = dict[str, Any]
CHECK = """
const Ajv = require('ajv'), fs = require('fs');
const schema = 'node_modules/@asyncapi/specs/schemas/3.1.0-without-$id.json';
const read = (path) => JSON.parse(fs.readFileSync(path));
const validate = new Ajv({strict: false, allErrors: true, validateFormats: false}).compile(read(schema));
console.log(validate(read(process.argv[2])) ? 'valid' : JSON.stringify(validate.errors));
"""


def document() -> Json:
    made: Json = json.loads(generated_files()["asyncapi.json"])
    return made


def test_the_files_of_the_project_are_current() -> None:
    assert stale_files(DEFAULT_FOLDER) == [], "run `drukte contract --write`"


def test_write_then_check_then_drift(tmp_path: Path) -> None:
    runner, out = CliRunner(), ["--out", str(tmp_path / "contract")]
    assert runner.invoke(app, ["contract", "--check", *out]).exit_code == 1
    assert runner.invoke(app, ["contract", "--write", *out]).exit_code == 0
    assert runner.invoke(app, ["contract", "--check", *out]).exit_code == 0
    changed = tmp_path / "contract" / "delivery.schema.json"
    changed.write_bytes(changed.read_bytes().replace(b"attempts", b"tries"))
    (tmp_path / "contract" / "gone.schema.json").write_text("{}")
    told = runner.invoke(app, ["contract", "--check", *out])
    assert told.exit_code == 1
    assert "delivery.schema.json" in told.output
    assert "gone.schema.json" in told.output
    write_files(tmp_path / "contract")
    assert stale_files(tmp_path / "contract") == []


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, inner in part.items():
            if name == "$ref":
                yield inner
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


@pytest.mark.parametrize("name", sorted(generated_files()))
def test_every_reference_leads_somewhere(name: str) -> None:
    whole = json.loads(generated_files()[name])
    for reference in references(whole):
        found = whole
        for step in reference.removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/")]
        assert found


def test_every_topic_is_a_channel_with_its_settings_and_a_message() -> None:
    channels = document()["channels"]
    for topic in Topic:
        channel = channels[topic.value]
        assert channel["messages"], topic
        assert channel["description"], topic
        assert channel["bindings"]["kafka"]["topicConfiguration"]["retention.ms"], topic
    assert channels["site-log"]["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] == 86_400_000
    assert channels["snapshots"]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == ["compact", "delete"]
    assert channels["webhook"]["address"] is None


def test_exact_values_are_in_inner_channels_only() -> None:
    channels = document()["channels"]
    for topic in (Topic.SITE_LOG, Topic.SNAPSHOTS, Topic.SEALS, Topic.DEAD_LETTER_BODIES):
        assert channels[topic.value]["tags"] == [{"name": "inner"}]
    assert channels["alerts"]["tags"] == [{"name": "outer"}]


def test_what_a_receiver_is_told_stands_in_the_contract() -> None:
    made = document()
    sent = {name.lower() for name in webhook_headers(transition(), EVENT_SOURCE, "centrum/plein")}
    headers = made["components"]["messages"]["alert-event"]["headers"]
    assert {name.lower() for name in headers["required"]} == sent | {SIGNATURE_HEADER.lower()}
    assert made["channels"]["alert-mqtt"]["address"].startswith("{prefix}/alerts/")
    assert set(made["channels"]["alert-mqtt"]["parameters"]) == set(re.findall(r"{(\w+)}", MQTT_TOPIC))
    assert made["operations"]["send-alert-mqtt"]["bindings"]["mqtt"] == {
        "qos": 1, "retain": True, "bindingVersion": "0.2.0"}
    cap = made["components"]["messages"]["cap"]
    assert (cap["contentType"], cap["x-namespace"]) == ("application/cap+xml", NAMESPACE)
    assert "docs.oasis-open.org" in cap["externalDocs"]["url"]
    for name in ("webhook", "alert-mqtt", "cap", "cap-feed"):
        assert made["channels"][name]["tags"] == [{"name": "outer"}]
        assert made["operations"][f"send-{name}"]["channel"] == {"$ref": f"#/channels/{name}"}


def test_a_message_over_mqtt_fits_its_schema() -> None:
    schema = json.loads(generated_files()["alert-mqtt.schema.json"])["$defs"]
    event = Wording(small_city()).event(told(), 0, late=False)
    sent = msgspec.to_builtins(message_of(transition(), EVENT_SOURCE, "centrum/plein", event))
    assert set(sent) == set(schema["AlertMessage"]["properties"])
    assert set(sent["data"]) == set(schema["AlertEvent"]["properties"])


def test_arrow_messages_list_their_columns() -> None:
    columns = document()["components"]["messages"]["log-readings"]["payload"]["schema"]["columns"]
    assert {"name": "span_ms", "type": "int32", "nullable": False} in columns


def test_a_native_reading_says_what_its_decoder_checks() -> None:
    schema = json.loads(generated_files()["native-reading.schema.json"])["$defs"]["RawReading"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["sensor", "metric", "from", "to", "value"]
    assert "people" in schema["properties"]["metric"]["enum"]
    assert schema["properties"]["from"]["format"] == "date-time"
    assert "zones" in json_schema("city-file", CityFile)["$defs"]["CityFile"]["properties"]


@pytest.fixture(scope="module")
def validator() -> Path:
    folder = asyncapi_dir()
    if not folder.is_dir():
        reason = f"AsyncAPI's own schema is not installed; run `{INSTALL}` (needs nodejs and npm)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


def complaints(folder: Path, made: Json, tmp_path: Path) -> str:
    path = tmp_path / "asyncapi.json"
    path.write_text(json.dumps(made))
    return subprocess.run(["node", "-e", CHECK.replace("argv[2]", "argv[1]"), str(path)], cwd=folder, check=True,
                          capture_output=True, text=True).stdout.strip()


def test_the_document_fits_asyncapis_own_schema(validator: Path, tmp_path: Path) -> None:
    assert complaints(validator, document(), tmp_path) == "valid"


@pytest.mark.parametrize("broken", [
    {"asyncapi": "3.9.0"}, {"channels": {"x": {"adress": "x"}}}, {"operations": {"x": {"action": "shout"}}},
])
def test_its_schema_finds_what_does_not_fit(validator: Path, tmp_path: Path, broken: Json) -> None:
    assert complaints(validator, document() | broken, tmp_path).startswith("[")
