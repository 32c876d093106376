"""Erase a guest from the lake: from every table, and from every older version of it.

The rows are removed by rewriting the partitions that hold them, never by a delete
statement: its text would keep the id in the table's log. Then the older versions are
removed with their files, their statistics and their log entries, so that nothing under the
table's folder names the guest. The cost: the versions that earlier training runs name can no
longer be read. The caller tells the user so.

Steps, each of which can be repeated after a kill: rewrite the tables (impressions last),
correct the counts and reports in ``ingests``, remove the history of each table.
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
        # Impressions last: scores name a guest only by the search, and after a kill the
        # next call reads the guest's searches from impressions again.
        tables = sorted(TABLES, key=lambda table: table.name == IMPRESSIONS.name)
        tables = [table for table in tables if lake.exists(table.name)]
        rows = {table.name: _erase(lake, table, guests, searches) for table in tables}
        _correct_ingests(lake, token_of(guests))
        for table in tables:
            _forget_history(lake.path(table.name))
            remember_files(lake, table.name)
    return rows


def _erase(lake: Lake, table: Table, guests: Collection[str], searches: Collection[str]) -> int:
    """Rewrite the partitions that hold rows of the guest; how many rows were removed."""
    columns = lake.columns(table.name)
    is_guest = pl.lit(value=False)
    if "id_user" in columns:
        is_guest = is_guest | pl.col("id_user").is_in(list(guests)).fill_null(value=False)
    if "id_search" in columns:
        is_guest = is_guest | pl.col("id_search").is_in(list(searches))
    if table.name == QUARANTINE.name:
        is_guest = is_guest | _is_named_in_row(lake, guests)
    scan = lake.scan(table.name)
    by = list(table.partition_by)
    if not by:
        return 0  # ingests and quality hold no row of a guest; _correct_ingests does the rest
    held = scan.filter(is_guest).group_by(by).agg(rows=pl.len()).collect()
    if held.is_empty():
        return 0
    partitions = held.select(by).rows()
    for partition in partitions:  # one in memory at a time
        in_partition = pl.all_horizontal(
            pl.col(name) == value for name, value in zip(by, partition, strict=True)
        )
        lake.replace_partitions(table.name, scan.filter(in_partition & ~is_guest), [partition])
    return int(held["rows"].sum())


def _is_named_in_row(lake: Lake, guests: Collection[str]) -> pl.Expr:
    """Quarantined rows that name the guest anywhere in their text."""
    # first the fast search, which also finds the id inside a longer one; then the exact one
    may_name = pl.col("row").str.contains_any(list(guests))
    texts = lake.scan(QUARANTINE.name).filter(may_name).select("row").unique().collect()["row"]
    token = token_of(guests)
    return pl.col("row").is_in([text for text in texts if token.search(text)])


def _correct_ingests(lake: Lake, token: re.Pattern[str]) -> None:
    """Set the counts in ``ingests`` to the rows that are left, and blank the guest's id."""
    if not lake.exists(INGESTS.name):
        return
    ingests = lake.scan(INGESTS.name).collect()
    rows_of = {
        name: dict(
            lake.scan(table).group_by("source_id").agg(pl.len().cast(pl.Int64)).collect().rows()
        )
        for name, table in (("accepted", IMPRESSIONS.name), ("quarantined", QUARANTINE.name))
        if lake.exists(table)
    }
    sources = ingests["source_id"].to_list()
    accepted = [rows_of.get("accepted", {}).get(source, 0) for source in sources]
    quarantined = [rows_of.get("quarantined", {}).get(source, 0) for source in sources]
    corrected = ingests.with_columns(
        rows_accepted=pl.Series(accepted, dtype=pl.Int64),
        rows_quarantined=pl.Series(quarantined, dtype=pl.Int64),
        rows_in=pl.Series(accepted, dtype=pl.Int64) + pl.Series(quarantined, dtype=pl.Int64),
        report=pl.Series([token.sub("erased", text) for text in ingests["report"]]),
    )
    if not corrected.equals(ingests):
        lake.replace_all(INGESTS.name, corrected)


def _forget_history(path: Path) -> None:
    """Remove all but the last version: its older files and its older log entries."""
    DeltaTable(path).vacuum(
        retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True
    )
    # the checkpoint holds the whole last version, so that the entries before it can go: they
    # carry the least and greatest id of files that are gone
    table = DeltaTable(path)
    table.create_checkpoint()
    last = table.version()
    for entry in (path / "_delta_log").iterdir():
        numbered = _LOG_VERSION.match(entry.name)
        if numbered and int(numbered[1]) < last:
            entry.unlink()
    # a reader begins at the checkpoint that this names; it must be there
    pointer = json.loads((path / "_delta_log" / "_last_checkpoint").read_text())
    if pointer["version"] != last:
        raise AssertionError(f"{path}: the checkpoint of version {last} was not written")
