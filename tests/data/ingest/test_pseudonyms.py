"""With a key, no guest's id reaches a table, and a home has one key for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.errors import HomeError, MappingError
from data.ingest import IngestOptions
from data.ingest.pseudonyms import pseudonym

KEY = "a key of the tests, long enough"
WITH_KEY = IngestOptions(pseudonym_key=KEY)


def test_a_guest_goes_by_one_pseudonym_in_every_row_and_file(world, row) -> None:
    world.ingest(world.log(row(1, id_user="G1"), row(2, id_user=" G1 ")), options=WITH_KEY)
    world.ingest(world.log(row(3, id_user="G1"), name="b.csv"), options=WITH_KEY)
    assert {r["id_user"] for r in world.impressions()} == {pseudonym(KEY, "G1")}


def test_pseudonym_stays_the_same_in_every_version_of_the_program() -> None:
    """Another one would make every guest of an existing home a new guest."""
    assert pseudonym(KEY, "G1") == "u_b31bf1af39b5492a549ddaff6f9ab713"


def test_another_key_gives_another_pseudonym() -> None:
    assert pseudonym(KEY, "G1") != pseudonym(KEY + "!", "G1")
    assert pseudonym("k" * 200, "G1") != pseudonym("k" * 201, "G1")


def test_a_guest_without_an_id_stays_without_one(world, row) -> None:
    world.ingest(world.log(row(1, id_user=""), row(2, id_user="NA")), options=WITH_KEY)
    assert [r["id_user"] for r in world.impressions()] == [None, None]


def test_no_byte_of_an_id_is_stored_not_even_in_quarantine(world, row) -> None:
    sound = row(1, id_user="GUEST77", note="of GUEST77")
    rejected = row(2, id_user="GUEST77", label="gazed", note="of GUEST77")
    text = world.log(sound, rejected).read_text() + "broken,GUEST77\n"
    world.ingest(world.file(text), options=WITH_KEY)
    assert world.lake.rows("quarantine") == 2
    for path in Path(world.home).rglob("*"):
        assert not path.is_file() or b"GUEST77" not in path.read_bytes(), path
    rejected_row, broken_line = (
        world.lake.scan("quarantine").sort("source_line").collect()["row"].to_list()
    )
    assert json.loads(rejected_row)["id_user"] == pseudonym(KEY, "GUEST77")
    assert "note" not in json.loads(rejected_row)
    assert list(json.loads(broken_line)) == ["withheld"]


@pytest.mark.parametrize("second", ["", "another key of the tests"])
def test_a_home_with_a_key_takes_no_other_and_not_none(world, row, second) -> None:
    world.ingest(world.log(row(1)), options=WITH_KEY)
    with pytest.raises(HomeError, match="pseudonymised"):
        world.ingest(world.log(row(2), name="b.csv"), options=IngestOptions(pseudonym_key=second))
    assert world.lake.rows("impressions") == 1


def test_a_home_that_holds_ids_as_they_came_takes_no_key(world, row) -> None:
    world.ingest(world.log(row(1)))
    with pytest.raises(HomeError, match="needs a home of its own"):
        world.ingest(world.log(row(2), name="b.csv"), options=WITH_KEY)


def test_an_id_made_by_a_rule_is_refused_by_name(world, row) -> None:
    mapping = world.file(
        'name = "made"\n[columns]\nid_search = "id_search"\nid_listing = "id_listing"\n'
        'label = "label"\nts_search = "ts_search"\nquery_market = "query_market"\n'
        'id_user = { sum = ["query_num_guests", "query_num_children"] }\n',
        "made.toml",
    )
    with pytest.raises(MappingError, match="id_user: only a plain column"):
        world.ingest(world.log(row(1)), source=mapping, options=WITH_KEY)
