"""How near the listing is to what the guest clicked, by what other guests clicked together.

The vectors that serve a day are learnt from the clicks of earlier days only; the guest's
own clicks count up to the second before the search.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import narwhals as nw
import pyarrow as pa

from data.contract import CLICKED
from features.as_of import Past
from features.describe import feature, grouped
from features.ledger import Ledger, Tally
from features.listing_vectors import PER_SCALE, VectorConfig, listing_vectors, vector_names
from features.native import brought_to

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
    asked: nw.LazyFrame[Any],
    past: Past,
    wanted: Collection[str],
    config: VectorConfig | None = None,
) -> nw.LazyFrame[Any]:
    """One impression per row in; with the wanted feature out.

    ``asked`` are the same rows before anything was joined to them. Learning the vectors
    reads the past's clicks at once, for each day that the rows have.
    """
    if _SIMILARITY not in wanted:
        return rows
    config = config or VectorConfig()
    names = vector_names(config)
    parts = [_of_day(day, asked, past, config) for day in _days(asked)]
    if not parts:
        return rows.with_columns(nw.lit(None, dtype=nw.Float64).alias(_SIMILARITY))
    profiles = nw.concat([profile for profile, _ in parts], how="vertical")
    vectors = nw.concat([vector for _, vector in parts], how="vertical")
    known = rows.join(profiles, on="id_search", how="left").join(
        vectors, on=["search_day", "id_listing"], how="left"
    )
    products = [
        (nw.col(name) * PER_SCALE) * (nw.col(_clicked(name)) * PER_SCALE / nw.col(_CLICKS))
        for name in names
    ]
    together = products[0]
    for product in products[1:]:
        together = together + product
    similarity = nw.when(nw.col(_CLICKS) > 0).then(together).alias(_SIMILARITY)
    return known.with_columns(similarity).drop(*names, *map(_clicked, names), _CLICKS)


def _days(asked: nw.LazyFrame[Any]) -> Iterator[int]:
    days = asked.select("search_day").unique().collect()
    return iter(sorted(int(day) for day in days["search_day"].to_list()))


def _of_day(
    day: int, asked: nw.LazyFrame[Any], past: Past, config: VectorConfig
) -> tuple[nw.LazyFrame[Any], nw.LazyFrame[Any]]:
    """Sums of the vectors that each search's guest clicked, and the day's listing vectors."""
    table = listing_vectors(past.clicks_before(day).to_arrow(), config)
    vectors = brought_to(asked, table)
    names = vector_names(config)
    of_day = asked.filter(nw.col("search_day") == day)
    searches = of_day.group_by("id_search").agg(nw.col("id_user").max(), nw.col("search_s").max())
    ledger = Ledger(
        key=("id_user",),
        tallies=(
            Tally(name=_CLICKS, stage=CLICKED),
            *(Tally(name=_clicked(name), stage=CLICKED, of=name) for name in names),
        ),
    )
    clicked = past.with_listing_values(vectors).asked_by(searches)
    profile = clicked.join(searches, ledger).drop("id_user", "search_s")
    return profile, brought_to(asked, _stamped(table, day))


def _stamped(table: pa.Table, day: int) -> pa.Table:
    return table.append_column("search_day", pa.array([day] * len(table), pa.int32()))


def _clicked(name: str) -> str:
    return f"_clicked_vector{name}"
