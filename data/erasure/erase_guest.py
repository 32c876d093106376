"""Erase a guest from the lake: from every table, and from every older version of it.

The rows are removed by rewriting the partitions that hold them, never by a delete
statement: its text would keep the id in the table's log. Then the older versions of the tables
that named the guest are removed with their files, their statistics and their log entries, so
that nothing under the table's folder names the guest. The cost: the versions that earlier
training runs name can no longer be read. Tables that never named the guest keep theirs.

Two functions, because between them the caller points at the versions that stay:
:func:`erase_rows` (impressions last, then the counts in ``ingests`` and the checksums of the new
files), and :func:`end_history`. Each can be repeated after a kill, and the last thing to go is
what tells a repeated call that there is something left to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

import polars as pl

from data.erasure.find_guest import rows_of_guest
from data.erasure.guest import CONTRACT_COLUMN, Guest
from data.erasure.named_in_text import NamedInText
from data.erasure.quoted_in_report import without_guest
from data.errors import HomeError
from data.lake.checksums import damaged_files, remember_files
from data.lake.local_table import LocalTable
from data.lake.store import Lake, Partition
from data.schema.tables import IMPRESSIONS, INGESTS, QUARANTINE, TABLES, Table

__all__ = ["ErasedRows", "end_history", "erase_rows"]

_LOG_VERSION = re.compile(r"^(\d{20})\.")
_WITHHELD = "(erased)"


class ErasedRows(dict[str, int]):
    """Table → rows removed; ``problems``: sentences on tables that could not be touched."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []


def erase_rows(lake: Lake, guest: Guest) -> ErasedRows:
    """Remove the guest's rows from the last version of every table; the history stays.

    A table with a damaged file stays as it is: rewritten, the damage would pass for sound. The
    caller holds the lake's lock. Cut off at any point it can be repeated.
    """
    erased = ErasedRows()
    # Impressions last: scores name a guest only by the search, and after a kill the next call
    # reads the guest's searches from impressions again.
    for table in sorted(TABLES, key=lambda table: table.name == IMPRESSIONS.name):
        if not lake.exists(table.name) or not table.partition_by:
            continue
        # before anything is read: what is damaged may well not be readable
        if damaged := damaged_files(lake, table.name):
            erased.problems.append(f"table {table.name}: {damaged[0]}; restore it from a back-up")
            continue
        own = _partitions_of(lake, table, guest)
        erased[table.name] = sum(_erase(lake, table, partition, guest) for partition in own)
    _correct_ingests(lake, guest)
    for table in TABLES:
        if lake.exists(table.name) and _has_checksums(lake, table):
            remember_files(lake, table.name)
    return erased


def end_history(lake: Lake, tables: Collection[str]) -> None:
    """Remove all but the last version of these tables. The caller holds the lake's lock.

    Impressions last: their old versions tell a repeated call which searches were the guest's.
    """
    for name in sorted(tables, key=lambda name: (name == IMPRESSIONS.name, name)):
        _forget_history(lake.path(name))


def _has_checksums(lake: Lake, table: Table) -> bool:
    # what no batch has looked at yet has no sums; the first that does records them
    return (lake.home / "checksums" / f"{table.name}.json").exists()


def _partitions_of(lake: Lake, table: Table, guest: Guest) -> list[Partition]:
    """The partitions that hold rows of the guest; the columns that name nobody are not read."""
    wanted = {CONTRACT_COLUMN, "id_search", "row", "reasons"}
    own = []
    for partition in lake.partitions(table.name):
        scan = _within(lake, table, partition)
        names = [name for name in scan.collect_schema().names() if name in wanted]
        if rows_of_guest(scan.select(names).collect(), guest).any():
            own.append(partition)
    return own


def _erase(lake: Lake, table: Table, partition: Partition, guest: Guest) -> int:
    """Rewrite one partition, which is held in memory; how many rows were removed."""
    frame = _within(lake, table, partition).collect()
    own = rows_of_guest(frame, guest)
    lake.replace_partitions(table.name, frame.filter(~own), [partition])
    return int(own.sum())


def _within(lake: Lake, table: Table, partition: Partition) -> pl.LazyFrame:
    equal = zip(table.partition_by, partition, strict=True)
    return lake.scan(table.name).filter(pl.all_horizontal(pl.col(n) == v for n, v in equal))


def _correct_ingests(lake: Lake, guest: Guest) -> None:
    """Set the counts in ``ingests`` to the rows that are left, and blank a quoted id."""
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
    names = NamedInText(guest)
    reports = [text and without_guest(text, guest, names, _WITHHELD) for text in ingests["report"]]
    corrected = ingests.with_columns(
        rows_accepted=pl.Series(accepted, dtype=pl.Int64),
        rows_quarantined=pl.Series(quarantined, dtype=pl.Int64),
        rows_in=pl.Series(accepted, dtype=pl.Int64) + pl.Series(quarantined, dtype=pl.Int64),
        report=pl.Series(reports, dtype=pl.String),
    )
    if not corrected.equals(ingests):
        lake.replace_all(INGESTS.name, corrected)


def _forget_history(path: Path) -> None:
    """Remove all but the last version: its older files and its older log entries."""
    # not by Delta's vacuum: it would add two versions, and whoever points at the last one would
    # point at one that is gone
    used = {Path(name) for name in LocalTable(path).file_uris()}
    folder = Path(LocalTable(path).folder)
    if missing := [file for file in used if not file.exists()]:
        raise HomeError(f"{missing[0]}: is missing; restore the table from a back-up")
    for file in sorted(folder.rglob("*")):
        is_log = file.relative_to(folder).parts[0] == "_delta_log"
        if file.is_file() and not is_log and file not in used:
            file.unlink()
    # the checkpoint holds the whole last version, so that the entries before it can go: they
    # carry the least and greatest id of files that are gone
    table = LocalTable(path)
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
