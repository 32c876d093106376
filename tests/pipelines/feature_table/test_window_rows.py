"""A window of the features table read batch by batch: its days, its labels, one order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.schema.tables import FEATURES
from models.row_source import read, read_all
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.feature_table.window_rows import WindowRows
from pipelines.run_context import RunContext

DAYS, SHOWN = 3, 70_000
KEY = ["id_search", "id_listing"]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    """A table of three days, each larger than a row group; all booked on the last of them."""
    rows = np.arange(DAYS * SHOWN)
    table = pl.DataFrame(
        {
            "id_search": (rows // 7).astype(str),
            "id_listing": (rows % 7).astype(str),
            "market": "rio",
            "search_day": (rows // SHOWN).astype(np.int32),
            "stage": np.full(len(rows), 3, dtype=np.int8),
            "contact_day": rows // SHOWN,
            "book_day": np.full(len(rows), DAYS - 1),
            "x_feature": rows * 0.5,
        }
    ).with_columns(ds_search=pl.col("search_day").cast(pl.Date))
    root = Path(tmp_path_factory.mktemp("home"))
    context = RunContext(home=Home(root), settings=load_settings(), console=Console())
    context.lake.replace_partitions(FEATURES.name, table)
    return context


def test_a_window_holds_the_rows_of_its_days(context: RunContext) -> None:
    window = WindowRows.of(context, (0, 1))
    rows = read_all(window)
    assert rows.num_rows == window.num_rows == 2 * SHOWN
    assert rows.schema.equals(window.schema)
    assert np.unique(rows["search_day"]).tolist() == [0, 1]
    assert window.of_day(1).num_rows == SHOWN


def test_every_reading_has_the_same_order(context: RunContext) -> None:
    window = WindowRows.of(context, (0, DAYS - 1))
    rows = read_all(window)
    for columns in (KEY, ["x_feature"], ["stage", *KEY]):
        assert read(window, columns).equals(rows.select(columns))


def test_a_batch_is_a_part_of_the_window(context: RunContext) -> None:
    sizes = [batch.num_rows for batch in WindowRows.of(context, (0, DAYS - 1)).batches(KEY)]
    assert sum(sizes) == DAYS * SHOWN
    assert max(sizes) < SHOWN


def test_outcomes_are_those_known_on_the_day(context: RunContext) -> None:
    known = {
        day: read(WindowRows.of(context, (1, 1), known_on=day), ["stage"])["stage"].unique()
        for day in (1, 2, 3)
    }
    assert {day: stages.to_pylist() for day, stages in known.items()} == {1: [1], 2: [2], 3: [3]}


def test_a_log_without_guests_has_a_column_of_nobody(context: RunContext) -> None:
    guests = read(WindowRows.of(context, (0, 0)), ["id_user"])["id_user"]
    assert guests.null_count == len(guests) == SHOWN
