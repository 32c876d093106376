"""Features of candidate rows in one pass over the log, whatever the number of guests.

A candidate is a listing that is considered for a search: no impression, and no event. All
candidates are built from the running sums that a build of impressions uses
(:mod:`features.build_in_blocks`), so that a candidate has the bits that an impression of the
same listing, search and time would have. The log is read once, up to the last candidate.

Candidates come in order of their time. Most are asked for on the day after the log; a search
that cannot be repeated keeps its own time, and is built where it lies between the impressions:

========  ======================================  =========================================
time      impressions                             candidates
========  ======================================  =========================================
day 1     added to the sums                       none
day 2     10:00 shown to ann, 14:00 clicked       of a search of 12:00: they know 10:00 alone
day 3     the log is over                         of all others: they know all of it
========  ======================================  =========================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import polars as pl

from data.schema.feature_set import FeatureSet
from data.schema.time import DAY_S
from features.build import Block, events_of, planned, with_text
from features.build_in_blocks import BLOCK_ROWS, rows_of_days
from features.definitions.plan import Plan
from features.history.id_codes import encode_ids
from features.history.packed_keys import Rows, sorted_unique
from features.history.running_past import RunningPast
from features.market_days import days_around, tells_instants

__all__ = ["build_candidates"]


def build_candidates(
    blocks: Iterable[pl.DataFrame],
    impressions: pl.LazyFrame,
    *,
    pairs: pl.DataFrame,
    features: FeatureSet,
    block_rows: int = BLOCK_ROWS,
) -> Iterator[pl.DataFrame]:
    """The features of each block of candidates, with its rows in their order.

    Args:
        blocks: candidate rows with the identity, query and listing columns of impressions:
            whole searches, in order of time, also from block to block.
        impressions: the log, with outcomes; only what is known strictly before a candidate's
            search counts.
        pairs: ``id_user`` and ``id_listing`` of all candidates: what guests did with these
            listings alone is kept.
        features: which features; columns that a candidate lacks (outcomes) are never read.
        block_rows: impressions that are read together.

    Raises ``ValueError`` when the blocks are not in order of time.
    """
    schema = impressions.collect_schema()
    plan = planned(schema, schema, features)
    past = RunningPast(plan.sources)
    for aggregation in past.sparse:
        coded = encode_ids(pairs.select(aggregation.key).drop_nulls())
        past.restrict_to_keys(aggregation, sorted_unique(Rows(coded).packed(aggregation.key)))
    reader = _LogReader(impressions, past, plan, block_rows)
    for candidates in blocks:
        parts = []
        for rows in reader.parts_of(candidates):
            block = Block(encode_ids(rows), plan)
            events = Rows(reader.events_until(int(rows["search_s"].max())))  # type: ignore[arg-type]
            known = past.of_block(block.rows, searches=block.searches, events=events)
            parts.append(with_text(block.built(known), rows))
        if parts:
            yield pl.concat(parts) if len(parts) > 1 else parts[0]


class _LogReader:
    """Reads the log forward: what lies before the candidates at hand, and what lies among them."""

    def __init__(
        self, impressions: pl.LazyFrame, past: RunningPast, plan: Plan, block_rows: int
    ) -> None:
        self._past, self._impressions, self._plan = past, impressions, plan
        instants = tells_instants(impressions.collect_schema())
        self._days = partial(days_around, tells_instants=instants)
        sizes = impressions.group_by("search_s").agg(rows=pl.len()).sort("search_s").collect()
        block = (sizes["rows"].cum_sum() - 1) // block_rows
        # The last second of each block: a second is never cut in two.
        self._cuts = sizes["search_s"].to_numpy()[np.flatnonzero(np.diff(block, append=-1))]
        # All up to this second, included, is in the sums.
        self._read_until = int(self._cuts[0]) - DAY_S * 36_500 if len(self._cuts) else 0

    def parts_of(self, block: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """The candidates in parts that lie within one block of the log each."""
        if block.is_empty():
            return
        seconds = block["search_s"].to_numpy()
        if (np.diff(seconds) < 0).any() or seconds[0] <= self._read_until:
            raise ValueError("candidates must come in order of time, whole seconds together")
        number = np.searchsorted(self._cuts, seconds, side="left")
        edges = np.flatnonzero(np.diff(number, prepend=-1))
        for start, end in zip(edges, np.append(edges[1:], len(seconds)), strict=True):
            part = block.slice(int(start), int(end - start))
            self._add_until(int(part["search_s"][0]) - 1)
            yield part

    def events_until(self, last_s: int) -> pl.DataFrame:
        """The impressions from where reading stopped up to this second; they are read then."""
        events = self._between(self._read_until, last_s)
        self._read_until = last_s
        return events

    def _add_until(self, last_s: int) -> None:
        """Add the impressions up to this second to the sums, which nobody asked for on the way."""
        ends = [int(cut) for cut in self._cuts if self._read_until < cut < last_s]
        for end in [*ends, last_s]:
            events = self._between(self._read_until, end)
            self._past.add_events(events, last_s + 1)
            self._read_until = end

    def _between(self, after_s: int, last_s: int) -> pl.DataFrame:
        rows = rows_of_days(self._impressions, *self._days(after_s, last_s))
        between = rows.filter(pl.col("search_s") > after_s, pl.col("search_s") <= last_s)
        return events_of(between.select(self._plan.read_of_events).collect(), self._plan)
