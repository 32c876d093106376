"""The two models behind a recommendation: the retriever of candidates, and the ranker."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from data.errors import DataError
from models.ranker import Ranker
from models.reranking.new_listing_exposure import ExposurePolicy
from models.two_tower.recommender import TwoTower
from models.two_tower.retrieval.previously_seen import PreviouslySeen
from models.two_tower.retrieval.retriever import Retriever
from pipelines.config.home import Home
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.recommendation.candidate_retrieval import (
    SEEN_COLUMNS,
    build_retriever,
    log_indexes,
    previously_seen_by,
    read_prior,
)
from pipelines.recommendation.candidate_rows import CandidateSource
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import RANKER_MODEL
from pipelines.training.exposure_policy import read_exposure
from pipelines.training.run_record import RunRecord, load_one, read_record

__all__ = ["ServingModels", "latest_run_with", "previously_seen_in_log", "serving_models_of"]


@dataclass(frozen=True, kw_only=True)
class ServingModels:
    """The models to recommend with, and their versions for the recommendations table.

    Attributes:
        retriever: the retriever over the catalogue.
        ranker: orders the candidates.
        exposure: the policy for new listings that was chosen with the ranker.
        retriever_version: the training run of the two-tower.
        ranker_version: of the registered model; the training run where MLflow is away.
    """

    retriever: Retriever
    ranker: Ranker
    exposure: ExposurePolicy
    retriever_version: str
    ranker_version: str


def latest_run_with(home: Home, run: str, model: str) -> RunRecord:
    """The record of ``run`` if it has the model, else of the latest earlier run that has.

    ``stayrank train two-tower`` and ``stayrank train ranker`` make a run each, and both are
    needed to recommend. Raises ``DataError`` naming the command to run where no run has it.
    """
    names = (path.parent.name for path in home.runs.glob("*/run.json"))
    for name in sorted((name for name in names if name <= run), reverse=True):
        record = read_record(home, name)
        if model in record.models:
            return record
    word = model.replace("_", "-")
    raise DataError(
        f"run {run} has no {model}, nor has one before it; train it first: stayrank train {word}"
    )


def serving_models_of(
    context: RunContext, run: str, impressions: pl.LazyFrame, source: CandidateSource
) -> ServingModels:
    """The models of ``run`` over the catalogue of ``source``.

    Raises ``DataError`` where one was never trained, or an index finds too little.
    """
    tower_run, ranker_run = (latest_run_with(context.home, run, m) for m in ("two_tower", "ranker"))
    tower = load_one(context, tower_run, "two_tower")
    ranker = load_one(context, ranker_run, "ranker")
    if not isinstance(tower, TwoTower) or not isinstance(ranker, Ranker):
        raise DataError(f"run {run} holds other models than its record says")
    retriever = build_retriever(
        context,
        tower.remembering(_events_after_training(impressions, tower_run)),
        source.catalogue,
        source.queries,
        read_prior(context.home, ranker_run.name),
    )
    log_indexes(context, tower_run, retriever)
    version = context.tracking.versions.of_run(RANKER_MODEL, ranker_run.children["ranker"])
    return ServingModels(
        retriever=retriever,
        ranker=ranker,
        exposure=read_exposure(context.home.runs / ranker_run.name),
        retriever_version=tower_run.name,
        ranker_version=version or ranker_run.name,
    )


def previously_seen_in_log(
    impressions: pl.LazyFrame, queries: pl.DataFrame, retriever: Retriever
) -> PreviouslySeen | None:
    """What the guests of these searches were shown and clicked, read from the log.

    ``None`` where the log names no guests.
    """
    if not set(SEEN_COLUMNS) <= set(impressions.collect_schema().names()):
        return None
    guests = queries.lazy().select("id_user").drop_nulls().unique()
    rows = impressions.select(SEEN_COLUMNS).join(guests, on="id_user", how="semi")
    table = arrow(rows.collect(engine="streaming"))
    return previously_seen_by(
        arrow(queries.select("id_user", "search_s")), table, retriever.catalogue
    )


def _events_after_training(impressions: pl.LazyFrame, record: RunRecord) -> pa.Table:
    """Clicks, contacts and bookings of the days after those that the retriever was saved with."""
    last = record.windows["valid"][1]
    wanted = ("id_user", "id_listing", "search_s", "stage", "contact_day", "book_day", "market")
    present = [c for c in wanted if c in impressions.collect_schema().names()]
    later = impressions.filter((pl.col("search_day") > last) & (pl.col("stage") > 0))
    return arrow(later.select(present).collect(engine="streaming"))
