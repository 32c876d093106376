"""Read files again whose rows the lake holds: what leaves it, and what that leaves open.

``first.csv`` was read with dates the wrong way round and is read again with a corrected mapping::

    impressions   market-days that hold its rows are written anew: the rows of other files stay,
                  its old ones go, its new ones come, on other days perhaps
    quarantine    the same by the day of ingest
    ingests       one record of the file, the new one

What the old rows have done to those of *other* files is not undone: a row of ``second.csv`` that
was the duplicate of an old row stays in the quarantine, although nothing may be there any more
that it repeats. The report counts such rows and names the files; redone together with the first
they are decided on anew.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from data.ingest.staging import Staging
from data.lake.store import Lake
from data.schema.reason_codes import Reason

__all__ = ["LeavingRows", "leaving_rows", "without_files"]

# Quarantined for what stands in other rows. Such rows are kept in the contract's columns.
_BECAUSE_OF_OTHERS = (
    Reason.DUPLICATE,
    Reason.SUPERSEDED,
    Reason.SEARCH_TWO_USERS,
    Reason.SEARCH_TWO_TIMES,
)


def without_files(rows: pl.LazyFrame, files: Collection[str]) -> pl.LazyFrame:
    """The rows of all other files; ``files`` by ``source_id``."""
    return rows.filter(~pl.col("source_id").is_in(list(files))) if files else rows


@dataclass(frozen=True, kw_only=True)
class LeavingRows:
    """What the lake holds of the files that are read again.

    Attributes:
        accepted: rows of impressions, by ``source_id``.
        market_days: partitions of impressions that hold them.
        quarantine_days: partitions of quarantine to be written anew: empty where none of the
            rows is quarantined, else those days and the days of the new rows.
        findings: sentences for the report.
    """

    accepted: dict[str, int] = field(default_factory=dict)
    market_days: tuple[tuple[str, date], ...] = ()
    quarantine_days: tuple[date, ...] = ()
    findings: tuple[str, ...] = ()


def leaving_rows(lake: Lake, redone: Collection[str], staging: Staging) -> LeavingRows:
    """Look up what the lake holds of the ``redone`` files."""
    if not redone:
        return LeavingRows()
    is_redone = pl.col("source_id").is_in(list(redone))
    held = lake.scan("impressions").filter(is_redone)
    by = ["source_id", "market", "ds_search"]
    days = held.group_by(by).agg(rows=pl.len().cast(pl.Int64)).collect(engine="streaming")
    accepted = days.group_by("source_id").agg(pl.col("rows").sum()).rows()
    market_days = days.select("market", "ds_search").unique().rows()
    return LeavingRows(
        accepted=dict(accepted),
        market_days=tuple(market_days),
        quarantine_days=_quarantine_days(lake, is_redone, staging),
        findings=_still_quarantined(lake, is_redone),
    )


def _quarantine_days(lake: Lake, is_redone: pl.Expr, staging: Staging) -> tuple[date, ...]:
    held = lake.scan("quarantine").filter(is_redone).select("ds_ingested").unique().collect()
    if held.is_empty():
        return ()
    days = set(held["ds_ingested"].to_list())
    for kind in ("rejected", "lost"):
        for part in staging.parts(kind):
            days |= set(pl.read_parquet(part, columns=["ds_ingested"])["ds_ingested"].to_list())
    return tuple(sorted(days))


def _still_quarantined(lake: Lake, is_redone: pl.Expr) -> tuple[str, ...]:
    """Rows of other files that were quarantined because of rows in the searches of these."""
    codes = [str(reason) for reason in _BECAUSE_OF_OTHERS]
    search = pl.col("row").str.json_path_match("$.id_search").alias("id_search")
    quarantined = lake.scan("quarantine").filter(pl.col("reasons").str.contains_any(codes))
    searches = pl.concat(
        [
            lake.scan("impressions").filter(is_redone).select("id_search"),
            quarantined.filter(is_redone).select(search),
        ]
    ).unique()
    others = (
        quarantined.filter(~is_redone)
        .select("source_file", search)
        .join(searches, on="id_search", how="semi")
        .group_by("source_file")
        .agg(rows=pl.len())
        .sort("source_file")
        .collect(engine="streaming")
    )
    if others.is_empty():
        return ()
    names = ", ".join(others["source_file"].head(3).to_list())
    more = f" and {others.height - 3} more" if others.height > 3 else ""
    sentence = (
        f"{others['rows'].sum():,} row(s) of other files were quarantined because of rows that "
        "have been replaced now, and stay there; redo their files too and they are decided on "
        f"anew: {names}{more}"
    )
    return (sentence,)
