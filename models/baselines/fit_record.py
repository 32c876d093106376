"""What a baseline was chosen on, and which rows it was fitted on in the end.

A baseline learns from the training rows, its variants are compared on the validation rows, and
the best one is then fitted again on both: what a learnt model is compared with knows as much.
The second fit chooses nothing, so no row decides about a model that was fitted on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["FitRecord", "RowsUsed", "both_windows"]


@dataclass(frozen=True, kw_only=True)
class RowsUsed:
    """Rows and searches of a window, its first and last day (days since 1970; ``None``: unknown).

    >>> rows = pa.table({"id_search": ["s", "s", "t"], "search_day": [7, 7, 9]})
    >>> RowsUsed.of(rows)
    RowsUsed(rows=3, searches=2, first_day=7, last_day=9)
    """

    rows: int
    searches: int
    first_day: int | None
    last_day: int | None

    @classmethod
    def of(cls, *windows: pa.Table) -> Self:
        """Of these windows together; they share no search."""
        days = [day for rows in windows for day in _first_and_last(rows)]
        return cls(
            rows=sum(rows.num_rows for rows in windows),
            searches=sum(pc.count_distinct(rows["id_search"]).as_py() for rows in windows),
            first_day=min(days, default=None),
            last_day=max(days, default=None),
        )


@dataclass(frozen=True, kw_only=True)
class FitRecord:
    """How the variant was chosen and what the model that scores was fitted on.

    Attributes:
        learnt_on, chosen_on: rows that the variants learnt from, and on which they were compared.
        values: variant → its ``validation_value`` on ``chosen_on``.
        fitted_on: rows of the fit whose scores are used.
    """

    learnt_on: RowsUsed
    chosen_on: RowsUsed
    values: dict[str, float]
    fitted_on: RowsUsed

    @classmethod
    def of(cls, train: pa.Table, valid: pa.Table, values: Mapping[str, float]) -> Self:
        """Of a model that learnt from ``train``, was chosen on ``valid`` and fitted on both."""
        return cls(
            learnt_on=RowsUsed.of(train),
            chosen_on=RowsUsed.of(valid),
            values=dict(values),
            fitted_on=RowsUsed.of(train, valid),
        )

    @classmethod
    def of_dict(cls, saved: dict[str, Any]) -> Self:
        """What ``dataclasses.asdict`` gave."""
        used = {n: RowsUsed(**saved[n]) for n in ("learnt_on", "chosen_on", "fitted_on")}
        return cls(values=saved["values"], **used)


def both_windows(train: pa.Table, valid: pa.Table, columns: Sequence[str]) -> pa.Table:
    """These columns of both windows, one after the other."""
    parts = [rows.select(list(columns)) for rows in (train, valid)]
    return pa.concat_tables(parts, promote_options="permissive")


def _first_and_last(rows: pa.Table) -> list[int]:
    if "search_day" not in rows.column_names:
        return []
    ends = pc.min_max(rows["search_day"]).as_py()
    return [int(day) for day in ends.values() if day is not None]
