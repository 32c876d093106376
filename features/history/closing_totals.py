"""The past at the end of a day, as tables: what the next day's build begins from.

Ids are text there, since codes belong to a process. Pairs of guest and listing are left out:
nine in ten come once, and the few that a day asks for are soon counted again.

Example: one listing was clicked twice, and its booking of today is known from tomorrow on.

>>> from data.schema.tables import BOOKED, CLICKED
>>> from features.history.aggregation_declaration import Aggregate
>>> listing = HistoryAggregation(
...     key=("id_listing",),
...     aggregates=(
...         Aggregate(name="clicks", stage=CLICKED),
...         Aggregate(name="bookings", stage=BOOKED),
...     ),
... )
>>> past = RunningPast([listing])
>>> log = pl.DataFrame(
...     {"id_listing": ["a", "a"], "search_s": [5, 9], "stage": [1, 3], "book_day": [None, 0]}
... )
>>> rows = Rows(encode_ids(log))
>>> _ = past.of_block(rows, searches=rows).columns(listing)
>>> closed = closing_totals(past, log.schema)
>>> closed["0-0"].rows(), closed["0-1"].rows()  # a total; and a booking that is visible later
([('a', None, 2)], [('a', 86400, 1)])
>>> next_day = RunningPast([listing])
>>> resume(next_day, closed)
>>> tomorrow = Rows(encode_ids(log.head(1).with_columns(search_s=pl.lit(90_000))))
>>> next_day.of_block(tomorrow, searches=tomorrow).columns(listing).rows()
[(2, 1)]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from features.history.aggregation_declaration import HistoryAggregation
from features.history.id_codes import ID_COLUMNS, codes_of, encode_ids, text_of
from features.history.keyed_events import KeyedEvents
from features.history.packed_keys import Array, Rows, columns_of_keys, words_of
from features.history.running_past import RunningPast
from features.history.sorting import sorted_order
from features.history.stage_aggregates import StageAggregate

__all__ = ["closing_totals", "resume"]

_SESSIONS = ("id_user", "search_s", "start_s", "count")
_CLICKS = ("id_user", "id_listing", "search_s")


def closing_totals(past: RunningPast, schema: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    """The past as tables, by name; ``schema``: the types of the events that it was fed with.

    ``A-P`` are the totals of part P of aggregation A: its key, ``visible_s`` (null: visible to
    all that follows), and a column per sum and latest time; ``A-P-pairs`` what a distinct count
    has seen. ``sessions`` and ``clicks`` are what these go on from.
    """
    tables: dict[str, pl.DataFrame] = {}
    for name, aggregation, part in _parts(past):
        totals, pending, pairs = part.closing()
        frames = [_table(totals, aggregation.key, part, schema, is_total=True)]
        frames += [_table(later, aggregation.key, part, schema) for later in pending]
        tables[name] = pl.concat(frames)
        if part.distinct is not None and len(pairs):
            tables[f"{name}-pairs"] = _named(pairs, (*aggregation.key, part.distinct), schema)
    for sessions in past.sessions.values():
        tables["sessions"] = _with_text(_SESSIONS, sessions.closing())
    tables["clicks"] = _with_text(_CLICKS, past.clicks.closing())
    return tables


def resume(past: RunningPast, closed: Mapping[str, pl.DataFrame]) -> None:
    """Bring ``past``, which is new and has the same sources, to where another closed."""
    for name, aggregation, part in _parts(past):
        table = closed[name]
        is_total = table["visible_s"].is_null()
        pairs = closed.get(f"{name}-pairs")
        part.resume(
            _events(table.filter(is_total), aggregation.key, part),
            _events(table.filter(~is_total), aggregation.key, part),
            np.empty(0, dtype=np.uint64) if pairs is None else _packed(pairs, pairs.columns),
        )
    for sessions in past.sessions.values():
        sessions.resume(*_as_arrays(closed["sessions"]))
    past.clicks.resume(*_as_arrays(closed["clicks"]))


def _parts(past: RunningPast) -> list[tuple[str, HistoryAggregation, StageAggregate]]:
    return [
        (f"{number}-{place}", aggregation, part)
        for number, (aggregation, parts) in enumerate(past.parts.items())
        for place, part in enumerate(parts)
        if not aggregation.is_sparse
    ]


def _table(
    events: KeyedEvents,
    key: Sequence[str],
    part: StageAggregate,
    schema: Mapping[str, Any],
    *,
    is_total: bool = False,
) -> pl.DataFrame:
    visible_s = pl.lit(None, pl.Int64) if is_total else pl.Series(events.visible_s, dtype=pl.Int64)
    values = zip(part.names, (*events.sums, *events.latest), strict=True)
    columns = {name: pl.Series(amount, dtype=pl.Int64) for name, amount in values}
    return _named(events.keys, key, schema).with_columns(visible_s=visible_s, **columns)


def _events(table: pl.DataFrame, key: Sequence[str], part: StageAggregate) -> KeyedEvents:
    columns = [table[name].to_numpy() for name in part.names]
    keys = _packed(table, key)
    order = sorted_order(keys)
    sums = len(part.names) - part.latest_times
    return KeyedEvents(
        keys=keys[order],
        visible_s=table["visible_s"].fill_null(0).to_numpy()[order],
        sums=tuple(column[order] for column in columns[:sums]),
        latest=tuple(column[order] for column in columns[sums:]),
        is_per_key=table["visible_s"].null_count() == table.height,
    )


def _named(keys: Array, names: Sequence[str], schema: Mapping[str, Any]) -> pl.DataFrame:
    columns = columns_of_keys(keys, names)
    return pl.DataFrame(
        {name: _values(name, column, schema) for name, column in columns.items()}
    ).select(names)


def _values(name: str, column: Array, schema: Mapping[str, Any]) -> pl.Series:
    if name in ID_COLUMNS:
        return text_of(column)
    # The lower half of a packed key is read as signed; codes of words are not.
    return words_of(column) if schema[name] == pl.String else pl.Series(column, dtype=schema[name])


def _packed(table: pl.DataFrame, names: Sequence[str]) -> Array:
    return Rows(encode_ids(table.select(names))).packed(names)


def _with_text(names: Sequence[str], columns: Sequence[Array]) -> pl.DataFrame:
    pairs = zip(names, columns, strict=True)
    return pl.DataFrame({n: text_of(c) if n in ID_COLUMNS else pl.Series(c) for n, c in pairs})


def _as_arrays(table: pl.DataFrame) -> list[Array]:
    return [
        codes_of(table[name]) if name in ID_COLUMNS else table[name].cast(pl.Int64).to_numpy()
        for name in table.columns
    ]
