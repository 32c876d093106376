"""What the rules found in one block so far: typed columns, rejected rows, nulled cells."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from data.schema.reason_codes import Nulled, Reason

__all__ = ["Example", "Masked", "RowResults"]


@dataclass(frozen=True, kw_only=True)
class Example:
    """One nulled value, for the report: where it stood and what stood there."""

    line: int
    value: str


@dataclass(frozen=True, kw_only=True)
class Masked:
    """Cells of one column that were nulled for one reason."""

    column: str
    reason: Nulled
    mask: pl.Series
    raw: pl.Series


@dataclass
class RowResults:
    """Filled rule by rule; every series has one value per row of the block.

    Attributes:
        height: rows of the block.
        columns: the typed columns of impressions so far, by name.
        rejected: reason and the rows it holds for.
        nulled: cells that were nulled.
    """

    height: int
    columns: dict[str, pl.Series] = field(default_factory=dict)
    rejected: list[tuple[Reason, pl.Series]] = field(default_factory=list)
    nulled: list[Masked] = field(default_factory=list)

    def reject(self, reason: Reason, mask: pl.Series) -> None:
        """Quarantine the rows where ``mask`` is true (null counts as false)."""
        mask = mask.fill_null(value=False)
        if mask.any():
            self.rejected.append((reason, mask))

    def null(self, column: str, reason: Nulled, mask: pl.Series, raw: pl.Series) -> None:
        """Count the cells where ``mask`` is true as nulled for ``reason``."""
        mask = mask.fill_null(value=False)
        if mask.any():
            self.nulled.append(Masked(column=column, reason=reason, mask=mask, raw=raw))

    def is_rejected(self) -> pl.Series:
        """True for every row that at least one rule rejects."""
        any_of = pl.Series([False]).new_from_index(0, self.height)
        for _, mask in self.rejected:
            any_of = any_of | mask
        return any_of

    def reasons_of(self, chosen: pl.Series) -> pl.Series:
        """Reason codes of the chosen rows, separated by commas, in the order of the rules."""
        codes = pl.DataFrame(
            {str(i): mask.filter(chosen) for i, (_, mask) in enumerate(self.rejected)}
        )
        return codes.select(
            pl.concat_str(
                [
                    pl.when(pl.col(str(i))).then(pl.lit(str(reason)))
                    for i, (reason, _) in enumerate(self.rejected)
                ],
                separator=",",
                ignore_nulls=True,
            ).alias("reasons")
        ).to_series()
