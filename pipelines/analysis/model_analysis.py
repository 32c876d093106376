"""Features and models looked into: what a feature says alone, neighbours, new listings."""

from __future__ import annotations

import numpy as np
import polars as pl

from data.schema.feature_set import FeatureSet
from data.schema.tables import CLICKED
from models.ranking_order import group_codes, rank_within, tie_keys
from models.two_tower.recommender import TwoTower
from pipelines.feature_table.arrow_conversion import arrow

__all__ = ["feature_power", "leak_shown", "neighbours_of", "ranks_by_newness"]


def feature_power(rows: pl.DataFrame, features: FeatureSet) -> pl.DataFrame:
    """How well each number alone places clicked rows within their search.

    ``power`` is the mean share of a search's other rows that a clicked row lies above:
    0.5 says nothing, 1 that the clicked row always has the highest value, 0 the lowest.
    Rows without a value count half. ``rows`` hold whole searches.
    """
    results = pl.len().over("id_search")
    judged = rows.filter(
        (results > 1) & ((pl.col("stage") >= int(CLICKED)).any().over("id_search"))
    )
    found = []
    for feature in features:
        if feature.kind == "category":
            continue
        value = pl.col(feature.name).cast(pl.Float64)
        place = (value.rank().over("id_search") - 1) / (pl.len().over("id_search") - 1)
        hits = judged.select(
            place.fill_null(0.5).alias("place"), (pl.col("stage") >= int(CLICKED)).alias("hit")
        ).filter("hit")
        power = hits["place"].mean()
        found.append(
            dict[str, object](feature=feature.name, group=feature.group, meaning=feature.meaning)
            | {"power": power, "clicks": hits.height}
        )
    strength = (pl.col("power") - 0.5).abs()
    return pl.DataFrame(found).sort(strength, descending=True)


def leak_shown(rows: pl.DataFrame) -> pl.DataFrame:
    """The same count twice: as of each search, and over the whole log, future included.

    The second knows the very click it is asked to predict. Its ``power`` (see
    :func:`feature_power`) is what a leak looks like: too good.
    """
    whole = rows.with_columns(
        clicks_of_the_whole_log=(pl.col("stage") >= int(CLICKED)).sum().over("market", "id_listing")
    )
    names = {
        "listing_past_clicks": "as of the search",
        "clicks_of_the_whole_log": "over the whole log: a leak",
    }
    judged = whole.filter((pl.col("stage") >= int(CLICKED)).any().over("id_search"))
    found = []
    for name, words in names.items():
        place = (pl.col(name).rank().over("id_search") - 1) / (pl.len().over("id_search") - 1)
        hits = judged.with_columns(place=place).filter(pl.col("stage") >= int(CLICKED))
        power = hits["place"].fill_nan(None).mean()
        found.append({"count of clicks": words, "power": power, "clicks": hits.height})
    return pl.DataFrame(found)


def neighbours_of(
    tower: TwoTower, listings: pl.DataFrame, id_listing: str, k: int = 10
) -> pl.DataFrame:
    """The listing and the ``k`` whose vectors are nearest to its own, with the cosine.

    ``listings`` are feature rows, one per listing of one market. Raises ``ValueError``
    where the listing is not among them.
    """
    ids = listings["id_listing"].to_list()
    if id_listing not in ids:
        raise ValueError(f"{id_listing} is not among the {len(ids)} listings given")
    vector_LD = tower.encode_listings(arrow(listings))[:, : tower.config.dimension]
    unit_LD = vector_LD / np.linalg.norm(vector_LD, axis=1, keepdims=True)
    cosine_L = unit_LD @ unit_LD[ids.index(id_listing)]
    told = listings.with_columns(cosine=pl.Series(cosine_L.astype(np.float64)))
    return told.sort("cosine", "id_listing", descending=[True, False]).head(k + 1)


def ranks_by_newness(rows: pl.DataFrame, scores: pl.Series) -> pl.DataFrame:
    """Where new and known listings stand under these scores, per market.

    ``mean_place`` is 0 at the top of a search and 1 at its end; ``top_share`` the share of
    such listings among the first 10.
    """
    table = arrow(rows.select("id_search", "id_listing"))
    rank = rank_within(group_codes(table["id_search"]), scores.to_numpy(), tie_keys(table))
    results = pl.len().over("id_search")
    placed = rows.with_columns(rank=pl.Series(rank)).with_columns(
        place=(pl.col("rank") - 1) / (results - 1).clip(1)
    )
    return (
        placed.group_by("market", "listing_is_new")
        .agg(
            rows=pl.len(),
            mean_place=pl.col("place").mean(),
            top_share=(pl.col("rank") <= 10).mean(),
            click_rate=(pl.col("stage") >= int(CLICKED)).mean(),
        )
        .sort("market", "listing_is_new")
    )
