"""Columns that the names of folders give."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from data.errors import LogError
from data.readers.partitions import PartitionCheck, partition_of

WANTED = ("query_market", "ds_search")


def test_names_above_the_file_are_columns_decoded_and_null_where_hive_says_so() -> None:
    path = Path(
        "logs/query_market=S%C3%A3o%20Paulo%2FSP/ds_search=__HIVE_DEFAULT_PARTITION__/a.csv"
    )
    assert partition_of(path, WANTED) == (("query_market", "São Paulo/SP"), ("ds_search", None))


def test_only_folders_right_above_and_only_wanted_columns_count() -> None:
    assert partition_of(Path("ds_search=1/x/run=7/Query_Market=a=b/a.csv"), WANTED) == (
        ("query_market", "a=b"),
    )


def test_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(LogError, match="is not UTF-8"):
        partition_of(Path("query_market=S%E3o/a.csv"), WANTED)


def test_rows_that_say_something_else_than_the_folder_are_counted_with_the_first() -> None:
    check = PartitionCheck((("m", "Rio"), ("ds", "2018-02-05"), ("gone", "x")), ["m", "ds"])
    rows = pl.DataFrame({"m": [" Rio ", "rio", None], "ds": ["2018-02-05 00:00:00"] * 3})
    check.add(rows, pl.Series([2, 3, 4]))
    check.add(rows, pl.Series([5, 6, 7]))
    (sentence,) = check.sentences()
    assert "column m is not what the folder says in 4 row(s), first in line 3: 'rio'" in sentence
