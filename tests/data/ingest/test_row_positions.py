"""Position as the order of rows: the module's worked example, any chunk size, several files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import data.sources.mapping
from data.errors import HomeError
from data.ingest import ingest_files, row_positions
from data.ingest.row_positions import SeenRows, place_rows
from data.ingest.staging import Staging
from data.lake.store import Lake
from data.readers import csv, parquet

AIRBNB = Path(data.sources.mapping.__file__).parent / "airbnb.toml"


@pytest.fixture
def by_row_order(world) -> Path:
    """The mapping ``airbnb``, with the order of the rows as position."""
    mapping = AIRBNB.read_text()
    changed = mapping.replace('position = "position"', "position = { row_order = true }")
    assert changed != mapping
    return world.file(changed, "airbnb.toml")


@pytest.fixture
def shown(row):
    """A row of a listing shown in a search; searches 1 and 2 have a guest each."""

    def make(search: int, listing: int, **changes):
        return row(search, **{"id_listing": f"L{listing}"} | changes)

    return make


def _positions(world) -> dict[tuple[str, str], int | None]:
    rows = world.impressions()
    return {(r["id_search"], r["id_listing"]): r["position"] for r in rows}


def test_worked_example(world, shown, csv_of, by_row_order):
    rows = [
        shown(1, 1),
        shown(1, 2, label=""),
        shown(2, 9),
        shown(1, 1, label="click"),
        shown(1, 3),
        shown(2, 8),
    ]
    lines = csv_of(rows).splitlines()
    lines.insert(4, "S1,too,few,fields")
    report = world.ingest(world.file("\n".join(lines) + "\n"), source=by_row_order)
    assert [(r["source_line"], r["position"]) for r in world.impressions()] == [
        (4, 1),
        (6, 1),
        (7, 3),
        (8, 3),
    ]
    assert world.quarantine() == [
        (2, "duplicate"),
        (3, "label_missing"),
        (5, "wrong_field_count"),
    ]
    assert report.findings == ()
    assert "position" not in report.files[0].absent


def test_row_without_a_readable_listing_takes_a_place_and_one_before_any_search_takes_none(
    world, shown, by_row_order
):
    rows = [
        shown(1, 7, id_search=""),
        shown(1, 1),
        shown(1, 2, id_listing=""),
        shown(1, 3, id_listing=""),
        shown(1, 4),
    ]
    world.ingest(world.log(*rows), source=by_row_order)
    assert _positions(world) == {("S1", "L1"): 1, ("S1", "L4"): 4}


def _shuffled_rows(shown) -> list[dict]:
    """Interleaved searches, clicks as rows of their own, rejected rows, rows without a search."""
    rng = np.random.default_rng(4)
    rows = []
    for _ in range(160):
        search, listing = rng.integers(8), rng.integers(20)
        label = rng.choice(["impressed", "impressed", "click", "nonsense"])
        row = shown(search, listing, label=label)
        rows.append(row | {"id_search": ""} if rows and rng.random() < 0.1 else row)
    return rows


def _by_hand(rows: list[dict]) -> dict[tuple[str, str], int]:
    places: dict[str, dict[str, int]] = {}
    search = ""
    for row in rows:
        search = row["id_search"] or search
        of_search = places.setdefault(search, {})
        of_search.setdefault(row["id_listing"], len(of_search) + 1)
    accepted = [r for r in rows if r["id_search"] and r["label"] != "nonsense"]
    kept = {(r["id_search"], r["id_listing"]) for r in accepted}
    return {key: places[key[0]][key[1]] for key in kept}


@pytest.mark.parametrize(
    ("block_bytes", "batch_rows", "bucket_rows"),
    [(1 << 24, 1 << 16, 1_000_000), (1_000, 7, 100), (4_000, 40, 20)],
    ids=["one chunk", "many chunks", "many buckets"],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_places_do_not_depend_on_chunks_or_buckets(
    world, shown, by_row_order, monkeypatch, block_bytes, batch_rows, bucket_rows, kind
):
    monkeypatch.setattr(csv, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(parquet, "BATCH_ROWS", batch_rows)
    monkeypatch.setattr(row_positions, "ROWS_PER_BUCKET", bucket_rows)
    rows = _shuffled_rows(shown)
    if kind == "csv":
        log = world.log(*rows)
    else:
        log = world.folder / "log.parquet"
        pl.DataFrame(rows).write_parquet(log, row_group_size=11)
    world.ingest(log, source=by_row_order)
    assert _positions(world) == _by_hand(rows)


def test_first_file_decides_on_a_search_in_several_and_the_report_says_so(
    world, shown, by_row_order
):
    first = world.log(shown(1, 1), shown(1, 2), shown(2, 5), name="z.csv")
    second = world.log(shown(1, 2, label="click"), shown(1, 3), shown(3, 6), name="a.csv")
    report = world.ingest(first, second, source=by_row_order)
    assert _positions(world) == {
        ("S1", "L1"): 1,
        ("S1", "L2"): 2,
        ("S1", "L3"): None,
        ("S2", "L5"): 1,
        ("S3", "L6"): 1,
    }
    (finding,) = report.findings
    assert "more than one file, where the first file decides: 1;" in finding
    assert finding.endswith("left without a position: 1")


def test_row_that_supersedes_one_of_the_lake_keeps_its_place(world, shown, by_row_order):
    world.ingest(world.log(shown(1, 1), shown(1, 2), name="monday.csv"), source=by_row_order)
    booked = shown(1, 2, label="booked", ds_book="2018-02-05")
    report = world.ingest(world.log(booked, shown(1, 4), name="tuesday.csv"), source=by_row_order)
    assert report.superseded == 1
    assert _positions(world) == {("S1", "L1"): 1, ("S1", "L2"): 2, ("S1", "L4"): None}


def test_search_that_the_lake_holds_without_positions_gets_none(world, shown, by_row_order):
    world.ingest(world.log(shown(1, 1), name="monday.csv"))
    world.ingest(world.log(shown(1, 2), shown(2, 3), name="tuesday.csv"), source=by_row_order)
    assert _positions(world) == {("S1", "L1"): None, ("S1", "L2"): None, ("S2", "L3"): 1}


def test_ingest_cut_off_after_its_plan_is_committed_with_places(
    world, shown, by_row_order, monkeypatch
):
    def cut_off(*_: object) -> None:
        raise HomeError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(ingest_files, "commit", cut_off)
        with pytest.raises(HomeError, match="cut off"):
            world.ingest(world.log(shown(1, 1), shown(1, 2)), source=by_row_order)
    report = world.ingest(world.log(shown(2, 3), name="next.csv"), source=by_row_order)
    assert report.recovered == 1
    assert _positions(world) == {("S1", "L1"): 1, ("S1", "L2"): 2, ("S2", "L3"): 1}


def test_place_beyond_the_columns_bound_is_null(tmp_path, monkeypatch):
    monkeypatch.setattr(row_positions, "_LAST_PLACE", 2)
    staging = Staging.create(tmp_path)
    keys = pl.DataFrame(
        {"source_line": [2, 3, 4], "id_search": ["S"] * 3, "id_listing": ["a", "b", "c"]}
    )
    SeenRows("f", staging).add(keys, 1)
    place_rows(staging, Lake(tmp_path), ["f"], 3)
    accepted = keys.with_columns(source_id=pl.lit("f"), position=pl.lit(None, pl.Int32))
    assert row_positions.with_positions(accepted, staging)["position"].to_list() == [1, 2, None]
    staging.close()
