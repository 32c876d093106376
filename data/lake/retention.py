"""Delete the files of old table versions that no run can name any more; merge small files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from data.errors import HomeError
from data.lake.store import Lake

__all__ = ["drop_old_versions", "merge_small_files"]

# Delta removes log entries that are older than thirty days (delta.logRetentionDuration).
_YOUNG = timedelta(days=15)


def drop_old_versions(
    lake: Lake, table: str, *, keep_days: int, keep_versions: Sequence[int] = ()
) -> int:
    """Delete files that no version of the last ``keep_days`` days uses; how many there were.

    ``keep_versions`` stay readable however old they are. The caller holds the lake's lock.
    """
    if not lake.exists(table):
        return 0
    try:
        delta = DeltaTable(lake.path(table))
        deleted = delta.vacuum(
            retention_hours=keep_days * 24,
            dry_run=False,
            enforce_retention_duration=False,
            keep_versions=[v for v in keep_versions if v <= delta.version()] or None,
        )
        delta = DeltaTable(lake.path(table))
        delta.create_checkpoint()
        # a kept version needs its log entry, and Delta removes entries by age alone
        if _are_young(delta, keep_versions):
            delta.cleanup_metadata()
    except DeltaError as error:
        raise HomeError(f"{lake.path(table)}: old versions cannot be dropped: {error}") from error
    return len(deleted)


def merge_small_files(lake: Lake, table: str, *, from_files: int = 16) -> int:
    """Merge the files of a table into few, in one commit, where it has many; how many went.

    For a table that gets a row at a time: each of its files stands in every checkpoint of its
    log, with the least and greatest value of each column. The caller holds the lake's lock.
    """
    if not lake.exists(table):
        return 0
    try:
        delta = DeltaTable(lake.path(table))
        if len(delta.file_uris()) < from_files:
            return 0
        return int(delta.optimize.compact()["numFilesRemoved"])
    except DeltaError as error:
        raise HomeError(f"{lake.path(table)}: files cannot be merged: {error}") from error


def _are_young(delta: DeltaTable, versions: Sequence[int]) -> bool:
    """Whether every one of these versions is far younger than the entries that Delta removes."""
    if not versions:
        return True
    oldest_ms = (datetime.now(UTC) - _YOUNG).timestamp() * 1000
    made_ms = {entry["version"]: entry["timestamp"] for entry in delta.history()}
    return all(made_ms.get(version, 0) > oldest_ms for version in versions)
