"""Rows for the models: the features table cut into windows, labels as known when training.

A booking that comes after the training windows end was not known when the models were
trained. So the labels of the training and validation rows are lowered to the stage that was
known on the first day of the test window; the test rows keep all that the log knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from data.errors import DataError
from data.schema.feature_set import FeatureSet
from data.schema.tables import CARRIED, FEATURES
from data.time_split import SplitError, Windows, windows_by_days, windows_by_shares
from models.row_source import Rows, narrowed, read_all
from pipelines.config.settings import SplitSettings
from pipelines.feature_table.window_rows import WindowRows
from pipelines.run_context import RunContext

__all__ = [
    "SplitRows",
    "attribute_columns",
    "evaluation_rows",
    "load_rows",
    "training_rows",
    "training_windows",
    "windows_of",
]

ATTRIBUTE_GROUPS = ("query", "listing", "extra")

# A log of at most two weeks is cut by days, a longer one by shares of its searches.
LONGEST_CUT_BY_DAYS = 14


@dataclass(frozen=True)
class SplitRows:
    """The rows of the three windows, as :func:`evaluation_rows` gives them."""

    windows: Windows
    train: Rows
    valid: Rows
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
        return _windows_for(searches, context.settings.split)
    except SplitError as error:
        raise DataError(str(error)) from error


def _windows_for(searches: dict[int, int], settings: SplitSettings) -> Windows:
    """Windows from searches per day, by days or by shares of searches as the settings say."""
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
    """The features table's rows of these days, first and last included, as Arrow.

    A log that names no guests gets a null ``id_user``.
    """
    return read_all(WindowRows.of(context, days))


def attribute_columns(features: FeatureSet) -> list[str]:
    """The columns that a retriever reads: identity, outcome, attributes of query and listing.

    Features of the history are not among them: a retriever learns the past from the rows.
    """
    attributes = [f.name for f in features if f.group in ATTRIBUTE_GROUPS and not f.is_history]
    return [*CARRIED, *attributes]


def training_windows(context: RunContext, windows: Windows) -> tuple[WindowRows, WindowRows]:
    """Training and validation rows, with the stages known on the first test day; none is held."""
    cutoff = windows.label_cutoff_day
    train, valid = (
        WindowRows.of(context, days, known_on=cutoff) for days in (windows.train, windows.valid)
    )
    return train, valid


def training_rows(context: RunContext, windows: Windows) -> tuple[pa.Table, pa.Table]:
    """As :func:`training_windows`, all in memory."""
    train, valid = training_windows(context, windows)
    return read_all(train), read_all(valid)


def evaluation_rows(context: RunContext, windows: Windows, features: FeatureSet) -> SplitRows:
    """Test rows in memory, the others to be read: of training their attributes alone.

    Validation labels are those known on the first test day, as in training; test labels
    are all that the log knows.
    """
    train, valid = training_windows(context, windows)
    test = load_rows(context, windows.test)
    attributes = narrowed(train, attribute_columns(features))
    return SplitRows(windows=windows, train=attributes, valid=valid, test=test)
