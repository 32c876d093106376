"""All groups, joined onto the impressions: the features table.

``rows`` is the left side: identity, query and listing columns of impressions, or of
candidates that were never shown. ``past`` is what may be known of the past; in training
it is the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import narwhals as nw
import polars as pl

from data.errors import DataError
from data.schema.feature_set import Feature, FeatureSet
from data.schema.tables import CARRIED, EXTRA_PREFIX, IMPRESSIONS, Kind
from data.schema.time import DAY_S
from features.engine import collected_in_order, materialized_on_spark
from features.formulas.history_inputs import history_inputs_of, with_history_inputs
from features.formulas.pricing import PRICE_PARTS
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
from features.history.point_in_time import EventHistory
from features.history.streaming_aggregates import StreamingAggregates

__all__ = [
    "ALL_FEATURES",
    "available_features",
    "build_block",
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
    described = FeatureSet((*ALL_FEATURES, *extra_columns.extras_of(columns)))
    return described.available(columns)


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
            quicker than building all and keeping those. By default all rows.

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
    known = EventHistory(
        materialized_on_spark(history_inputs_of(before)),
        queries=described,
        queries_are_events=rows is past,
        since_s=(since_day or 0) * DAY_S,
    )
    built = _assembled(described, known, set(chosen.names))
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
    """The features of some whole searches, and their events into the books.

    Polars only. ``rows`` follow in time all that the books hold, and have outcomes; their
    ids are coded. ``log`` gives all rows, likewise coded. ``features`` were checked. Rows
    stay in their order; columns as in :func:`build_features`.
    """
    left = nw.from_native(rows.lazy())
    wanted = set(features.names)
    described = collected_in_order(_described(left, wanted, measures=streaming.columns or None))
    known = EventHistory(
        described, queries=described, queries_are_events=True, streaming=streaming, log=log
    )
    built = _assembled(described, known, wanted)
    native: pl.LazyFrame = built.select(*_carried(left), *features.names).to_native()
    return native.collect(engine="in-memory")


def _described(
    rows: nw.LazyFrame[Any], wanted: set[str], measures: Collection[str] | None = None
) -> nw.LazyFrame[Any]:
    """The rows with their measures, all or some, and what they say by themselves."""
    read = columns_read(rows.collect_schema(), wanted)
    measured = with_history_inputs(rows.select(*read), measures)
    return query_listing_match.query_listing_match_features(
        listing.listing_features(measured, wanted), wanted
    )


def _carried(rows: nw.LazyFrame[Any]) -> list[str]:
    present = rows.collect_schema().names()
    return [name for name in CARRIED if name in present]


def _assembled(shown: nw.LazyFrame[Any], past: EventHistory, wanted: set[str]) -> nw.LazyFrame[Any]:
    # Each join copies every column of its left side, and there is one per aggregation: so
    # the aggregations are joined to a narrow frame, and that to the wide one, once.
    searches = _searches(shown, past, wanted)
    present = shown.collect_schema().names()
    narrow = [name for name in present if name in _NARROW or name.startswith(("_", EXTRA_PREFIX))]
    sums = _kept(searches, lambda name: name.startswith(_SUMS) or name in _LATER)
    compared = past.hstack(shown.select(*narrow), searches.select(*sums), on=["id_search"])
    of_rows = _row_features(compared, past, wanted)
    results = _kept(of_rows, lambda name: name in wanted and name not in {*present, *sums})
    of_searches = _kept(searches, lambda name: name in wanted and name not in present)
    widened = past.hstack(shown, searches.select(*of_searches), on=["id_search"])
    return past.hstack_same_rows(widened, of_rows.select("id_listing", *results), on=list(_KEY))


def _searches(rows: nw.LazyFrame[Any], past: EventHistory, wanted: set[str]) -> nw.LazyFrame[Any]:
    """What is the same for all rows of a search: one row per search."""
    present = rows.collect_schema().names()
    constant = [nw.col(name).max() for name in _SEARCH_COLUMNS if name in present]
    searches = past.in_order(rows.group_by("id_search").agg(*constant), by="id_search")
    by_search = past.queried_by(searches)
    # Joins with the calendar come last: what is put beside the searches needs their order.
    known = guest_history.guest_search_features(searches, by_search, wanted)
    known = market.market_search_features(known, by_search, wanted)
    return past.materialized(query.query_features(known, wanted))


def _row_features(
    rows: nw.LazyFrame[Any], past: EventHistory, wanted: set[str]
) -> nw.LazyFrame[Any]:
    described = within_search.within_search_features(rows, wanted)
    described = extra_columns.extra_features(described, wanted)
    described = listing_engagement.engagement_features(described, past, wanted)
    described = guest_history.guest_features(described, past, wanted)
    described = market.market_features(described, past, wanted)
    return co_engagement.co_engagement_features(described, past, wanted)


def _kept(frame: nw.LazyFrame[Any], is_kept: Callable[[str], bool]) -> list[str]:
    names = frame.collect_schema().names()
    return ["id_search", *(name for name in names if is_kept(name))]


_KEY = ("id_search", "id_listing")
_SEARCH_COLUMNS = (
    "id_user",
    "market",
    "search_s",
    "search_day",
    "_query_cell",
    *query.QUERY_COLUMNS,
)
_NARROW = frozenset(
    {
        *_KEY,
        "id_user",
        "market",
        "search_s",
        "search_day",
        "listing_nightly_price",
        "listing_review_rating",
        "listing_review_count",
        "listing_occupancy_rate",
        "listing_person_capacity",
        "listing_room_type",
        "listing_lat",
        "listing_lng",
        "fit_distance_km",
    }
)
"""What the groups that look around or back read of a row, keys and measures aside."""
_SUMS = "_clicked"
_LATER = frozenset({"guest_past_clicks"})


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
        found = schema.get(column.name)
        if found is not None and not _suits(found, column.kind):
            raise DataError(
                f"column {column.name} is {found}, but the impressions hold a "
                f"{column.kind.value} there: ingest the log again, or mend its mapping"
            )


def _suits(dtype: Any, kind: Kind) -> bool:
    if kind in {Kind.COUNT, Kind.NUMBER}:
        return bool(dtype.is_numeric())
    if kind in {Kind.DAY, Kind.SECOND, Kind.STAGE}:
        return bool(dtype.is_integer())
    if kind is Kind.BOOLEAN:
        return bool(dtype == nw.Boolean)
    if kind in {Kind.ID, Kind.CATEGORY}:
        return bool(dtype == nw.String)
    return True
