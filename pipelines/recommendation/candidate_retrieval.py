"""Candidates for searches: a retriever over one catalogue.

To the inner product of the two towers the retriever adds the ranker's mean score of each
listing (the listing prior), what the guest was shown and clicked before, and whether a
listing is new (:class:`models.two_tower.retrieval.retriever.RetrieverConfig`).
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from data.counted import counted
from data.errors import DataError
from models.arrow_columns import Numbers
from models.recommender import Scores
from models.two_tower.recommender import TwoTower
from models.two_tower.retrieval.ann_search import IndexRecallError
from models.two_tower.retrieval.previously_seen import PreviouslySeen
from models.two_tower.retrieval.retriever import Retriever, RetrieverConfig
from pipelines.candidates.candidate_rows import CandidateSource
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.recommendation.serving_models import ServingModels
from pipelines.run_context import RunContext, config_of
from pipelines.training.run_record import RunRecord

__all__ = [
    "SEEN_COLUMNS",
    "build_retriever",
    "exact_retriever_of",
    "listing_prior",
    "log_indexes",
    "previously_seen_by",
    "retriever_config",
    "retriever_of",
]

SEEN_COLUMNS = ("id_user", "id_listing", "search_s", "stage")
# Searches on which the recall of an index is measured, per market.
PROBES = 500


def listing_prior(rows: pa.Table, scores: Scores) -> pl.DataFrame:
    """The ranker's mean score of each listing over these impressions of it.

    A row is a listing: ``id_listing``, ``prior``, ``impressions``. Ranked over a whole
    market, a search's first places are nearly the same listings whatever is searched, so
    this mean finds most of what the ranker would put first.
    """
    frame = frame_of(rows.select(["id_listing"])).with_columns(pl.Series("score", scores))
    grouped = frame.group_by("id_listing").agg(
        prior=pl.col("score").mean(), impressions=pl.len().cast(pl.Int64)
    )
    return grouped.sort("id_listing")


def retriever_config(context: RunContext) -> RetrieverConfig:
    """From the settings' section ``retrieval``; unknown keys raise ``SettingsError``."""
    settings = context.settings
    return config_of(RetrieverConfig, "retrieval", dict(settings.retrieval), settings.written)


def retriever_of(
    context: RunContext, source: CandidateSource, serving: ServingModels, value_L: Numbers
) -> Retriever:
    """The retriever of a day over the whole catalogue, with the listings' values as its prior.

    Its indexes are printed and logged. Raises ``DataError`` when one finds too little.
    """
    prior = _prior(source, value_L)
    retriever = build_retriever(context, serving.tower, source.catalogue, source.queries, prior)
    log_indexes(context, serving.tower_run, retriever)
    return retriever


def exact_retriever_of(
    context: RunContext, source: CandidateSource, serving: ServingModels, value_L: Numbers
) -> Retriever:
    """The same without an index, for a few queries; nothing is printed or logged.

    One query is found sooner than an index is built, and is no sample to measure its recall on.
    """
    config = retriever_config(context)
    return Retriever(
        serving.tower,
        arrow(source.catalogue),
        replace(config, index=replace(config.index, at_listings=source.catalogue.height + 1)),
        prior=_in_catalogue_order(source.catalogue, _prior(source, value_L)),
    )


def _prior(source: CandidateSource, value_L: Numbers) -> pl.DataFrame:
    values = source.catalogue.select("id_listing", prior=pl.Series(value_L))
    return values.unique("id_listing", keep="first")


def _in_catalogue_order(catalogue: pl.DataFrame, prior: pl.DataFrame) -> pa.ChunkedArray:
    """The prior of each row of the catalogue; null for one that was never scored."""
    priors = catalogue.select("id_listing").join(
        prior.select("id_listing", "prior"),
        on="id_listing",
        how="left",
        maintain_order="left",
        validate="m:1",
    )
    return arrow(priors)["prior"]


def build_retriever(
    context: RunContext,
    model: TwoTower,
    catalogue: pl.DataFrame,
    queries: pl.DataFrame,
    prior: pl.DataFrame | None,
) -> Retriever:
    """A retriever over the catalogue.

    The recall of an approximate index is measured on a sample of ``queries``. Raises
    ``DataError`` when it is below the limit of the settings.
    """
    listing_priors = None
    if prior is not None:
        listing_priors = _in_catalogue_order(catalogue, prior)
    try:
        return Retriever(
            model,
            arrow(catalogue),
            retriever_config(context),
            probes=arrow(_probes(queries, context.settings.seed)),
            prior=listing_priors,
        )
    except IndexRecallError as error:
        raise DataError(str(error)) from error


def previously_seen_by(
    queries: pa.Table, impressions: pa.Table, catalogue: pa.Table
) -> PreviouslySeen | None:
    """What the guests of these searches were shown and clicked; ``None`` without guests."""
    if not {"id_user", "search_s"} <= set(queries.column_names):
        return None
    guests = pc.unique(queries["id_user"])
    rows = impressions.select(SEEN_COLUMNS)
    # skip_nulls: else a query without a guest would have seen what all such queries have seen.
    rows = rows.filter(pc.is_in(rows["id_user"], value_set=guests, skip_nulls=True))
    return PreviouslySeen.of(rows, catalogue)


def log_indexes(context: RunContext, record: RunRecord, retriever: Retriever) -> None:
    """Print each index with its measured recall, and log it to the two-tower's MLflow run."""
    for market in retriever.markets.values():
        if market.index is None:
            continue
        name = market.market or "all"
        context.console.say(
            f"index of {name}: {market.kind}, {counted(len(market.rows), 'listing')}, "
            f"recall@{retriever.config.index.k} {market.recall:.4f} against exact search"
        )
        metrics = [
            (f"index.recall_at_{retriever.config.index.k}.{name}", market.recall, 0),
            (f"index.seconds_to_build.{name}", market.seconds, 0),
        ]
        context.tracking.log_metrics(record.children["two_tower"], metrics)


def _probes(queries: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Up to ``PROBES`` searches of each market, drawn with the seed."""
    shuffled = queries.sort("id_search").sample(fraction=1.0, shuffle=True, seed=seed)
    return shuffled.group_by("market", maintain_order=True).head(PROBES)
