"""Which row of which file: the key by which rows leave a staged part or the lake.

``source_item`` tells the rows of one line apart, where a line holds several listings. It is
null elsewhere, and absent from tables and staged parts in which no row has one.
"""

from __future__ import annotations

import polars as pl

__all__ = ["LINEAGE", "only_named_in", "with_lineage", "without_named_in"]

LINEAGE = ("source_id", "source_line", "source_item")


def with_lineage(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a ``source_item``: null where they have none."""
    if "source_item" in rows.columns:
        return rows
    return rows.with_columns(source_item=pl.lit(None, pl.Int32))


def without_named_in(rows: pl.DataFrame, leaving: pl.DataFrame) -> pl.DataFrame:
    """The rows that are not ``leaving``, under their own columns."""
    others = with_lineage(rows).join(
        with_lineage(leaving), on=LINEAGE, how="anti", nulls_equal=True, maintain_order="left"
    )
    return others.select(rows.columns)


def only_named_in(rows: pl.DataFrame, leaving: pl.DataFrame) -> pl.DataFrame:
    """The rows that are ``leaving``, beside the further columns that it has of them."""
    return with_lineage(rows).join(with_lineage(leaving), on=LINEAGE, how="inner", nulls_equal=True)
