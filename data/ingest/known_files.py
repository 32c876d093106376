"""Which contents the lake has taken in, beyond the files it read itself."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from data.lake.store import Lake
from data.schema.tables import INGESTS

__all__ = ["remember_as_known"]


def remember_as_known(lake: Lake, name: str, sha256: str) -> None:
    """Note that a file with this SHA-256 brings nothing new: it is a log already taken in,
    rewritten since (a guest was erased from it)."""
    if not lake.exists(INGESTS.name):
        return
    ledger = lake.scan(INGESTS.name).collect()
    source_id = sha256[:16]
    if ledger.is_empty() or source_id in ledger["source_id"].to_list():
        return
    row = ledger.head(1).with_columns(
        source_id=pl.lit(source_id),
        source_file=pl.lit(name),
        rows_in=pl.lit(0, pl.Int64),
        rows_accepted=pl.lit(0, pl.Int64),
        rows_quarantined=pl.lit(0, pl.Int64),
        ingested_at=pl.lit(datetime.now(UTC).replace(tzinfo=None)).cast(
            ledger["ingested_at"].dtype
        ),
        report=pl.lit("{}"),
    )
    lake.append(INGESTS.name, row)
