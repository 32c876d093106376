"""Extra columns of a source mapping (``x_*``): passed on, and compared within the search.

What a mapping adds, the contract does not know; so a numeric extra that is not named
``x_query_*`` is taken for an attribute of the listing and gets a rank, a z-score and
ratios among the results. The direction of "best" is unknown, so high counts as good.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import narwhals as nw

from data.schema.feature_set import Feature, FeatureKind
from data.schema.tables import EXTRA_PREFIX
from features.formulas.feature_declaration import feature, grouped
from features.groups.within_search import ComparedValue, add_comparisons, comparison_features

__all__ = ["extra_features", "extras_of"]

_QUERY_PREFIX = f"{EXTRA_PREFIX}query_"


def extras_of(columns: Collection[str] | Mapping[str, Any]) -> tuple[Feature, ...]:
    """The features that these columns add: names alone, or names with Narwhals types.

    By names alone an extra column counts as a number.
    """
    features: list[Feature] = []
    for name in sorted(name for name in columns if name.startswith(EXTRA_PREFIX)):
        kind = _kind(columns[name]) if isinstance(columns, Mapping) else "number"
        if kind is None:
            continue
        meaning = "extra column of the source, as given"
        features.append(feature(name, meaning, (name,), null="not given", kind=kind))
        if kind == "number" and not name.startswith(_QUERY_PREFIX):
            features.extend(comparison_features(_compared_value(name)))
    return grouped("extra", tuple(features))


def extra_features(rows: nw.LazyFrame[Any], wanted: Collection[str]) -> nw.LazyFrame[Any]:
    """One impression per row in; with the wanted comparisons of extra columns out."""
    names = [name for name in rows.collect_schema().names() if name.startswith(EXTRA_PREFIX)]
    return add_comparisons(rows, [_compared_value(name) for name in names], wanted)


def _compared_value(name: str) -> ComparedValue:
    return ComparedValue(name=name, column=name, needs=(name,))


def _kind(dtype: nw.dtypes.DType) -> FeatureKind | None:
    if dtype.is_numeric():
        return "number"
    if dtype == nw.Boolean:
        return "boolean"
    return "category" if dtype == nw.String else None
