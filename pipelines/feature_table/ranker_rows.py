"""Columns that training needs beyond the features: journey labels, the order shown."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from data.errors import DataError
from data.schema.tables import IMPRESSIONS
from features.labels import credit_journeys
from models.funnel.config import FunnelConfig
from models.lambdarank.config import LambdaRankConfig
from models.row_source import Rows, read, with_columns
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.run_context import RunContext

__all__ = ["with_order_shown", "with_training_columns"]

_ORDER_SHOWN = ("position", "is_random_order")
_KEY = ["id_search", "id_listing"]


def with_training_columns(
    context: RunContext, config: LambdaRankConfig, train: Rows, valid: Rows
) -> tuple[Rows, Rows]:
    """Training and validation rows with every column that ``config`` learns from.

    ``journey_stage`` credits an impression with what the guest did later in the two
    windows, so far as it was known when training. ``position`` and ``is_random_order``
    come from the impressions. Raises ``DataError`` where the log lacks them.
    """
    if config.labels == "journey":
        train, valid = _credited(train, valid)
    names = [name for name in _ORDER_SHOWN if name in config.needs]
    return _with_impression_columns(context, names, train, valid)


def with_order_shown(
    context: RunContext, config: FunnelConfig, train: Rows, valid: Rows
) -> tuple[Rows, Rows]:
    """Both windows with ``position`` and ``is_random_order`` where the funnel learns from them.

    By default it does wherever the log has both, and without them where it lacks one. Raises
    ``DataError`` where the settings demand them and the log lacks one.
    """
    present = context.lake.columns(IMPRESSIONS.name)
    is_demanded = config.debiasing == "position"
    is_known = all(name in present for name in _ORDER_SHOWN)
    if config.debiasing == "none" or not (is_known or is_demanded):
        return train, valid
    return _with_impression_columns(context, _ORDER_SHOWN, train, valid)


def _with_impression_columns(
    context: RunContext, names: Sequence[str], train: Rows, valid: Rows
) -> tuple[Rows, Rows]:
    """Both windows with these columns of the impressions; unchanged where ``names`` is empty.

    Raises ``DataError`` naming a column that the log lacks.
    """
    if not names:
        return train, valid
    present = context.lake.columns(IMPRESSIONS.name)
    absent = [name for name in names if name not in present]
    if absent:
        raise DataError(f"debiasing needs column(s) that the log lacks: {', '.join(absent)}")
    return _with_impressions(context, train, names), _with_impressions(context, valid, names)


def _credited(train: Rows, valid: Rows) -> tuple[Rows, Rows]:
    """Both windows with ``journey_stage``; a journey may lead from one into the other."""
    names = [*_KEY, "id_user", "search_s", "stage"]
    both = pa.concat_tables([read(train, names), read(valid, names)])
    credited = credit_journeys(frame_of(both)).select(*_KEY, "journey_stage")
    return _joined(train, credited), _joined(valid, credited)


def _with_impressions(context: RunContext, rows: Rows, names: Sequence[str]) -> Rows:
    impressions = context.lake.scan(IMPRESSIONS.name).select(*_KEY, *names)
    columns = frame_of(read(rows, _KEY)).lazy().join(impressions, on=_KEY, how="inner")
    return _joined(rows, columns.collect(engine="streaming"))


def _joined(rows: Rows, columns: pl.DataFrame) -> Rows:
    """The rows in their order, with the columns appended."""
    keys = frame_of(read(rows, _KEY))
    joined = keys.join(columns, on=_KEY, how="left", validate="1:1", maintain_order="left")
    return with_columns(rows, arrow(joined.select(columns.columns[len(_KEY) :])))
