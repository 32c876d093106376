"""The rows of some days of the features table, read from the lake batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import polars as pl
import pyarrow as pa

from data.schema.tables import FEATURES
from features.labels import lower_labels
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.run_context import RunContext

__all__ = ["WindowRows"]

_LABELS = ("contact_day", "book_day")


@dataclass(frozen=True)
class WindowRows:
    """Rows of a window (:class:`models.row_source.RowSource`); none is held.

    Attributes:
        table: the features table, of one version.
        days: first and last day, included.
        known_on: the day whose knowledge of outcomes counts (:mod:`features.labels`); ``None``:
            all that the log knows.
    """

    table: pl.LazyFrame
    days: tuple[int, int]
    known_on: int | None = None

    @classmethod
    def of(cls, context: RunContext, days: tuple[int, int], *, known_on: int | None = None) -> Self:
        """The window of the table as it is now.

        A log that names no guests gets a null ``id_user``.
        """
        table = context.lake.scan(FEATURES.name)
        if "id_user" not in table.collect_schema().names():
            table = table.with_columns(pl.lit(None, pl.String).alias("id_user"))
        return cls(table, days, known_on)

    def of_day(self, day: int) -> Self:
        """The rows of one day, outcomes as known on the same day as these."""
        return replace(self, days=(day, day))

    @cached_property
    def schema(self) -> pa.Schema:
        return self._known(arrow(self._rows.collect_schema().to_frame())).schema

    @cached_property
    def num_rows(self) -> int:
        return int(self._rows.select(pl.len()).collect().item())

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The rows with these columns, a row group at a time, in the order of the table."""
        of_labels = _LABELS if "stage" in columns and self.known_on is not None else ()
        wanted = {*columns, *of_labels, "search_day"}
        read = [name for name in self.schema.names if name in wanted]
        # A scan and a filter alone, in the table's order of columns: where the query also makes,
        # drops or turns round columns, the engine reads a window of millions ahead of whoever
        # takes the batches.
        for batch in self._rows.select(read).collect_batches(
            maintain_order=True, engine="streaming"
        ):
            rows = self._known(arrow(batch)) if of_labels else arrow(batch)
            yield rows.select(list(columns))

    @property
    def _rows(self) -> pl.LazyFrame:
        return self.table.filter(pl.col("search_day").is_between(*self.days))

    def _known(self, rows: pa.Table) -> pa.Table:
        """The rows with the stages that count."""
        return rows if self.known_on is None else lower_labels(rows, self.known_on)
