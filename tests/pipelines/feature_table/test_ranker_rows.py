"""The order in which results were shown reaches the funnel's training rows where the log has it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from data.errors import DataError
from data.schema.tables import IMPRESSIONS
from models.funnel.config import FunnelConfig
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.feature_table.ranker_rows import with_order_shown
from pipelines.run_context import RunContext

ROWS = pa.table({"id_search": ["s", "s"], "id_listing": ["b", "a"]})
NOTHING = ROWS.slice(0, 0)


def context_with(root: Path, **order_shown: list[object]) -> RunContext:
    """A home whose log is one search of two results, listing a shown first."""
    log = pl.DataFrame(
        {
            "id_search": ["s", "s"],
            "id_listing": ["a", "b"],
            "market": ["rio", "rio"],
            "ds_search": ["2026-01-01", "2026-01-01"],
            **order_shown,
        }
    ).with_columns(pl.col("ds_search").str.to_date())
    context = RunContext(home=Home(root), settings=load_settings(), console=Console())
    context.lake.replace_partitions(IMPRESSIONS.name, log)
    return context


ORDER_SHOWN: dict[str, list[object]] = {"position": [1, 2], "is_random_order": [True, True]}
DEMANDED = FunnelConfig(debiasing="position")


def test_places_are_those_of_each_row(tmp_path: Path) -> None:
    train, valid = with_order_shown(context_with(tmp_path, **ORDER_SHOWN), DEMANDED, ROWS, NOTHING)
    assert train["position"].to_pylist() == [2, 1]
    assert train["is_random_order"].to_pylist() == [True, True]
    assert valid.column_names == train.column_names


def test_a_funnel_that_ignores_the_order_gets_no_places(tmp_path: Path) -> None:
    context = context_with(tmp_path, **ORDER_SHOWN)
    train, _ = with_order_shown(context, FunnelConfig(debiasing="none"), ROWS, NOTHING)
    assert train is ROWS


def test_demanded_places_that_the_log_lacks_are_named(tmp_path: Path) -> None:
    context = context_with(tmp_path, position=[1, 2])
    with pytest.raises(DataError, match=r"the log lacks: is_random_order"):
        with_order_shown(context, DEMANDED, ROWS, NOTHING)
