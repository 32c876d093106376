"""The lake: one commit per write, old versions readable, only named partitions replaced."""

from __future__ import annotations

from datetime import date

import polars as pl
import pyarrow as pa
import pytest

from data.errors import HomeError
from data.lake.store import Lake

MONDAY, TUESDAY = date(2018, 2, 5), date(2018, 2, 6)


def _frame(*rows: tuple[str, date, int]) -> pl.DataFrame:
    schema = {"market": pl.String, "ds_search": pl.Date, "clicks": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path / "home")
    lake.replace_partitions(
        "features", _frame(("rio", MONDAY, 1), ("rio", TUESDAY, 2), ("sp", MONDAY, 3))
    )
    return lake


def _clicks(lake: Lake, *, version: int | None = None) -> list[int]:
    return sorted(lake.scan("features", version=version).collect()["clicks"].to_list())


def test_table_never_written_has_no_version_and_no_rows(tmp_path):
    lake = Lake(tmp_path)
    assert not lake.exists("features")
    assert lake.version("features") is None
    assert (lake.rows("features"), lake.partitions("features"), lake.last_job("features")) == (
        0,
        [],
        0,
    )
    with pytest.raises(HomeError, match="no table features yet"):
        lake.scan("features")


def test_unknown_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the contract has no table"):
        Lake(tmp_path).path("../x")


def test_only_the_named_partition_is_replaced_and_the_old_version_stays(lake):
    before = lake.version("features")
    lake.replace_partitions("features", _frame(("rio", MONDAY, 10)))
    assert _clicks(lake) == [2, 3, 10]
    assert lake.version("features") == before + 1
    assert _clicks(lake, version=before) == [1, 2, 3]


def test_named_partition_without_rows_becomes_empty(lake):
    lake.replace_partitions("features", _frame(), [("rio", MONDAY)])
    assert _clicks(lake) == [2, 3]
    assert lake.market_days("features") == [("rio", TUESDAY), ("sp", MONDAY)]


def test_row_outside_the_named_partitions_is_refused_and_nothing_changes(lake):
    with pytest.raises(HomeError):
        lake.replace_partitions("features", _frame(("sp", TUESDAY, 9)), [("rio", MONDAY)])
    assert _clicks(lake) == [1, 2, 3]


def test_new_column_widens_the_table(lake):
    lake.replace_partitions("features", _frame(("sp", MONDAY, 4)).with_columns(x_stars=pl.lit(5.0)))
    rows = lake.scan("features").sort("clicks").collect()
    assert rows["x_stars"].to_list() == [None, None, 5.0]


def test_lazy_frame_that_reads_the_same_table_can_replace_it(lake):
    doubled = lake.scan("features").with_columns(pl.col("clicks") * 2)
    lake.replace_partitions("features", doubled, lake.partitions("features"))
    assert _clicks(lake) == [2, 4, 6]


def test_arrow_tables_and_unsigned_or_empty_columns_are_stored(lake):
    odd = _frame(("rio", MONDAY, 7)).with_columns(pl.col("clicks").cast(pl.UInt32), x=pl.lit(None))
    lake.replace_partitions("features", odd)
    lake.replace_partitions("features", pa.table(_frame(("sp", MONDAY, 8)).to_arrow()))
    assert _clicks(lake) == [2, 7, 8]


def test_replace_all_replaces_rows_and_columns(lake):
    lake.replace_all("features", _frame(("rio", MONDAY, 1)).rename({"clicks": "views"}))
    assert set(lake.columns("features")) == {"market", "ds_search", "views"}
    assert lake.rows("features") == 1


def test_append_adds_and_makes_an_empty_table(lake, tmp_path):
    lake.append("features", _frame(("rio", MONDAY, 5)))
    assert _clicks(lake) == [1, 2, 3, 5]
    fresh = Lake(tmp_path / "fresh")
    fresh.append("features", _frame())
    assert (fresh.exists("features"), fresh.rows("features")) == (True, 0)


def test_job_number_is_part_of_the_commit(lake):
    lake.append("features", _frame(("rio", MONDAY, 5)), job=7)
    assert lake.last_job("features") == 7
    lake.append("features", _frame(("rio", MONDAY, 6)))
    assert lake.last_job("features") == 7


def test_error_while_making_the_rows_is_raised_as_it_is_and_nothing_changes(lake):
    def failing():
        yield _frame(("rio", MONDAY, 9)).to_arrow().to_batches()[0]
        raise KeyError("the maker's own error")

    schema = _frame().to_arrow().schema
    stream = pa.RecordBatchReader.from_batches(schema, failing())
    with pytest.raises(KeyError, match="own error"):
        lake.append("features", stream)
    assert _clicks(lake) == [1, 2, 3]


def test_damaged_table_is_named(lake):
    for log in (lake.path("features") / "_delta_log").glob("*.json"):
        log.write_text("{broken")
    with pytest.raises(HomeError, match="features"):
        lake.scan("features")


@pytest.mark.parametrize("value", ["a'b", "", "a b", "a/b"])
def test_partition_value_that_could_be_code_is_refused(lake, value):
    with pytest.raises(ValueError, match="plain partition value"):
        lake.replace_partitions("features", _frame(), [(value, MONDAY)])
