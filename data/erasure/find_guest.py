"""Find a guest in the lake: in its tables, and in files that older versions left on the disk."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from data.ingest.commit import recover
from data.lake.lock import lake_lock
from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, TABLES

__all__ = ["Traces", "find_traces", "token_of"]

# Columns of free text, in which an id may stand anywhere.
_TEXTS = ("row", "report")


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Where the lake names a guest, older versions included.

    Attributes:
        searches: the guest's searches, for tables that name a search but not its guest.
        days: the guest's days with a search, days since 1970.
        is_known: whether any row or log entry of any table names the guest.
    """

    searches: frozenset[str] = field(default_factory=frozenset)
    days: frozenset[int] = field(default_factory=frozenset)
    is_known: bool = False


def token_of(words: Collection[str]) -> re.Pattern[str]:
    """A pattern that finds any of the words where it stands alone, not inside a longer id.

    >>> token = token_of({"guest-1"})
    >>> [bool(token.search(text)) for text in ('{"id_user":"guest-1"}', "guest-12", "my-guest-1")]
    [True, False, False]
    """
    # longest first: of two alternatives a regular expression takes the first that fits
    either = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{either})(?![\w-])")


def find_traces(lake: Lake, guests: Collection[str], *, wait_s: float = 600.0) -> Traces:
    """Look for the guest known by any of these ids; holds the lake's lock meanwhile.

    What an earlier ingest had decided is committed first, so that no row of the guest is
    left waiting in staging.
    """
    with lake_lock(lake.home, wait_s=wait_s):
        recover(lake)
        return traces_on_disk(lake, guests)


def traces_on_disk(lake: Lake, guests: Collection[str]) -> Traces:
    """The same for a caller who holds the lock.

    Every file under the tables is read, not the tables: an erasure that was cut off may
    have left the guest in older versions only.
    """
    own = list(_own_searches(lake, guests))
    searches = frozenset(search for search, _ in own)
    folders = [lake.path(table.name) for table in TABLES if lake.exists(table.name)]
    is_known = bool(own) or any(_is_named(folder, guests, searches) for folder in folders)
    return Traces(searches=searches, days=frozenset(day for _, day in own), is_known=is_known)


def _own_searches(lake: Lake, guests: Collection[str]) -> Iterator[tuple[str, int]]:
    """The guest's searches and their days, of every version of the impressions."""
    if not lake.exists(IMPRESSIONS.name):
        return
    wanted = ("id_user", "id_search", "search_day")
    for frame in _frames(lake.path(IMPRESSIONS.name), wanted):
        if "id_user" in frame.columns:
            own = frame.filter(pl.col("id_user").is_in(list(guests)))
            yield from own.select("id_search", "search_day").unique().iter_rows()


def _is_named(folder: Path, guests: Collection[str], searches: Collection[str]) -> bool:
    """Whether a row or a log entry of the table under ``folder`` is the guest's."""
    for frame in _frames(folder, ("id_user", "id_search", *_TEXTS)):
        is_guest = pl.lit(value=False)
        if "id_user" in frame.columns:
            is_guest = is_guest | pl.col("id_user").is_in(list(guests))
        if "id_search" in frame.columns:
            is_guest = is_guest | pl.col("id_search").is_in(list(searches))
        if not frame.filter(is_guest).is_empty():
            return True
        if any(_is_in_text(frame[name], guests) for name in _TEXTS if name in frame.columns):
            return True
    return _is_in_log(folder, guests)


def _is_in_text(texts: pl.Series, guests: Collection[str]) -> bool:
    token = token_of(guests)
    candidates = texts.filter(texts.str.contains_any(list(guests)).fill_null(value=False))
    return any(token.search(text) for text in candidates)


def _is_in_log(folder: Path, guests: Collection[str]) -> bool:
    """Whether the table's log names the guest.

    It holds the least and greatest id of each file, also of files that were removed.
    """
    token = token_of(guests)
    entries = sorted((folder / "_delta_log").glob("*.json"))
    if any(token.search(entry.read_text(encoding="utf-8")) for entry in entries):
        return True
    checkpoints = sorted((folder / "_delta_log").glob("*.parquet"))
    frames = (_read(checkpoint) for checkpoint in checkpoints)
    return any(token.search(str(frame.to_dicts())) for frame in frames if frame is not None)


def _frames(folder: Path, wanted: Collection[str]) -> Iterator[pl.DataFrame]:
    """Every data file under ``folder``, reduced to those of the wanted columns that it has."""
    for path in sorted(folder.rglob("*.parquet")):
        if path.parent.name != "_delta_log":
            frame = _read(path, wanted)
            if frame is not None:
                yield frame


def _read(path: Path, wanted: Collection[str] | None = None) -> pl.DataFrame | None:
    """A file's columns; ``None`` for a file that is not whole.

    A writer that was killed left it half-written: it belongs to no version of its table.
    """
    try:
        schema = pl.read_parquet_schema(path)
        present = [name for name in schema if wanted is None or name in wanted]
        return pl.read_parquet(path, columns=present, hive_partitioning=False, glob=False)
    except pl.exceptions.ComputeError:
        return None
