"""Find a guest in the lake by the columns that name guests, older versions included."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from data.erasure.broken_line import is_in_broken, with_escapes
from data.erasure.guest import CONTRACT_COLUMN, Guest
from data.erasure.named_in_text import NamedInText, is_distinctive
from data.erasure.quoted_in_report import reports_guest
from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, QUARANTINE, TABLES
from data.sources.apply_mapping import apply_rule
from data.sources.column_rules import Rule

__all__ = ["Traces", "files_of_guest", "find_traces", "is_rejected_row_of", "rows_of_guest"]

# What a table's log may hold at most of a long text, as the least or greatest of a file.
_SHORTENED = 64


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Where the lake names a guest, older versions included.

    Attributes:
        searches: the guest's searches and no other guest's, for tables that name a search but
            not its guest.
        days: the guest's days with a search, days since 1970.
        tables: those with a row, or an entry of their log, that is the guest's.
        unreadable: files of a last version that could not be read, by their paths.
    """

    searches: frozenset[str] = field(default_factory=frozenset)
    days: frozenset[int] = field(default_factory=frozenset)
    tables: frozenset[str] = field(default_factory=frozenset)
    unreadable: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether any table, or an older version of one, holds a row of the guest."""
        return bool(self.tables)


def find_traces(lake: Lake, guest: Guest) -> Traces:
    """Look for the guest in every file under the tables; changes nothing.

    The files are read, not the tables: an erasure that was cut off may have left the guest in
    older versions only. ``guest.searches`` are taken for the guest's beside those found here.
    The caller sees to it that nobody writes meanwhile.
    """
    own = list(_own_searches(lake, guest))
    searches = {search for search, _ in own} | guest.searches
    searches -= _searches_of_others(lake, guest, searches)
    whole = replace(guest, searches=frozenset(searches))
    tables = {t.name for t in TABLES if lake.exists(t.name) and _is_named(lake, t.name, whole)}
    return Traces(
        searches=whole.searches,
        days=frozenset(day for _, day in own),
        tables=frozenset(tables),
        unreadable=tuple(_unreadable(lake)),
    )


def files_of_guest(lake: Lake, guest: Guest) -> frozenset[str]:
    """The logs that the guest's rows came from, older versions included, by ``source_id``."""
    found: set[str] = set()
    for table in (IMPRESSIONS.name, QUARANTINE.name):
        if lake.exists(table):
            wanted = (CONTRACT_COLUMN, "id_search", "row", "reasons", "source_id")
            for frame in _frames(lake.path(table), wanted):
                if "source_id" in frame.columns:
                    found |= set(frame.filter(rows_of_guest(frame, guest))["source_id"])
    return frozenset(found)


def rows_of_guest(frame: pl.DataFrame, guest: Guest) -> pl.Series:
    """Which rows of a table, or of any frame with its columns, are the guest's.

    By ``id_user``, by ``id_search`` where it is a search of the guest, and rejected rows by
    the guest's column inside ``row``. Any other column is of no account.
    """
    own = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
    if CONTRACT_COLUMN in frame.columns:
        own = own | guest.is_in(frame[CONTRACT_COLUMN])
    if "id_search" in frame.columns:
        own = own | guest.has_search(frame["id_search"])
    if {"row", "reasons"} <= set(frame.columns) and frame["row"].dtype == pl.String:
        own = own | _rejected(frame["row"], guest)
    return own


def is_rejected_row_of(text: str, guest: Guest) -> bool:
    """Whether a rejected row, as the JSON that the quarantine keeps, is the guest's.

    >>> guest = Guest(ids=frozenset({"381"}))
    >>> rows = ('{"id_user": "381", "price": "9"}', '{"id_user": "9", "price": "381"}')
    >>> [is_rejected_row_of(row, guest) for row in rows]
    [True, False]
    """
    try:
        row = json.loads(text)
    except ValueError:
        return NamedInText(guest)(text)
    if not isinstance(row, dict):
        return False
    if set(row) == {"line"}:
        return is_in_broken(str(row["line"]), with_escapes(guest))
    if any(guest.is_id(row[name]) for name in guest.columns & set(row)):
        return True
    if any(_is_by_rule(rule, row, guest) for rule in guest.rules if set(rule.needs) <= set(row)):
        return True
    # under a mapping that is not at hand: a cell that can be nothing but this id
    certain = Guest(ids=frozenset(name for name in guest.ids if is_distinctive(name)))
    return any(certain.is_id(value) for value in row.values())


def _is_by_rule(rule: Rule, row: dict[str, Any], guest: Guest) -> bool:
    """Whether the rule makes this guest's id of the row's cells."""
    cells = {n: [None if row[n] is None else _spelled(row[n])] for n in rule.needs}
    values = apply_rule(rule, pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String)), "auto")
    return bool(guest.is_in(values.values).any())


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _parts_of_joined(guest: Guest) -> Iterator[str]:
    """What stands in the cells of a joined id; see ``data.sources.apply_mapping.join_text``."""
    if any(rule.join is not None for rule in guest.rules):
        for name in guest.ids:
            yield from (re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\)/", name))


def _rejected(texts: pl.Series, guest: Guest) -> pl.Series:
    # first the fast search, which also finds the id inside a longer one; then the exact one
    spellings = [
        *NamedInText(with_escapes(guest)).spellings,
        *filter(None, _parts_of_joined(guest)),
    ]
    candidates = texts.filter(texts.str.contains_any(spellings).fill_null(value=False)).unique()
    own = [text for text in candidates if is_rejected_row_of(text, guest)]
    return texts.is_in(own).fill_null(value=False)


def _own_searches(lake: Lake, guest: Guest) -> Iterator[tuple[str, int]]:
    """The guest's searches and their days, of every version of the impressions."""
    if not lake.exists(IMPRESSIONS.name):
        return
    for frame in _frames(lake.path(IMPRESSIONS.name), ("id_user", "id_search", "search_day")):
        if "id_user" in frame.columns:
            own = frame.filter(guest.is_in(frame["id_user"]))
            yield from own.select("id_search", "search_day").unique().iter_rows()


def _searches_of_others(lake: Lake, guest: Guest, searches: Collection[str]) -> set[str]:
    """Those of the searches that the impressions give to somebody else too."""
    if not searches or not lake.exists(IMPRESSIONS.name):
        return set()
    scan = lake.scan(IMPRESSIONS.name)
    if "id_user" not in scan.collect_schema().names():
        return set()
    # a row without an id is nobody's: it leaves with the search that the guest made
    others = pl.col("id_user").is_not_null() & ~pl.col("id_user").is_in(list(guest.ids))
    rows = scan.filter(pl.col("id_search").is_in(list(searches)), others)
    return set(rows.select("id_search").unique().collect()["id_search"])


def _is_named(lake: Lake, table: str, guest: Guest) -> bool:
    folder = lake.path(table)
    wanted = (CONTRACT_COLUMN, "id_search", "row", "reasons", "report")
    for frame in _frames(folder, wanted):
        if rows_of_guest(frame, guest).any():
            return True
        if "report" in frame.columns and any(reports_guest(t, guest) for t in frame["report"]):
            return True
    return _is_in_log(folder, guest)


def _is_in_log(folder: Path, guest: Guest) -> bool:
    """Whether the table's log names the guest: as the least or greatest value of a file.

    Of a file that is gone, that is: the rows of one that is there have been looked at.
    """
    for entry in sorted((folder / "_delta_log").glob("*.json")):
        for line in entry.read_text(encoding="utf-8").splitlines():
            if any(_bounds_name(stats, guest) for stats in _bounds_in(folder, json.loads(line))):
                return True
    for checkpoint in sorted((folder / "_delta_log").glob("*.parquet")):
        frame = _read(checkpoint)
        rows = frame.to_dicts() if frame is not None else []
        if any(_bounds_name(stats, guest) for row in rows for stats in _bounds_in(folder, row)):
            return True
    return False


def _bounds_in(folder: Path, entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for action in ("add", "remove"):
        content = entry.get(action)
        if not isinstance(content, dict) or (folder / unquote(str(content.get("path")))).exists():
            continue
        stats = content.get("stats_parsed") or content.get("stats") or {}
        yield json.loads(stats) if isinstance(stats, str) else stats


def _bounds_name(stats: dict[str, Any], guest: Guest) -> bool:
    for side in ("minValues", "maxValues"):
        values = stats.get(side) or {}
        if not isinstance(values, dict):
            continue
        if _is_bound(values.get(CONTRACT_COLUMN), guest.ids):
            return True
        if _is_bound(values.get("id_search"), guest.searches):
            return True
        row = values.get("row")  # the beginning of a rejected row
        if isinstance(row, str) and NamedInText(guest)(row):
            return True
    return False


def _is_bound(value: object, ids: Collection[str]) -> bool:
    if not isinstance(value, str):
        return False
    # of a longer text the log keeps the beginning, the last character of a greatest raised
    beginning = value[: _SHORTENED - 1]
    return value in ids or (
        len(value) >= _SHORTENED and any(name.startswith(beginning) for name in ids)
    )


def _unreadable(lake: Lake) -> Iterator[str]:
    for table in TABLES:
        if lake.exists(table.name):
            for file in lake.files(table.name):
                if _read(Path(file.address), ()) is None:
                    yield file.address


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
    except (pl.exceptions.PolarsError, OSError):
        return None
