# SPDX-License-Identifier: Apache-2.0
import msgspec
import pytest

from schemas.errors import RefusedError
from schemas.ledger import FIRST_HASH, Intent, Released, decode_ledger, encode_ledger, grid_of
from schemas.log import event_headers
from tests.writer.seals import people_seal

INTENT = Intent(batch_key="centrum/people/900/0/0123abcd/0", partition=3, at_us=5)
RELEASED = Released(
    batch_key=INTENT.batch_key, partition=3, link=1, target="research.cell", window_start_us=0,
    window_end_us=900_000_000, zone_map="0123abcd", metric="person_seconds", unit="s", mechanism="discrete-gaussian",
    sigma=4500.0, sensitivity=900.0, rho=0.02, cells=12, sealed_at_us=1, released_at_us=2, policy_version="1",
    policy_hash="a" * 64, code_hash="b" * 64, previous_hash=FIRST_HASH,
).sealed()


@pytest.mark.parametrize("record", [INTENT, RELEASED], ids=["intent", "released"])
def test_a_record_comes_back_as_it_was(record: Intent | Released) -> None:
    headers, value = encode_ledger("urn:test", record)
    assert decode_ledger(headers, value) == record
    assert dict(headers)["ce_id"] == record.batch_key.encode()


@pytest.mark.parametrize("name", [field.name for field in msgspec.structs.fields(Released) if field.name != "row_hash"])
def test_a_row_whose_field_was_changed_is_refused(name: str) -> None:
    value = getattr(RELEASED, name)
    changed = msgspec.structs.replace(RELEASED, **{name: value + "0" if isinstance(value, str) else value + 1})
    with pytest.raises(RefusedError, match="hash"):
        decode_ledger(*encode_ledger("urn:test", changed))


@pytest.mark.parametrize(("kind", "value"), [("ledger.intent.v1", b"{"), ("ledger.intent.v1", None),
                                             ("ledger.released.v1", b"{}"), ("seal.v1", b"{}")])
def test_what_is_no_record_is_refused(kind: str, value: bytes | None) -> None:
    with pytest.raises(RefusedError):
        decode_ledger(event_headers(kind, "urn:test", "1", "application/json"), value)


def test_parts_of_a_grid_share_its_name() -> None:
    assert grid_of(people_seal([]).batch_key) == grid_of(people_seal([], part=7).batch_key)
    assert grid_of(people_seal([]).batch_key) != grid_of(people_seal([], quarter=1).batch_key)
