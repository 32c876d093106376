"""What the row rules have produced of one chunk: typed columns, rejected rows, nulled cells."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from data.schema.reason_codes import Nulled, Reason

__all__ = ["Example", "NulledCells", "RowResults"]


@dataclass(frozen=True, kw_only=True)
class Example:
    """One nulled value, for the report: its line in the file and its text."""

    line: int
    value: str


@dataclass(frozen=True, kw_only=True)
class NulledCells:
    """Cells of one column that were nulled for one reason.

    ``mask`` says which rows, ``raw`` is the whole column as it stood in the log.
    """

    column: str
    reason: Nulled
    mask: pl.Series
    raw: pl.Series


@dataclass
class RowResults:
    """Filled rule by rule; every series has one value per row of the chunk.

    Rows stay where they are until all rules have run: a rejected row is only marked, so that
    a row with two faults carries both reasons.

    Attributes:
        height: rows of the chunk.
        columns: the typed columns of impressions so far, by name.
        rejected: per rule that rejects some row, its reason and a mask of the rows.
        nulled: cells that were nulled.
    """

    height: int
    columns: dict[str, pl.Series] = field(default_factory=dict)
    rejected: list[tuple[Reason, pl.Series]] = field(default_factory=list)
    nulled: list[NulledCells] = field(default_factory=list)

    def reject(self, reason: Reason, mask: pl.Series) -> None:
        """Quarantine the rows where ``mask`` is true (null counts as false)."""
        mask = mask.fill_null(value=False)
        if mask.any():
            self.rejected.append((reason, mask))

    def null(self, column: str, reason: Nulled, mask: pl.Series, raw: pl.Series) -> None:
        """Count the cells where ``mask`` is true as nulled for ``reason``."""
        mask = mask.fill_null(value=False)
        if mask.any():
            self.nulled.append(NulledCells(column=column, reason=reason, mask=mask, raw=raw))

    def is_rejected(self) -> pl.Series:
        """True for every row that at least one rule rejects."""
        is_rejected = pl.Series([False]).new_from_index(0, self.height)
        for _, mask in self.rejected:
            is_rejected = is_rejected | mask
        return is_rejected

    def reasons_of(self, is_chosen: pl.Series) -> pl.Series:
        """Reason codes of the chosen rows, separated by commas, in the order of the rules."""
        masks = pl.DataFrame(
            {str(i): mask.filter(is_chosen) for i, (_, mask) in enumerate(self.rejected)}
        )
        return masks.select(
            pl.concat_str(
                [
                    pl.when(pl.col(str(i))).then(pl.lit(str(reason)))
                    for i, (reason, _) in enumerate(self.rejected)
                ],
                separator=",",
                ignore_nulls=True,
            ).alias("reasons")
        ).to_series()
