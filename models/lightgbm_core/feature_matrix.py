"""From rows to the numeric matrix that trees read: one column per feature, in a fixed order.

A category becomes the integer of its place in a vocabulary learnt in training. Null, and
a category never seen in training, become null, which LightGBM reads as missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from data.schema.feature_set import Feature, FeatureSet
from data.schema.tables import CARRIED
from models.arrow_columns import need

__all__ = ["FORBIDDEN", "FeatureMatrix"]

# Identity and outcome, and where a listing stood in the results: known only afterwards,
# or only because a ranker had already decided.
FORBIDDEN: frozenset[str] = frozenset((*CARRIED, "position", "is_random_order", "propensity"))


class FeatureMatrix:
    """The features a model reads, with the vocabulary of each category.

    Raises ``ValueError`` when the set is empty or holds a column that is never an input.
    """

    def __init__(self, features: FeatureSet, vocabulary: dict[str, tuple[str, ...]] | None = None):
        forbidden = sorted(FORBIDDEN.intersection(features.names))
        if forbidden:
            raise ValueError(f"never an input of a model: {', '.join(forbidden)}")
        if not len(features):
            raise ValueError("a model needs at least one feature; the feature set is empty")
        self.features = features
        self.vocabulary = vocabulary or {}

    def fit(self, rows: pa.Table) -> Self:
        """Learn the vocabulary of every category from ``rows``, sorted."""
        need(rows, self.features.names, model="the feature matrix")
        self.vocabulary = {name: _distinct(rows[name]) for name in self.features.categories}
        return self

    def of(self, rows: pa.Table, *, model: str) -> pa.Table:
        """The matrix of ``rows``, row for row; numeric columns are passed on without a copy."""
        need(rows, self.features.names, model=model)
        return pa.table({f.name: self._column(f, rows[f.name]) for f in self.features})

    def _column(self, feature: Feature, column: pa.ChunkedArray) -> pa.ChunkedArray:
        if feature.kind == "category":
            known = pa.array(self.vocabulary[feature.name], pa.string())
            return pc.index_in(_as_text(column), value_set=known, skip_nulls=True)
        return _numeric(feature.name, column)


def _numeric(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind: Any = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return column
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8())
    if pa.types.is_null(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    raise ValueError(f"feature {name} is of type {kind}; a number or a boolean is needed")


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _distinct(column: pa.ChunkedArray) -> tuple[str, ...]:
    values: Iterable[str] = pc.drop_null(pc.unique(_as_text(column))).to_pylist()
    return tuple(sorted(values))
