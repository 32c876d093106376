"""One feature, one record: its name, meaning, unit, null and the expression that computes it.

The expression says by itself what it reads: columns of the log, other definitions, and columns
of the past (:mod:`features.history.past_sources`). From these follow the columns that a log needs
for it, whether it is of the past, and whether it is the same for all rows of a search
(:mod:`features.definitions.catalogue`). So nothing is written down twice.

>>> share = defined(
...     "query_child_share",
...     "children as a share of the party",
...     pl.col("query_num_children") / pl.col("query_num_guests"),
...     unit="share",
... )
>>> reads(share, columns=())
('query_num_children', 'query_num_guests')
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from data.schema.feature_set import FeatureKind

__all__ = [
    "NEVER_NULL",
    "Computed",
    "Definition",
    "Value",
    "defined",
    "hidden",
    "reads",
    "value_of",
]

NEVER_NULL = "never null"


class Computed(Protocol):
    """What no expression of one row can say: a comparison of results, a place in the calendar."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns that it is computed from."""
        ...

    @property
    def together(self) -> Hashable:
        """Those that have this in common are computed in one call."""
        ...

    def compute(self, wanted: Mapping[str, Any], rows: pl.DataFrame) -> list[pl.Series]:
        """The columns of ``wanted`` (name → value, this one among them), a value per row."""
        ...


Value = pl.Expr | Computed | Callable[[Collection[str]], pl.Expr] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Definition:
    """A column, and how it is computed.

    Attributes:
        name: of the column; with ``_`` in front it never reaches the features table.
        meaning: one plain sentence.
        value: an expression; a :class:`Computed`; a function from the columns that a log has
            to an expression, which for no columns names what cannot be done without; or
            ``None``: the column of that name, of the log or of the past, as it is.
        unit, null, kind: see :class:`data.schema.feature_set.Feature`.
    """

    name: str
    meaning: str = ""
    value: Value = None
    unit: str = ""
    null: str = "a needed value is unknown"
    kind: FeatureKind = "number"


def defined(
    name: str,
    meaning: str,
    value: Value = None,
    *,
    unit: str = "",
    null: str = "a needed value is unknown",
    kind: FeatureKind = "number",
) -> Definition:
    """A feature; see :class:`Definition`."""
    return Definition(name=name, meaning=meaning, value=value, unit=unit, null=null, kind=kind)


def hidden(name: str, value: Value) -> Definition:
    """A column that others read, and that is no feature. Its name begins with ``_``."""
    if not name.startswith("_"):
        raise ValueError(f"{name}: a column that is no feature begins with an underscore")
    return Definition(name=name, value=value)


def value_of(definition: Definition, columns: Collection[str]) -> pl.Expr | Computed | None:
    """The value for a log with these columns."""
    value: Any = definition.value
    is_plain = value is None or isinstance(value, pl.Expr) or hasattr(value, "compute")
    return value if is_plain else value(columns)  # type: ignore[no-any-return]


def reads(definition: Definition, columns: Collection[str]) -> tuple[str, ...]:
    """The columns that it is computed from, in a log with these columns.

    With no columns: those that it cannot do without.
    """
    value = value_of(definition, columns)
    if value is None:
        return (definition.name,)
    names = value.meta.root_names() if isinstance(value, pl.Expr) else value.reads
    return tuple(dict.fromkeys(names))
