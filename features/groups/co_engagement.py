"""How near the listing is to what the guest clicked, by what other guests clicked together.

The vectors that serve a day are learnt from the clicks of earlier days only; the guest's
own clicks count up to the second before the search.
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
from features.history.aggregation import Aggregate, HistoryAggregation
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
    past: EventHistory,
    wanted: Collection[str],
    config: VectorConfig | None = None,
) -> nw.LazyFrame[Any]:
    """One impression per row in; with the wanted feature out.

    Learning the vectors reads the past's clicks at once, for each day that the rows have.
    """
    if _SIMILARITY not in wanted:
        return rows
    config = config or VectorConfig()
    if not past.days:
        return rows.with_columns(nw.lit(None, dtype=nw.Float64).alias(_SIMILARITY))
    profiles, vectors = _of_days(past, config)
    known = past.hstack(rows, profiles, on=["id_user", "search_s"])
    known = past.hstack(known, vectors, on=["search_day", "id_listing"])
    names = vector_names(config)
    similarity = nw.when(nw.col(_CLICKS) > 0).then(_cosine(names)).alias(_SIMILARITY)
    return known.with_columns(similarity).drop(*names, *map(_clicked, names), _CLICKS)


def _cosine(names: Collection[str]) -> nw.Expr:
    """Products of the listing's vector with the mean vector clicked, added in a fixed order."""
    products = (
        (nw.col(name) * PER_SCALE) * (nw.col(_clicked(name)) * PER_SCALE / nw.col(_CLICKS))
        for name in names
    )
    return reduce(add, products)


def _of_days(past: EventHistory, config: VectorConfig) -> tuple[Frame, Frame]:
    make = partial(_of_day, past=past, config=config)
    parts = [past.cached(f"{_SIMILARITY} {day}", partial(make, day)) for day in past.days]
    profiles = nw.concat([profile for profile, _ in parts], how="vertical")
    return profiles, nw.concat([vectors for _, vectors in parts], how="vertical")


def _of_day(day: int, past: EventHistory, config: VectorConfig) -> tuple[Frame, Frame]:
    """Sums of the vectors that each guest clicked before asking, and the listings' vectors."""
    guests_searching_on = past.guests_searching_on(day)
    clicked = past.clicked_before(day)
    table = listing_vectors(clicked.clicks_before(day).to_arrow(), config)
    vectors = clicked.with_ids_alike(to_engine_of(guests_searching_on, _stamped(table, day)))
    names = vector_names(config)
    aggregation = HistoryAggregation(
        key=("id_user",),
        aggregates=(
            Aggregate(name=_CLICKS, stage=CLICKED),
            *(Aggregate(name=_clicked(name), stage=CLICKED, of=name) for name in names),
        ),
    )
    valued = clicked.with_listing_values(vectors.drop("search_day")).queried_by(guests_searching_on)
    return valued.join(guests_searching_on, aggregation), vectors


def _stamped(table: pa.Table, day: int) -> pa.Table:
    return table.append_column("search_day", pa.array([day] * len(table), pa.int32()))


def _clicked(name: str) -> str:
    return f"_clicked_vector{name}"
