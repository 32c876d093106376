"""From rows to the numeric matrix that trees read: one column per feature, in a fixed order.

A category becomes the integer of its place in a vocabulary learnt in training. Null, and
a category never seen in training, become null, which LightGBM reads as missing. With the
vocabulary ``("entire_home", "private_room")``:

    listing_room_type    entire_home    private_room    null    igloo
    code                           0               1    null     null
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from data.schema.feature_set import Feature, FeatureSet
from data.schema.tables import CARRIED
from models.arrow_columns import require_columns
from models.row_source import Rows, read

__all__ = ["FORBIDDEN", "FeatureMatrix", "of_other_results"]

# Never an input: identity and outcome, known only afterwards, and where a listing stood in
# the results, which another ranker decided.
FORBIDDEN: frozenset[str] = frozenset((*CARRIED, "position", "is_random_order", "propensity"))


_IN_SEARCH = "in_search"


def of_other_results(features: FeatureSet) -> tuple[str, ...]:
    """The features that compare a row with the other results of its search.

    They carry the order in which the results were shown. By their names too: a column of the
    user's own is compared as well, and belongs to another group.
    """
    return tuple(
        f.name for f in features if f.group == _IN_SEARCH or f.name.startswith(f"{_IN_SEARCH}_")
    )


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

    def fit(self, rows: Rows) -> Self:
        """Learn the vocabulary of every category from ``rows``, sorted."""
        require_columns(rows, self.features.names, model="the feature matrix")
        categories = self.features.categories
        words = read(rows, categories) if categories else None
        self.vocabulary = {} if words is None else {n: _distinct(words[n]) for n in categories}
        return self

    def encode(self, rows: pa.Table, *, model: str) -> pa.Table:
        """The matrix of ``rows``, row for row; numeric columns are passed on without a copy.

        Raises ``ValueError`` naming ``model`` and the absent columns, or a column of text
        where a number is declared.
        """
        require_columns(rows, self.features.names, model=model)
        return pa.table({f.name: self._column(f, rows[f.name]) for f in self.features})

    def _column(self, feature: Feature, column: pa.ChunkedArray) -> pa.ChunkedArray:
        if feature.kind == "category":
            vocabulary = pa.array(self.vocabulary[feature.name], pa.string())
            return pc.index_in(_as_text(column), value_set=vocabulary, skip_nulls=True)
        return _numeric(feature.name, column)


def _numeric(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    arrow_type: Any = column.type
    if pa.types.is_floating(arrow_type) or pa.types.is_integer(arrow_type):
        return column
    if pa.types.is_boolean(arrow_type):
        return column.cast(pa.int8())
    # A column without a single value is of Arrow's null type.
    if pa.types.is_null(arrow_type) or pa.types.is_decimal(arrow_type):
        return column.cast(pa.float64())
    raise ValueError(f"feature {name} is of type {arrow_type}; a number or a boolean is needed")


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _distinct(column: pa.ChunkedArray) -> tuple[str, ...]:
    values: Iterable[str] = pc.drop_null(pc.unique(_as_text(column))).to_pylist()
    return tuple(sorted(values))
