"""What is compared among the results of a search, as values of feature definitions.

:mod:`features.formulas.within_search_arrays` has the arithmetic.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import polars as pl

from features.formulas.within_search_arrays import ResultsBySearch, as_array

__all__ = ["Comparison", "Dominated", "ResultCount"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The value in ``column`` compared with those of the same search: float64, a rank uint32.

    Attributes:
        column: that is compared.
        kind: ``rank``, ``z``, ``to_median`` or ``to_best``.
        low_is_good: the best value is the lowest (price, distance).
    """

    column: str
    kind: str
    low_is_good: bool

    @property
    def reads(self) -> tuple[str, ...]:
        return ("id_search", self.column)

    @property
    def together(self) -> Hashable:
        return Comparison

    def compute(self, wanted: Mapping[str, Comparison], rows: pl.DataFrame) -> list[pl.Series]:
        """All of ``wanted``; those of one column share what is sorted."""
        results = ResultsBySearch(rows["id_search"])
        columns: dict[str, pl.Series] = {}
        for compared, low_is_good in dict.fromkeys(
            (c.column, c.low_is_good) for c in wanted.values()
        ):
            own = {
                n: c
                for n, c in wanted.items()
                if (c.column, c.low_is_good) == (compared, low_is_good)
            }
            value = rows[compared]
            kinds = {comparison.kind for comparison in own.values()}
            arrays = results.comparisons(as_array(value), kinds, low_is_good=low_is_good)
            for name, comparison in own.items():
                column = pl.Series(name, arrays[comparison.kind], nan_to_null=True)
                if comparison.kind == "rank":
                    column = _null_where_unknown(column, value)
                columns[name] = column.alias(name)
        return [columns[name] for name in wanted]


@dataclass(frozen=True, kw_only=True)
class ResultCount:
    """How many results the search has; or, with ``alike``, how many share that column's value.

    uint32, the row itself included. Unknown values are alike.
    """

    alike: str | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        return ("id_search", "id_listing") if self.alike is None else ("id_search", self.alike)

    @property
    def together(self) -> Hashable:
        return ResultCount

    def compute(self, wanted: Mapping[str, ResultCount], rows: pl.DataFrame) -> list[pl.Series]:
        """All of ``wanted``."""
        results = ResultsBySearch(rows["id_search"])
        columns = []
        for name, count in wanted.items():
            if count.alike is None:
                columns.append(pl.Series(name, results.result_counts()))
            else:
                codes = rows[count.alike].cast(pl.Categorical).to_physical()
                codes = codes.cast(pl.Int64).fill_null(-1)
                columns.append(pl.Series(name, results.same_code_counts(codes.to_numpy())))
        return columns


@dataclass(frozen=True, kw_only=True)
class Dominated:
    """How many results of the search are better: no worse in all columns, better in one; int32.

    Null where one of the columns is, and such a result is not better than any other.

    =====  ========  ======  ============  ====================================================
    price  distance  rating  dominated_by  because
    =====  ========  ======  ============  ====================================================
    90     1.0       4.5     1             the next is cheaper, as near and as well rated
    80     1.0       4.5     0
    70     2.0       4.0     0             cheapest: the others are nearer, but dearer
    null   0.0       5.0     null          the price is unknown, so it beats nobody either
    =====  ========  ======  ============  ====================================================

    Attributes:
        low, high: columns in which lower, or higher, is better.
    """

    low: tuple[str, ...]
    high: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return ("id_search", *self.low, *self.high)

    @property
    def together(self) -> Hashable:
        return self

    def compute(self, wanted: Mapping[str, Dominated], rows: pl.DataFrame) -> list[pl.Series]:
        """The one of ``wanted``."""
        values = [as_array(rows[n]) for n in self.low] + [-as_array(rows[n]) for n in self.high]
        counts = pl.Series(ResultsBySearch(rows["id_search"]).dominated_by(values))
        has_all = pl.all_horizontal(pl.col(n).is_not_null() for n in (*self.low, *self.high))
        (name,) = wanted
        return [rows.select(pl.when(has_all).then(counts).alias(name)).to_series()]


def _null_where_unknown(column: pl.Series, value: pl.Series) -> pl.Series:
    return pl.select(pl.when(value.is_not_null()).then(column)).to_series()
