"""Builds the features table: the features of all groups, joined onto the impressions.

``rows`` is the left side: identity, query and listing columns of impressions, or of
candidates that were never shown. ``past`` holds the events that may be known; in training
it is the same table.

What is the same for all rows of a search is computed once per search and then joined:

1. :func:`_described`: features of the row alone, and integer measures (names with ``_``);
2. :func:`_searches`: one row per search, with the features of its query, guest and market;
3. :func:`_row_features`: each row compared with its search, and with earlier events;
4. :func:`_assembled`: the three joined, with only the columns that were asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import narwhals as nw
import polars as pl

from data.errors import DataError
from data.schema.feature_set import Feature, FeatureSet
from data.schema.tables import CARRIED, EXTRA_PREFIX, IMPRESSIONS, Kind
from data.schema.time import DAY_S
from features.engine import collected_in_order, materialized_on_spark
from features.formulas.history_inputs import HISTORY_INPUTS, history_inputs_of, with_history_inputs
from features.formulas.nightly_price import PRICE_PARTS
from features.groups import (
    co_engagement,
    extra_columns,
    guest_history,
    listing,
    listing_engagement,
    market,
    query,
    query_listing_match,
    within_search,
)
from features.history.point_in_time import AllBlocks, EventHistory
from features.history.streaming_aggregates import StreamingAggregates

__all__ = [
    "ALL_FEATURES",
    "available_features",
    "build_block",
    "build_candidate_block",
    "build_features",
    "checked_features",
    "columns_read",
]

ALL_FEATURES: tuple[Feature, ...] = (
    *query.FEATURES,
    *listing.FEATURES,
    *query_listing_match.FEATURES,
    *within_search.FEATURES,
    *listing_engagement.FEATURES,
    *guest_history.FEATURES,
    *market.FEATURES,
    *co_engagement.FEATURES,
)
"""Every feature of a log in the contract's columns; a mapping's extras add to them."""

_OUTCOMES = ("stage", "contact_day", "book_day")
_REQUIRED = ("id_search", "id_listing", "market", "search_s", "search_day")


def available_features(columns: Collection[str] | Mapping[str, Any]) -> FeatureSet:
    """The features that a log with these impression columns supports.

    ``columns`` are names, or a mapping of names to Narwhals types, which tells numeric
    extras from others.
    """
    every = FeatureSet((*ALL_FEATURES, *extra_columns.extras_of(columns)))
    return every.available(columns)


def build_features(
    rows: Any, past: Any, *, features: FeatureSet | None = None, since_day: int | None = None
) -> nw.LazyFrame[Any]:
    """The features of each row, from the row itself, its search, and what came before.

    Args:
        rows: a frame that Narwhals knows (lazy or eager; Polars, Spark), one row per
            listing shown or considered in a search. Needs the identity columns.
        past: impressions with their outcomes; an event counts for a row only if it was
            known strictly before the row's search.
        features: which features; by default all that the columns support.
        since_day: only rows of this day or later are built (days since 1970), which is
            quicker than building all rows and filtering. By default all rows.

    Returns:
        A lazy frame of the columns of ``CARRIED`` that ``rows`` has and the features, in
        that order; as many rows as ``rows``, in no particular order.

    Raises:
        DataError: when an identity column is absent, or a column has the wrong type.
        ValueError: when a feature is asked for that these columns do not support.
    """
    left = nw.from_native(rows).lazy()
    before = nw.from_native(past).lazy()
    chosen = checked_features(left, before, features)
    if since_day is not None:
        left = left.filter(nw.col("search_day") >= since_day)
    described = materialized_on_spark(_described(left, set(chosen.names)))
    history = EventHistory(
        materialized_on_spark(history_inputs_of(before)),
        queries=described,
        queries_are_events=rows is past,
        since_s=(since_day or 0) * DAY_S,
    )
    built = _assembled(described, history, set(chosen.names))
    return built.select(*_carried(left), *chosen.names)


def checked_features(
    rows: nw.LazyFrame[Any], past: nw.LazyFrame[Any], features: FeatureSet | None
) -> FeatureSet:
    """The features to build of these rows; raises as :func:`build_features` does."""
    schema = dict(rows.collect_schema())
    columns = {**schema, **_outcomes_of(past)}
    chosen = available_features(columns) if features is None else features
    _check(chosen, columns)
    _check_types(schema)
    return chosen


def build_block(
    rows: pl.DataFrame, streaming: StreamingAggregates, features: FeatureSet, log: nw.LazyFrame[Any]
) -> pl.DataFrame:
    """The features of some whole searches, whose events are then added to ``streaming``.

    Polars only. ``rows`` come after every event that ``streaming`` holds, and have outcomes;
    their ids are codes. ``log`` gives all rows, with the same codes. ``features`` come from
    :func:`checked_features`. Rows stay in their order; columns as in :func:`build_features`.
    """
    left = nw.from_native(rows.lazy())
    wanted = set(features.names)
    described = collected_in_order(_described(left, wanted, measures=streaming.columns or None))
    history = EventHistory(
        described,
        queries=described,
        queries_are_events=True,
        streaming=streaming,
        all_blocks=AllBlocks(impressions=log, searches=log),
    )
    built = _assembled(described, history, wanted)
    native: pl.LazyFrame = built.select(*_carried(left), *features.names).to_native()
    return native.collect(engine="in-memory")


def build_candidate_block(
    rows: pl.DataFrame,
    events: pl.DataFrame,
    streaming: StreamingAggregates,
    features: FeatureSet,
    all_blocks: AllBlocks,
) -> pl.DataFrame:
    """The features of candidate rows, which are no events; ``events`` go into ``streaming``.

    As :func:`build_block`, for listings that are considered and were not shown. ``events`` are
    impressions with their history inputs, none before what ``streaming`` holds; those of the
    candidates' own time are known to them by the rule of strictly before.
    """
    wanted = set(features.names)
    left = nw.from_native(rows.lazy())
    described = collected_in_order(_described(left, wanted, measures=streaming.columns or None))
    history = EventHistory(
        nw.from_native(events.lazy()),
        queries=described,
        streaming=streaming,
        all_blocks=all_blocks,
    )
    built = _assembled(described, history, wanted)
    native: pl.LazyFrame = built.select(*_carried(left), *features.names).to_native()
    return native.collect(engine="in-memory")


def _described(
    rows: nw.LazyFrame[Any], wanted: set[str], measures: Collection[str] | None = None
) -> nw.LazyFrame[Any]:
    """The rows with their measures (all, or those named) and the features of the row alone."""
    read = columns_read(rows.collect_schema(), wanted)
    measured = with_history_inputs(rows.select(*read), measures)
    return query_listing_match.query_listing_match_features(
        listing.listing_features(measured, wanted), wanted
    )


def _carried(rows: nw.LazyFrame[Any]) -> list[str]:
    present = rows.collect_schema().names()
    return [name for name in CARRIED if name in present]


def _assembled(
    described: nw.LazyFrame[Any], history: EventHistory, wanted: set[str]
) -> nw.LazyFrame[Any]:
    # Each join copies every column of its left side, and there is one per aggregation: so
    # the aggregations are joined to a narrow frame, and that to the wide one, once.
    searches = _searches(described, history, wanted)
    search_columns = searches.collect_schema().names()
    row_columns = described.collect_schema().names()
    narrow = [n for n in row_columns if n in _ROW_COLUMNS or n.startswith(EXTRA_PREFIX)]
    sums = [name for name in search_columns if name in guest_history.SEARCH_SUMS]
    narrow_searches = searches.select("id_search", *sums)
    narrow_rows = history.hstack(described.select(*narrow), narrow_searches, on=["id_search"])
    of_rows = _row_features(narrow_rows, history, wanted)
    new_names = wanted - set(row_columns)
    new_row_names = new_names - set(sums)  # those join with their search
    new_of_searches = [name for name in search_columns if name in new_names]
    new_of_rows = [name for name in of_rows.collect_schema().names() if name in new_row_names]
    wide = history.hstack(
        described, searches.select("id_search", *new_of_searches), on=["id_search"]
    )
    return history.hstack_same_rows(wide, of_rows.select(*_KEY, *new_of_rows), on=list(_KEY))


def _searches(
    rows: nw.LazyFrame[Any], history: EventHistory, wanted: set[str]
) -> nw.LazyFrame[Any]:
    """One row per search: what is the same for all its rows."""
    present = rows.collect_schema().names()
    constant = [nw.col(name).max() for name in _SEARCH_COLUMNS if name in present]
    searches = history.in_order(rows.group_by("id_search").agg(*constant), by="id_search")
    by_search = history.queried_by(searches)
    # Joins with the calendar come last: what is put beside the searches needs their order.
    searches = guest_history.guest_search_features(searches, by_search, wanted)
    searches = market.market_search_features(searches, by_search, wanted)
    return history.materialized(query.query_features(searches, wanted))


def _row_features(
    rows: nw.LazyFrame[Any], history: EventHistory, wanted: set[str]
) -> nw.LazyFrame[Any]:
    rows = within_search.within_search_features(rows, wanted)
    rows = extra_columns.extra_features(rows, wanted)
    rows = listing_engagement.engagement_features(rows, history, wanted)
    rows = guest_history.guest_features(rows, history, wanted)
    rows = market.market_features(rows, history, wanted)
    return co_engagement.co_engagement_features(rows, history, wanted)


_KEY = ("id_search", "id_listing")
_SEARCH_COLUMNS = (
    "id_user",
    "market",
    "search_s",
    "search_day",
    "_query_cell",
    *query.QUERY_COLUMNS,
)
_ROW_COLUMNS = frozenset(
    {
        *_KEY,
        "id_user",
        "market",
        "search_s",
        "search_day",
        *HISTORY_INPUTS,
        *within_search.ROW_COLUMNS,
        *guest_history.ROW_COLUMNS,
        *market.ROW_COLUMNS,
    }
)
"""What the groups of :func:`_row_features` read of a row; extra columns are read too."""


def columns_read(schema: Mapping[str, Any], wanted: Collection[str]) -> list[str]:
    """The columns of the impressions that the wanted features read, or carry along."""
    chosen = [f for f in available_features(list(schema)) if f.name in wanted]
    read = {*CARRIED, *(name for f in chosen for name in f.needs)}
    if "listing_total_price" in read:
        read.update(PRICE_PARTS)
    if (listing_engagement.BY_ROOM_TYPE | market.BY_ROOM_TYPE) & set(wanted):
        read.add("listing_room_type")
    return [name for name in schema if name in read]


def _outcomes_of(past: nw.LazyFrame[Any]) -> dict[str, Any]:
    schema = past.collect_schema()
    return {name: schema[name] for name in _OUTCOMES if name in schema}


def _check(chosen: FeatureSet, columns: Mapping[str, Any]) -> None:
    absent = [name for name in _REQUIRED if name not in columns]
    if absent:
        raise DataError(f"features need the column(s) {', '.join(absent)}, which the rows lack")
    for entry in chosen:
        lacking = sorted(set(entry.needs) - set(columns))
        if lacking:
            raise ValueError(
                f"feature {entry.name} needs the column(s) {', '.join(lacking)}, which this log "
                "lacks; ask available_features(columns) for those that it supports"
            )


def _check_types(schema: Mapping[str, Any]) -> None:
    for column in IMPRESSIONS.columns:
        dtype = schema.get(column.name)
        if dtype is not None and not _has_kind(dtype, column.kind):
            raise DataError(
                f"column {column.name} is {dtype}, but the impressions hold a "
                f"{column.kind.value} there: ingest the log again, or mend its mapping"
            )


def _has_kind(dtype: Any, kind: Kind) -> bool:
    if kind in {Kind.COUNT, Kind.NUMBER}:
        return bool(dtype.is_numeric())
    if kind in {Kind.DAY, Kind.SECOND, Kind.STAGE}:
        return bool(dtype.is_integer())
    if kind is Kind.BOOLEAN:
        return bool(dtype == nw.Boolean)
    if kind in {Kind.ID, Kind.CATEGORY}:
        return bool(dtype == nw.String)
    return True
