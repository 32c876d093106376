"""Rows for the models: the features table cut into windows, labels as known when training."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from data.contract import FEATURES
from data.errors import DataError
from data.split import SplitError, Windows, windows_by_days, windows_by_shares
from features.funnel import lower_labels
from pipelines.settings import SplitSettings
from pipelines.steps.arrow import arrow
from pipelines.steps.context import RunContext

__all__ = ["SplitRows", "load_rows", "split_rows", "windows_of"]

# A log of at most two weeks is cut by days, a longer one by shares of its searches.
LONGEST_CUT_BY_DAYS = 14


@dataclass(frozen=True)
class SplitRows:
    """The rows of the three windows.

    ``train`` and ``valid`` carry the stages known when training would have run, on the
    first test day; ``test`` carries all that the log knows.
    """

    windows: Windows
    train: pa.Table
    valid: pa.Table
    test: pa.Table


def windows_of(context: RunContext) -> Windows:
    """The split windows of the features table, on the log's own timeline.

    Raises ``DataError`` when the log is too short to train, validate and test on
    different days.
    """
    per_day = (
        context.lake.scan(FEATURES.name)
        .group_by("search_day")
        .agg(searches=pl.col("id_search").n_unique())
        .collect()
    )
    searches = {int(day): int(count) for day, count in per_day.iter_rows()}
    try:
        return cut(searches, context.settings.split)
    except SplitError as error:
        raise DataError(str(error)) from error


def cut(searches: dict[int, int], settings: SplitSettings) -> Windows:
    """Windows from searches per day, by days or by shares as the settings say."""
    span = max(searches) - min(searches) + 1 if searches else 0
    by_days = settings.by == "days" or (settings.by == "auto" and span <= LONGEST_CUT_BY_DAYS)
    if by_days:
        return windows_by_days(
            list(searches), valid_days=settings.valid_days, test_days=settings.test_days
        )
    return windows_by_shares(
        searches, valid_share=settings.valid_share, test_share=settings.test_share
    )


def load_rows(context: RunContext, days: tuple[int, int]) -> pa.Table:
    """The features table's rows of these days, first and last included, as Arrow."""
    frame = (
        context.lake.scan(FEATURES.name)
        .filter(pl.col("search_day").is_between(*days))
        .collect(engine="streaming")
    )
    return arrow(frame)


def split_rows(context: RunContext, windows: Windows) -> SplitRows:
    """The rows of all three windows."""
    return SplitRows(
        windows=windows,
        train=lower_labels(load_rows(context, windows.train), windows.label_cutoff_day),
        valid=lower_labels(load_rows(context, windows.valid), windows.label_cutoff_day),
        test=load_rows(context, windows.test),
    )
