"""Recommend listings of the whole market for every guest's most recent search."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from data.errors import DataError
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from features.build import build_features
from models.ranker import Ranker
from models.ranker.explanations import reasons_in_words
from models.recommender import top_k
from models.two_tower.retrieval.retriever import Retriever
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.feature_table.build_table import feature_set_of
from pipelines.recommendation.candidate_rows import (
    CandidateSource,
    candidate_rows,
    candidate_source,
)
from pipelines.recommendation.rerank import rerank
from pipelines.recommendation.serving_models import (
    ServingModels,
    previously_seen_in_log,
    serving_models_of,
)
from pipelines.run_context import RunContext

__all__ = ["recommend", "rows_to_rank"]

# Searches whose candidates are in memory at one time: 5,000 × 100 rows of features.
SEARCHES_AT_ONCE = 5_000


def recommend(
    context: RunContext, run: str, *, day: int | None = None, top: int | None = None
) -> int:
    """Write the ``recommendations`` of one day; returns the number of rows.

    The two-tower retrieves from all eligible listings of the market, the ranker orders.
    A day's recommendations replace those of an earlier run for that day in one commit.

    Args:
        context: home and settings.
        run: the training run whose models are used.
        day: days since 1970; default: the day after the log's last search.
        top: listings per guest; default from the settings.

    Raises ``DataError`` when there is nothing to recommend for.
    """
    impressions = context.lake.scan(IMPRESSIONS.name)
    if day is None:
        day = int(impressions.select(pl.col("search_day").max()).collect().item()) + 1
    source = candidate_source(impressions, day)
    if source.queries.is_empty():
        raise DataError("no search lies before the day asked for; nothing can be recommended")
    serving = serving_models_of(context, run, impressions, source)
    top = top or context.settings.recommendation.top
    with context.console.step(
        f"recommending {top} of {source.catalogue.height:,} listings to "
        f"{source.queries.height:,} guests"
    ) as moved:
        blocks = []
        for done, block in _blocks(source):
            blocks.append(_recommend_block(context, block, serving, impressions, top))
            moved(done, source.queries.height)
    table = _with_versions(pl.concat(blocks), serving, day)
    context.lake.replace_partitions(
        RECOMMENDATIONS.name,
        table.lazy(),
        [(market, table["ds"][0]) for market in table["market"].unique().sort()],
    )
    return table.height


def _blocks(source: CandidateSource) -> Iterator[tuple[int, CandidateSource]]:
    """The number of queries done, and a block of them with the listings of its markets."""
    queries = source.queries.sort("market", "id_search")
    for start in range(0, queries.height, SEARCHES_AT_ONCE):
        block = queries.slice(start, SEARCHES_AT_ONCE)
        listings = source.catalogue.filter(
            pl.col("market").is_in(block["market"].unique().to_list())
        )
        yield start + block.height, CandidateSource(block, listings)


def _retrieve(
    block: CandidateSource, retriever: Retriever, impressions: pl.LazyFrame, k: int
) -> pl.DataFrame:
    """The ``k`` best eligible listings of each query, with their ``retrieval_score``."""
    familiar = previously_seen_in_log(impressions, block.queries, retriever)
    pairs = frame_of(retriever.retrieve(arrow(block.queries), k, familiar=familiar))
    return pairs.select("id_search", "id_listing", retrieval_score="score")


def rows_to_rank(
    context: RunContext, candidates: pl.DataFrame, impressions: pl.LazyFrame
) -> pa.Table:
    """The candidate rows (``candidates.candidate_rows``) with every feature of the ranker."""
    features = feature_set_of(context)
    built = build_features(candidates.lazy(), impressions, features=features).to_native()
    return arrow(built.collect(engine="streaming"))


def _recommend_block(
    context: RunContext,
    block: CandidateSource,
    serving: ServingModels,
    impressions: pl.LazyFrame,
    top: int,
) -> pl.DataFrame:
    k = max(top, context.settings.recommendation.candidates)
    pairs = _retrieve(block, serving.retriever, impressions, k)
    candidates = candidate_rows(block, pairs.drop("retrieval_score"))
    rows = rows_to_rank(context, candidates, impressions)
    ranked = _ranked(context, serving, rows, top)
    shown = impressions.select("id_search", "id_listing", was_shown=pl.lit(value=True))
    described = candidates.select(
        "id_search",
        "id_listing",
        "id_user" if "id_user" in candidates.columns else pl.lit(None, pl.String).alias("id_user"),
        "market",
        _price(candidates).alias("estimated_total_price"),
    )
    key = ["id_search", "id_listing"]
    return (
        ranked.lazy()
        .join(described.lazy(), on=key, how="left", validate="1:1")
        .join(pairs.lazy(), on=key, how="left", validate="1:1")
        .join(shown, on=key, how="left")
        .with_columns(pl.col("was_shown").fill_null(value=False))
        .collect(engine="streaming")
    )


def _ranked(context: RunContext, serving: ServingModels, rows: pa.Table, top: int) -> pl.DataFrame:
    """The ``top`` rows of each search after exposure and diversity, with score and reasons."""
    scores = serving.ranker.score(rows)
    order = rerank(rows, scores, serving.exposure, context.settings.recommendation)
    key = ["id_search", "id_listing"]
    # The table's ``score`` is the ranker's own; the order after exposure is only in ``rank``.
    own = frame_of(rows.select(key)).with_columns(score=scores)
    ranked = frame_of(top_k(rows, order, top)).drop("score")
    ranked = ranked.join(own, on=key, how="left", validate="1:1", maintain_order="left")
    return _with_reasons(serving.ranker, rows, arrow(ranked))


def _with_reasons(ranker: Ranker, rows: pa.Table, ranked: pa.Table) -> pl.DataFrame:
    """The recommended rows with ``reasons``: each compared with the others of its list."""
    order = frame_of(ranked)
    key = ["id_search", "id_listing"]
    features = order.select(key).join(frame_of(rows), on=key, how="left", maintain_order="left")
    reasons = reasons_in_words(ranker, arrow(features)).to_pylist()
    return order.with_columns(pl.Series("reasons", reasons, pl.String))


def _price(candidates: pl.DataFrame) -> pl.Expr:
    if "listing_total_price" in candidates.columns:
        return pl.col("listing_total_price")
    return pl.lit(None, pl.Float64)


def _with_versions(rows: pl.DataFrame, serving: ServingModels, day: int) -> pl.DataFrame:
    """The rows in the table's columns, with the day and the versions of both models."""
    return rows.with_columns(
        pl.lit(day, pl.Int32).cast(pl.Date).alias("ds"),
        pl.lit(serving.ranker_version).alias("ranker_version"),
        pl.lit(serving.retriever_version).alias("retriever_version"),
    ).select(RECOMMENDATIONS.names)
