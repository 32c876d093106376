"""Extra columns of a source mapping (``x_*``): passed on, and compared within the search.

What a mapping adds, the contract does not know; so a numeric extra that is not named
``x_query_*`` is taken for an attribute of the listing and gets a rank, a z-score and
ratios among the results. The direction of "best" is unknown, so high counts as good.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from data.schema.feature_set import FeatureKind
from data.schema.tables import EXTRA_PREFIX
from features.definitions.definition import Definition, defined
from features.groups.within_search import comparisons_of

__all__ = ["extras_of"]

_QUERY_PREFIX = f"{EXTRA_PREFIX}query_"


def extras_of(columns: Collection[str] | Mapping[str, Any]) -> tuple[Definition, ...]:
    """The features that these columns add: names alone, or names with Polars types.

    By names alone an extra column counts as a number.
    """
    definitions: list[Definition] = []
    for name in sorted(name for name in columns if name.startswith(EXTRA_PREFIX)):
        kind = _kind(columns[name]) if isinstance(columns, Mapping) else "number"
        if kind is None:
            continue
        meaning = "extra column of the source, as given"
        definitions.append(defined(name, meaning, null="not given", kind=kind))
        if kind == "number" and not name.startswith(_QUERY_PREFIX):
            definitions.extend(comparisons_of(name, name))
    return tuple(definitions)


def _kind(dtype: pl.DataType) -> FeatureKind | None:
    if dtype.is_numeric():
        return "number"
    if dtype == pl.Boolean:
        return "boolean"
    return "category" if dtype == pl.String else None
