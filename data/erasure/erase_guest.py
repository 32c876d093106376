"""A guest leaves the lake: every table, and every older version of it.

The rows are taken out by rewriting the partitions that hold them, never by a delete
statement: its text would keep the id in the table's log. Then the versions before are
removed with their files, their statistics and their log entries, so that nothing under the
table's folder remembers. Other guests' training runs can then no longer read the versions
that they name: that is the price, and the caller says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from data.erasure.find_guest import token_of, traces_on_disk
from data.ingest.commit import recover
from data.lake.checksums import remember_files
from data.lake.lock import lake_lock
from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, INGESTS, QUARANTINE, TABLES, Table

__all__ = ["erase_from_lake"]

_LOG_VERSION = re.compile(r"^(\d{20})\.")


def erase_from_lake(
    lake: Lake, guests: Collection[str], *, wait_s: float = 600.0
) -> dict[str, int]:
    """Remove the guest known by any of these ids; table → rows removed.

    Holds the lake's lock meanwhile. The older versions of every table go too, so call it
    only for a guest whom the lake knows (:func:`data.erasure.find_guest.find_traces`).
    Cut off at any point it can be repeated: what is left is removed by the next call.
    """
    with lake_lock(lake.home, wait_s=wait_s):
        recover(lake)
        searches = traces_on_disk(lake, guests).searches
        # The impressions last: they know whose the searches in the other tables are.
        tables = sorted(TABLES, key=lambda table: table.name == IMPRESSIONS.name)
        tables = [table for table in tables if lake.exists(table.name)]
        rows = {table.name: _erase(lake, table, guests, searches) for table in tables}
        _settle_ingests(lake, token_of(guests))
        for table in tables:
            _forget_history(lake.path(table.name))
            remember_files(lake, table.name)
    return rows


def _erase(lake: Lake, table: Table, guests: Collection[str], searches: Collection[str]) -> int:
    """Rewrite the partitions that hold rows of the guest; how many rows left."""
    columns = lake.columns(table.name)
    is_guest = pl.lit(value=False)
    if "id_user" in columns:
        is_guest = is_guest | pl.col("id_user").is_in(list(guests)).fill_null(value=False)
    if "id_search" in columns:
        is_guest = is_guest | pl.col("id_search").is_in(list(searches))
    if table.name == QUARANTINE.name:
        is_guest = is_guest | _names(lake, guests)
    scan = lake.scan(table.name)
    by = list(table.partition_by)
    if not by:
        return 0
    held = scan.filter(is_guest).group_by(by).agg(rows=pl.len()).collect()
    if held.is_empty():
        return 0
    partitions = held.select(by).rows()
    for partition in partitions:  # one in memory at a time
        here = pl.all_horizontal(pl.col(n) == v for n, v in zip(by, partition, strict=True))
        lake.replace_partitions(table.name, scan.filter(here & ~is_guest), [partition])
    return int(held["rows"].sum())


def _names(lake: Lake, guests: Collection[str]) -> pl.Expr:
    """Quarantined rows that name the guest anywhere in their text."""
    coarse = pl.col("row").str.contains_any(list(guests))
    texts = lake.scan(QUARANTINE.name).filter(coarse).select("row").unique().collect()["row"]
    token = token_of(guests)
    return pl.col("row").is_in([text for text in texts if token.search(text)])


def _settle_ingests(lake: Lake, token: re.Pattern[str]) -> None:
    """Make the ledger count what is left, and say nothing of the guest."""
    if not lake.exists(INGESTS.name):
        return
    ledger = lake.scan(INGESTS.name).collect()
    held = {
        name: dict(
            lake.scan(table).group_by("source_id").agg(pl.len().cast(pl.Int64)).collect().rows()
        )
        for name, table in (("accepted", IMPRESSIONS.name), ("quarantined", QUARANTINE.name))
        if lake.exists(table)
    }
    sources = ledger["source_id"].to_list()
    accepted = [held.get("accepted", {}).get(source, 0) for source in sources]
    quarantined = [held.get("quarantined", {}).get(source, 0) for source in sources]
    settled = ledger.with_columns(
        rows_accepted=pl.Series(accepted, dtype=pl.Int64),
        rows_quarantined=pl.Series(quarantined, dtype=pl.Int64),
        rows_in=pl.Series(accepted, dtype=pl.Int64) + pl.Series(quarantined, dtype=pl.Int64),
        report=pl.Series([token.sub("erased", text) for text in ledger["report"]]),
    )
    if not settled.equals(ledger):
        lake.replace_all(INGESTS.name, settled)


def _forget_history(path: Path) -> None:
    """Leave the last version alone: no older file, no older log entry."""
    DeltaTable(path).vacuum(
        retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True
    )
    table = DeltaTable(path)
    table.create_checkpoint()
    last = table.version()
    for entry in (path / "_delta_log").iterdir():
        numbered = _LOG_VERSION.match(entry.name)
        if numbered and int(numbered[1]) < last:
            entry.unlink()
    # A reader begins at the checkpoint that this names; it must be there.
    pointer = json.loads((path / "_delta_log" / "_last_checkpoint").read_text())
    if pointer["version"] != last:
        raise AssertionError(f"{path}: the checkpoint of version {last} was not written")
