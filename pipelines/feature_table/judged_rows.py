"""The worth of the clicks of a window, as the judge learns it from this log.

A window is judged by what was known outside it: who looks at what, from the day before it
began; what a click leads to, from the clicks of all windows, guests apart
(:mod:`models.click_worth`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from data.schema.feature_set import FeatureSet
from data.schema.tables import CLICKED, FEATURES, IMPRESSIONS
from data.time_split import Windows
from features.labels import lower_labels
from models.arrow_columns import stages
from models.click_worth import ClickWorth, ClickWorthConfig, click_worth
from models.evaluation.validation_metric import CLICK_WORTH
from models.row_source import Rows, places_of, read, read_at, with_columns
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.feature_table.build_table import feature_set_of
from pipelines.feature_table.training_rows import SplitRows
from pipelines.feature_table.window_rows import WindowRows
from pipelines.run_context import RunContext

__all__ = ["judge", "judge_test", "with_click_worth"]

_KEY = ["id_search", "id_listing"]
_SHOWN = ("position", "is_random_order")
_NEEDS = ("id_search", "id_listing", "id_user", "stage")


def judge(
    context: RunContext,
    judged: Rows,
    *,
    before: Rows,
    earlier: tuple[int, int],
    known_on: int,
    features: FeatureSet,
) -> ClickWorth | None:
    """The worth of each ``judged`` row; ``None`` where nothing was clicked.

    Args:
        judged: whole searches of the window, with every feature.
        before: rows of the window before it.
        earlier: first and last day before ``before``, whose clicks are read from the lake.
        known_on: the day whose knowledge of earlier outcomes counts, days since 1970.
        features: the features of the table.
    """
    if not _is_clicked(judged).any():
        return None
    present = FeatureSet(tuple(f for f in features if f.name in before.schema.names))
    columns = [*_NEEDS, *present.names]
    of_before = places_of(np.flatnonzero(_is_clicked(before)), before.num_rows)
    clicks = [
        _clicked(lower_labels(_clicks_of(context, earlier), known_on)).select(columns),
        *read_at(before, columns, [of_before]),
    ]
    shown = [name for name in _SHOWN if name in context.lake.columns(IMPRESSIONS.name)]
    return click_worth(
        _with_shown(context, judged, shown),
        learnt=_with_shown(context, before, shown),
        clicks=pa.concat_tables(clicks, promote_options="permissive"),
        features=present,
        config=ClickWorthConfig(seed=context.settings.seed),
    )


def judge_test(context: RunContext, rows: SplitRows) -> ClickWorth | None:
    """What the clicks of the test window are worth, whoever ordered them; ``None`` without any.

    Who looks at what is learnt from the validation window.
    """
    return judge(
        context,
        rows.test,
        before=rows.valid,
        earlier=rows.windows.train,
        known_on=rows.windows.label_cutoff_day,
        features=feature_set_of(context),
    )


def with_click_worth(context: RunContext, train: Rows, valid: Rows, windows: Windows) -> Rows:
    """The validation rows with the column that variants are chosen by; without it where nothing
    was clicked. Who looks at what is learnt from the last training day."""
    last = windows.train[1]
    worth = judge(
        context,
        valid,
        before=_of_day(train, last),
        earlier=(windows.train[0], last - 1),
        known_on=windows.label_cutoff_day,
        features=feature_set_of(context),
    )
    if worth is None:
        return valid
    return with_columns(valid, pa.table({CLICK_WORTH: worth.worth}))


def _of_day(rows: Rows, day: int) -> Rows:
    if isinstance(rows, WindowRows):
        return rows.of_day(day)
    days = read(rows, ["search_day"])["search_day"]
    of_day = places_of(np.flatnonzero(np.asarray(days) == day), rows.num_rows)
    return read_at(rows, rows.schema.names, [of_day])[0]


def _is_clicked(rows: Rows) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return stages(read(rows, ["stage"])) >= int(CLICKED)


def _clicked(rows: pa.Table) -> pa.Table:
    return rows.filter(pc.greater_equal(rows["stage"], int(CLICKED)))


def _clicks_of(context: RunContext, days: tuple[int, int]) -> pa.Table:
    rows = context.lake.scan(FEATURES.name).filter(
        pl.col("search_day").is_between(*days) & (pl.col("stage") >= int(CLICKED))
    )
    if "id_user" not in rows.collect_schema().names():
        rows = rows.with_columns(pl.lit(None, pl.String).alias("id_user"))
    return arrow(rows.collect(engine="streaming"))


def _with_shown(context: RunContext, rows: Rows, names: Sequence[str]) -> Rows:
    """The rows with what the log says of the place of each; never to score with."""
    if not names:
        return rows
    shown = context.lake.scan(IMPRESSIONS.name).select(*_KEY, *names)
    keys = frame_of(read(rows, _KEY)).lazy()
    joined = keys.join(shown, on=_KEY, how="left", maintain_order="left")
    placed = joined.select(names).collect(engine="streaming")
    return with_columns(rows, arrow(placed))
