"""Analyses of features and models: power of single features, neighbours, new listings."""

from __future__ import annotations

import numpy as np
import polars as pl

from data.counted import counted
from data.schema.feature_set import FeatureSet
from data.schema.tables import CLICKED
from models.ranking_order import group_codes, rank_within, tie_keys
from models.two_tower.recommender import TwoTower
from pipelines.feature_table.arrow_conversion import arrow

__all__ = [
    "feature_power",
    "latest_rows",
    "leak_demonstration",
    "most_clicked",
    "neighbours_of",
    "ranks_by_newness",
]


def feature_power(rows: pl.DataFrame, features: FeatureSet) -> pl.DataFrame:
    """How well each numeric feature alone places clicked rows within their search.

    ``power`` is the mean share of a search's other rows that a clicked row lies above: 1 if
    the clicked row always has the highest value, 0 if the lowest, 0.5 if the feature says
    nothing. A clicked row without a value counts half. ``rows`` hold whole searches.
    """
    clicked_searches = rows.filter((pl.len().over("id_search") > 1) & _has_click())
    table = []
    for feature in features:
        if feature.kind == "category":
            continue
        value = pl.col(feature.name).cast(pl.Float64)
        share_above = _share_above(value).fill_null(0.5)
        clicked = clicked_searches.select(share_above=share_above, is_click=_is_click())
        clicked = clicked.filter("is_click")
        table.append(
            dict[str, object](feature=feature.name, group=feature.group, meaning=feature.meaning)
            | {"power": clicked["share_above"].mean(), "clicks": clicked.height}
        )
    strength = (pl.col("power") - 0.5).abs()
    return pl.DataFrame(table).sort(strength, descending=True)


def leak_demonstration(rows: pl.DataFrame) -> pl.DataFrame:
    """The power of one count, as of each search and over the whole log, future included.

    The second counts the very click that it is asked to predict. Its ``power`` (see
    :func:`feature_power`) is what a leak looks like: too good.
    """
    counted = rows.with_columns(
        clicks_of_the_whole_log=_is_click().sum().over("market", "id_listing")
    )
    names = {
        "listing_past_clicks": "as of the search",
        "clicks_of_the_whole_log": "over the whole log: a leak",
    }
    clicked_searches = counted.filter(_has_click())
    table = []
    for name, words in names.items():
        share_above = _share_above(pl.col(name))
        clicked = clicked_searches.with_columns(share_above=share_above).filter(_is_click())
        # A search of one result has no other row: 0 / 0.
        power = clicked["share_above"].fill_nan(None).mean()
        table.append({"count of clicks": words, "power": power, "clicks": clicked.height})
    return pl.DataFrame(table)


def latest_rows(feature_rows: pl.LazyFrame, market: str) -> pl.DataFrame:
    """The latest row of each listing of a market, with its features."""
    of_market = feature_rows.filter(pl.col("market") == market).sort("search_s", "id_search")
    return of_market.unique("id_listing", keep="last", maintain_order=True).collect()


def most_clicked(impressions: pl.LazyFrame, market: str) -> str:
    """The id of the market's most clicked listing; of several the first by id."""
    clicks = (
        impressions.filter(pl.col("market") == market)
        .group_by("id_listing")
        .agg(clicks=_is_click().sum())
        .sort("clicks", "id_listing", descending=[True, False])
    )
    return str(clicks.head(1).collect()["id_listing"][0])


def neighbours_of(
    tower: TwoTower, listings: pl.DataFrame, id_listing: str, k: int = 10
) -> pl.DataFrame:
    """The listing and the ``k`` whose vectors are nearest to its own, with the cosine.

    ``listings`` are feature rows, one per listing of one market. Raises ``ValueError``
    where the listing is not among them.
    """
    ids = listings["id_listing"].to_list()
    if id_listing not in ids:
        raise ValueError(f"{id_listing} is not among the {counted(len(ids), 'listing')} given")
    vector_LD = tower.encode_listings(arrow(listings))[:, : tower.config.dimension]
    unit_LD = vector_LD / np.linalg.norm(vector_LD, axis=1, keepdims=True)
    cosine_L = unit_LD @ unit_LD[ids.index(id_listing)]
    table = listings.with_columns(cosine=pl.Series(cosine_L.astype(np.float64)))
    return table.sort("cosine", "id_listing", descending=[True, False]).head(k + 1)


def ranks_by_newness(rows: pl.DataFrame, scores: pl.Series) -> pl.DataFrame:
    """Where new and known listings are ranked by these scores, per market.

    ``mean_place`` is 0 at the top of a search and 1 at its end; ``top_share`` is the share of
    these rows that is among the first 10 of their search.
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
            click_rate=_is_click().mean(),
        )
        .sort("market", "listing_is_new")
    )


def _is_click() -> pl.Expr:
    return pl.col("stage") >= int(CLICKED)


def _has_click() -> pl.Expr:
    """Whether the row's search has a click."""
    return _is_click().any().over("id_search")


def _share_above(value: pl.Expr) -> pl.Expr:
    """The share of the other rows of the search that have a lower value; ties count half."""
    return (value.rank().over("id_search") - 1) / (pl.len().over("id_search") - 1)
