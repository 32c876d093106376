"""The two models behind a recommendation: one finds candidates, one puts them in order."""

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
    MET_COLUMNS,
    candidate_finder,
    log_indexes,
    met_by,
    read_prior,
)
from pipelines.recommendation.candidates import CandidateSource
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import RANKER_MODEL
from pipelines.training.exposure_policy import read_exposure
from pipelines.training.run_record import RunRecord, load_one, read_record

__all__ = ["ServingModels", "latest_with", "met_before", "serving_models_of"]


@dataclass(frozen=True, kw_only=True)
class ServingModels:
    """Who finds and who ranks, with the versions they are known by."""

    finder: Retriever
    ranker: Ranker
    exposure: ExposurePolicy
    retriever_version: str
    ranker_version: str


def latest_with(home: Home, run: str, model: str) -> RunRecord:
    """The run itself where it has the model, else the latest before it that has.

    ``train two-tower`` and ``train ranker`` are runs of their own; together they recommend.
    Raises ``DataError`` naming the command to run where no run has it.
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
    finding, ranking = (latest_with(context.home, run, model) for model in ("two_tower", "ranker"))
    tower, ranker = load_one(context, finding, "two_tower"), load_one(context, ranking, "ranker")
    if not isinstance(tower, TwoTower) or not isinstance(ranker, Ranker):
        raise DataError(f"run {run} holds other models than its record says")
    finder = candidate_finder(
        context,
        tower.remembering(_events_after_training(impressions, finding)),
        source.catalogue,
        source.queries,
        read_prior(context.home, ranking.name),
    )
    log_indexes(context, finding, finder)
    version = context.tracking.versions.of_run(RANKER_MODEL, ranking.children["ranker"])
    return ServingModels(
        finder=finder,
        ranker=ranker,
        exposure=read_exposure(context.home.runs / ranking.name),
        retriever_version=finding.name,
        ranker_version=version or ranking.name,
    )


def met_before(
    impressions: pl.LazyFrame, queries: pl.DataFrame, finder: Retriever
) -> PreviouslySeen | None:
    """What the guests of these searches have met; ``None`` where the log names no guests."""
    if not set(MET_COLUMNS) <= set(impressions.collect_schema().names()):
        return None
    guests = queries.lazy().select("id_user").drop_nulls().unique()
    theirs = impressions.select(MET_COLUMNS).join(guests, on="id_user", how="semi")
    shown = arrow(theirs.collect(engine="streaming"))
    return met_by(arrow(queries.select("id_user", "search_s")), shown, finder.catalogue)


def _events_after_training(impressions: pl.LazyFrame, record: RunRecord) -> pa.Table:
    """What guests did since the window that the retriever remembers already."""
    last = record.windows["valid"][1]
    wanted = ("id_user", "id_listing", "search_s", "stage", "contact_day", "book_day", "market")
    present = [c for c in wanted if c in impressions.collect_schema().names()]
    later = impressions.filter((pl.col("search_day") > last) & (pl.col("stage") > 0))
    return arrow(later.select(present).collect(engine="streaming"))
