"""How near the listing is to what the guest clicked, by what other guests clicked together.

Two things are known up to different times. For a search at 15:00 on day 3:

===========================  ============================  ==================================
what                         clicks that count             because
===========================  ============================  ==================================
vectors of the listings      of days 1 and 2, all guests   factorising once a day is affordable,
                                                           once a search is not; no click of
                                                           day 3 can leak into day 3
mean vector of the clicks    of days 1, 2 and of day 3     a sum is cheap to keep current, and
of this guest                before 15:00                  the session's clicks say most
===========================  ============================  ==================================

The mean is taken of day 3's vectors also for clicks of earlier days: vectors that were learnt on
different days have different axes and must not be added.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial, reduce
from operator import add
from typing import Any

import narwhals as nw
import pyarrow as pa

from data.schema.tables import CLICKED
from features.engine import to_engine_of
from features.formulas.feature_declaration import feature, grouped
from features.formulas.listing_vectors import PER_SCALE, VectorConfig, listing_vectors, vector_names
from features.history.aggregation_declaration import Aggregate, HistoryAggregation
from features.history.point_in_time import EventHistory, Frame

__all__ = ["FEATURES", "co_engagement_features"]

_SIMILARITY = "guest_clicks_similarity"
_CLICKS = "_vector_clicks"

FEATURES = grouped(
    "co_engagement",
    (
        feature(
            _SIMILARITY,
            "mean cosine of the listing with what the guest clicked before, between vectors "
            "of who clicked what on earlier days",
            ("id_user", "stage"),
            unit="cosine",
            null="no id, nothing clicked before, or listings without a vector yet",
        ),
    ),
    is_history=True,
)


def co_engagement_features(
    rows: nw.LazyFrame[Any],
    history: EventHistory,
    wanted: Collection[str],
    config: VectorConfig | None = None,
) -> nw.LazyFrame[Any]:
    """One impression per row in; with the similarity, where it is wanted, out.

    For each day that the rows have, vectors are learnt anew from all clicks of earlier days.
    """
    if _SIMILARITY not in wanted:
        return rows
    config = config or VectorConfig()
    if not history.days:
        return rows.with_columns(nw.lit(None, dtype=nw.Float64).alias(_SIMILARITY))
    profiles, vectors = _profiles_and_vectors(history, config)
    joined = history.hstack(rows, profiles, on=["id_user", "search_s"])
    joined = history.hstack(joined, vectors, on=["search_day", "id_listing"])
    names = vector_names(config)
    similarity = nw.when(nw.col(_CLICKS) > 0).then(_cosine(names)).alias(_SIMILARITY)
    return joined.with_columns(similarity).drop(*names, *map(_clicked_sum, names), _CLICKS)


def _cosine(names: Collection[str]) -> nw.Expr:
    """Products of the listing's vector with the mean vector clicked, added in a fixed order."""
    products = (
        (nw.col(name) * PER_SCALE) * (nw.col(_clicked_sum(name)) * PER_SCALE / nw.col(_CLICKS))
        for name in names
    )
    return reduce(add, products)


def _profiles_and_vectors(history: EventHistory, config: VectorConfig) -> tuple[Frame, Frame]:
    make = partial(_profiles_and_vectors_on, history=history, config=config)
    parts = [history.cached(f"{_SIMILARITY} {day}", partial(make, day)) for day in history.days]
    profiles = nw.concat([profile for profile, _ in parts], how="vertical")
    return profiles, nw.concat([vectors for _, vectors in parts], how="vertical")


def _profiles_and_vectors_on(
    day: int, history: EventHistory, config: VectorConfig
) -> tuple[Frame, Frame]:
    """Of one day: sums of the vectors that each guest clicked before each search; the vectors.

    The sums are keyed by ``id_user`` and ``search_s``, the vectors by ``search_day`` and
    ``id_listing``.
    """
    guest_searches = history.guests_searching_on(day)
    clicked = history.clicked_before(day)
    table = listing_vectors(clicked.clicks_before(day).to_arrow(), config)
    vectors = clicked.with_id_codes(to_engine_of(guest_searches, _with_day(table, day)))
    names = vector_names(config)
    aggregation = HistoryAggregation(
        key=("id_user",),
        aggregates=(
            Aggregate(name=_CLICKS, stage=CLICKED),
            *(Aggregate(name=_clicked_sum(name), stage=CLICKED, of=name) for name in names),
        ),
    )
    valued = clicked.with_listing_values(vectors.drop("search_day")).queried_by(guest_searches)
    return valued.join(guest_searches, aggregation), vectors


def _with_day(table: pa.Table, day: int) -> pa.Table:
    return table.append_column("search_day", pa.array([day] * len(table), pa.int32()))


def _clicked_sum(name: str) -> str:
    return f"_clicked_vector{name}"
