"""Files that count as ingested although the lake did not read them itself."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from data.lake.store import Lake
from data.schema.tables import INGESTS

__all__ = ["is_known", "remember_as_known"]


def is_known(lake: Lake, sha256: str) -> bool:
    """Whether a file with this SHA-256 was taken in, or is recorded as bringing nothing new."""
    if not lake.exists(INGESTS.name):
        return False
    same = pl.col("source_id") == sha256[:16]
    return not lake.scan(INGESTS.name).filter(same).collect().is_empty()


def remember_as_known(lake: Lake, name: str, sha256: str) -> None:
    """Record in ``ingests`` that a file with this SHA-256 brings nothing new.

    It is a log that was ingested and rewritten since, because a guest was erased from it:
    under its new hash it would be ingested again. Its record counts zero rows.
    """
    if not lake.exists(INGESTS.name):
        return
    ingests = lake.scan(INGESTS.name).collect()
    source_id = sha256[:16]
    if ingests.is_empty() or source_id in ingests["source_id"].to_list():
        return
    # any record serves as the form: one that counts no rows is left out where sources are
    # compared
    record = ingests.head(1).with_columns(
        source_id=pl.lit(source_id),
        source_file=pl.lit(name),
        rows_in=pl.lit(0, pl.Int64),
        rows_accepted=pl.lit(0, pl.Int64),
        rows_quarantined=pl.lit(0, pl.Int64),
        ingested_at=pl.lit(datetime.now(UTC).replace(tzinfo=None)).cast(
            ingests["ingested_at"].dtype
        ),
        report=pl.lit("{}"),
    )
    lake.append(INGESTS.name, record)
