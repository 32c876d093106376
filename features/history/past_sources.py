"""What a feature may ask of the past: the seam between features and engines.

A feature group names sources, and reads their columns in its expressions. It never meets an
engine; an engine answers sources, and never knows a feature:

==================================  ==========================================================
source                              its columns, of each row or search
==================================  ==========================================================
:class:`HistoryAggregation`         sums, windows, distinct counts and latest times, per key
:class:`GuestSessions`              the session that goes on
:class:`ClickedVectorSums`          the vectors of what the guest clicked
:class:`ListingVectors`             the vector of the listing, learnt on the days before
==================================  ==========================================================

All of it strictly before the search. A source that names the outcome of a row cannot be
declared.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import polars as pl

from features.history.aggregation_declaration import HistoryAggregation
from features.history.clicked_vectors import ClickedVectorSums, ListingVectors
from features.history.sessions import GuestSessions

__all__ = ["Past", "PastSource", "part_of", "reads_of"]

PastSource = HistoryAggregation | GuestSessions | ClickedVectorSums | ListingVectors


class Past(Protocol):
    """The past of the rows of one block."""

    def columns(self, source: PastSource) -> pl.DataFrame:
        """The source's columns: for each row of the block, or each search, in their order.

        Whether for rows or for searches depends on the source's key. Integers; null where the
        key holds a null, latest times also where there is no event.
        """
        ...


def reads_of(source: PastSource, name: str) -> tuple[str, ...]:
    """The columns of rows and events that a source's column of this name is made from."""
    return source.read_for(name) if isinstance(source, HistoryAggregation) else source.reads


def part_of(source: PastSource, names: Collection[str]) -> PastSource | None:
    """The part of a source that gives these columns; only an aggregation comes in parts."""
    return source.only(names) if isinstance(source, HistoryAggregation) else source
