"""The rules over several rows, on the worked example of the module, in few and many buckets."""

from __future__ import annotations

import pytest

from data.ingest import deduplicate

BOOKED = {"label": "booked", "ds_book": "2018-02-05"}


@pytest.mark.parametrize("rows_per_bucket", [1_000_000, 1], ids=["one bucket", "a row each"])
def test_worked_example_comes_out_alike_in_any_number_of_buckets(
    world, row, monkeypatch, rows_per_bucket
):
    monkeypatch.setattr(deduplicate, "ROWS_PER_BUCKET", rows_per_bucket)
    first = world.ingest(world.log(row(1, label="click"), name="lake.csv"))
    report = world.ingest(
        world.log(
            row(1, **BOOKED),
            row(2),
            row(2, id_listing="L8", id_user="U3", label="click"),
            row(3),
            row(4),
            row(1, **BOOKED),
            name="new.csv",
        )
    )
    assert (report.rows_accepted, report.superseded) == (3, 1)
    accepted = [(r["source_line"], r["id_search"], r["stage"]) for r in world.impressions()]
    assert accepted == [(2, "S1", 3), (5, "S3", 0), (6, "S4", 0)]
    old, new = first.files[0].source_id, report.files[0].source_id
    columns = ["source_id", "source_line", "reasons"]
    quarantined = world.lake.scan("quarantine").select(columns).collect().rows()
    assert sorted(quarantined) == sorted(
        [
            (old, 2, "superseded"),
            (new, 3, "search_names_two_users"),
            (new, 4, "search_names_two_users"),
            (new, 7, "duplicate"),
        ]
    )


def test_of_equal_rows_of_two_files_the_one_of_the_first_file_stays(world, row):
    second = world.log(row(9), row(1), name="a.csv")
    first = world.log(row(1), row(8), name="z.csv")
    report = world.ingest(first, second)
    assert [file.rows_accepted for file in report.files] == [2, 1]
    assert world.quarantine() == [(3, "duplicate")]
