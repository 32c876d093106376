"""Totals of few keys over all time, looked up as of a second: for keys that every partition asks.

A cell, a market, a room type or an hour has few keys, and its sums are refreshed by the hour or
the day. So the sums per key and second at which they become visible are a small table, which is
summed once, by whoever holds the rows, and handed to all. The table is in the form of
:class:`~features.history.keyed_events.KeyedEvents`, with a text for a key: a code of one
process means nothing in another.

Example: clicks of a cell visible from second 10 (two of them) and from 20; windows are as in
:mod:`features.history.running_totals`, a sum that an opposite entry ends.

>>> table = pl.DataFrame({"key": ["c"] * 2, "visible_s": [20, 10], "s0": [1, 2]})
>>> totals = KnownTotals(table, sums=1)
>>> rows = pl.DataFrame({"cell": ["c", "c", "c", "d", None]})
>>> (known,), has_key = totals.before(key_text(rows, ["cell"]), np.array([9, 10, 25, 25, 25]))
>>> known.tolist(), has_key.tolist()
([0, 2, 3, 0, 0], [True, True, True, True, False])
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from features.history.aggregation_declaration import HistoryAggregation
from features.history.keyed_events import NEVER, TIME_BITS
from features.history.packed_keys import Array, Rows
from features.history.stage_aggregates import StageAggregate, stage_aggregates_of

__all__ = ["MOST_SUMS", "KnownTotals", "entries_of", "is_summable", "key_text", "stages_to_sum"]

_SEPARATOR = "\x1f"  # ASCII's own separator of units: in no name of a market or room type
MOST_SUMS = 4
"""Sums that an entry may hold: impressions, clicks, contacts, bookings."""


def key_text(rows: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """The key of each row as text; null where a part is null."""
    parts = [pl.col(name).cast(pl.String) for name in key]
    return rows.select(key=pl.concat_str(parts, separator=_SEPARATOR)).to_series()


def is_summable(aggregation: HistoryAggregation) -> bool:
    """Whether it may be summed beforehand: its refreshes are few, and it has no latest time."""
    is_coarse = aggregation.refresh_s > 1
    return is_coarse and not aggregation.latest and len(aggregation.aggregates) <= MOST_SUMS


def stages_to_sum(aggregations: Sequence[HistoryAggregation]) -> list[StageAggregate]:
    """The parts of the aggregations, in a fixed order: their numbers stand for them."""
    return [part for aggregation in aggregations for part in stage_aggregates_of(aggregation)]


def entries_of(number: int, part: StageAggregate, impressions: pl.DataFrame) -> pl.DataFrame:
    """What these impressions add to a part: one row per key and second, or per distinct value.

    Columns: ``part``; ``key``; ``value``, of a distinct count (a search counts once: its id);
    ``visible_s``; ``s0`` to ``s3``, the sums, 0 for a distinct count. Rows of other impressions
    add to them: sums by adding, distinct values by taking the earliest second.
    """
    rows, aggregation = Rows(impressions), part.aggregation
    is_event = part.is_event(rows)
    known_s = part.known_s(rows)
    every = aggregation.refresh_s
    counted = "id_search" if aggregation.counts_searches else part.distinct
    frame = impressions.select(
        key=key_text(impressions, aggregation.key),
        value=pl.lit(None, pl.String) if counted is None else pl.col(counted),
        visible_s=pl.Series((known_s // every + 1) * every),
    )
    amounts = part.amounts(rows) if counted is None else ()
    sums = {f"s{n}": pl.Series(amount) for n, amount in enumerate(amounts)}
    zeros = {f"s{n}": pl.lit(0, pl.Int64) for n in range(len(sums), MOST_SUMS)}
    events = frame.with_columns(**sums, **zeros).filter(
        pl.Series(is_event), pl.col("key").is_not_null()
    )
    names = [f"s{n}" for n in range(MOST_SUMS)]
    if counted is not None:
        events = events.filter(pl.col("value").is_not_null())
        by_value = events.group_by("key", "value").agg(
            pl.col("visible_s").min(), *(pl.col(n).sum() for n in names)
        )
        summed = by_value
    else:
        summed = events.group_by("key", "visible_s").agg(
            pl.col("value").first(), *(pl.col(n).sum() for n in names)
        )
    return summed.select(
        pl.lit(number, pl.Int32).alias("part"), "key", "value", "visible_s", *names
    )


class KnownTotals:
    """The sums of one part, per key and second."""

    def __init__(self, table: pl.DataFrame, *, sums: int, window_s: int | None = None) -> None:
        """``table``: ``key``, ``visible_s``, ``s0``…; each key and second at most once."""
        if window_s is not None:
            names = [f"s{n}" for n in range(sums)]
            ends = table.with_columns(pl.col("visible_s") + window_s, *(-pl.col(n) for n in names))
            table = pl.concat([table, ends])
        table = table.sort("key", "visible_s")
        self._keys = table.select(pl.col("key").unique(maintain_order=True)).with_row_index("place")
        number = table.join(self._keys, on="key", how="left", maintain_order="left")["place"]
        places = number.cast(pl.Int64).to_numpy()
        self._packed = _packed(places, table["visible_s"].to_numpy())
        self._starts = np.searchsorted(places, np.arange(self._keys.height))
        self._running = [np.append(0, np.cumsum(table[f"s{n}"].to_numpy())) for n in range(sums)]

    def before(self, keys: pl.Series, seconds: Array) -> tuple[list[Array], Array]:
        """The sums that a search at each second knows of its key, and who has a key."""
        asked = (
            keys.alias("key")
            .to_frame()
            .join(self._keys, on="key", how="left", maintain_order="left")
        )
        place = asked["place"].cast(pl.Int64).fill_null(NEVER).to_numpy()
        is_there = place > NEVER
        if len(self._packed) == 0 or not is_there.any():
            return [
                np.zeros(len(keys), dtype=np.int64) for _ in self._running
            ], keys.is_not_null().to_numpy()
        place = np.maximum(place, 0)
        until = np.searchsorted(self._packed, _packed(place, seconds), side="right")
        since = self._starts[place]
        sums = [np.where(is_there, running[until] - running[since], 0) for running in self._running]
        return sums, keys.is_not_null().to_numpy()


def _packed(places: Array, seconds: Array) -> Array:
    return np.asarray((places.astype(np.uint64) << TIME_BITS) | seconds.astype(np.uint64))
