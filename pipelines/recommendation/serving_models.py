"""The models behind a recommendation, and their versions for the table."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from data.errors import DataError
from data.schema.event_visibility import OUTCOME_DAY, OUTCOME_KNOWN
from models.availability.availability_model import AvailabilityModel
from models.funnel.funnel_model import FunnelModel
from models.reranking.new_listing_exposure import ExposurePolicy
from models.two_tower.recommender import TwoTower
from pipelines.config.home import Home
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import RANKER_MODEL
from pipelines.training.exposure_policy import read_exposure
from pipelines.training.run_record import RunRecord, load_one, read_record
from pipelines.training.train_availability import load_availability

__all__ = ["ServingModels", "check_gives_probabilities", "latest_run_with", "serving_models_of"]

# What lambdarank was saved as while it was the ranker; it gives scores and no probabilities.
_EARLIER_RANKER = "ranker.json"


@dataclass(frozen=True, kw_only=True)
class ServingModels:
    """The models to recommend with, and their versions for the recommendations table.

    Attributes:
        ranker: P(booked | shown and free) of a candidate.
        tower: proposes candidates in large markets; knows the guests' latest events.
        tower_run: the training run of the two-tower.
        exposure: the policy for new listings that was chosen with the ranker.
        availability: P(free); ``None`` where the log could not tell.
        ranker_version: registered version of the run's ranker; the run's name where MLflow is
            away.
    """

    ranker: FunnelModel
    tower: TwoTower
    tower_run: RunRecord
    exposure: ExposurePolicy
    availability: AvailabilityModel | None
    ranker_version: str

    @property
    def retriever_version(self) -> str:
        """The training run of the two-tower."""
        return self.tower_run.name


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


def check_gives_probabilities(home: Home, run: str) -> None:
    """Raise ``DataError`` where the run's ranker is an earlier version's, which only orders."""
    if (home.run_folder(run) / "models" / "ranker" / _EARLIER_RANKER).is_file():
        raise DataError(
            f"the ranker of run {run} was trained by an earlier version and gives no "
            "probabilities, which recommendations are made of. Train again: stayrank train"
        )


def serving_models_of(context: RunContext, run: str, impressions: pl.LazyFrame) -> ServingModels:
    """The models of ``run``; raises ``DataError`` where one was never trained, or is of an
    earlier version.

    ``impressions`` are those before the day to recommend for.
    """
    tower_run = latest_run_with(context.home, run, "two_tower")
    ranker_run = latest_run_with(context.home, run, "ranker")
    check_gives_probabilities(context.home, ranker_run.name)
    tower = load_one(context, tower_run, "two_tower")
    ranker = load_one(context, ranker_run, "ranker")
    if not isinstance(tower, TwoTower) or not isinstance(ranker, FunnelModel):
        raise DataError(f"run {run} holds other models than its record says")
    folder = context.home.runs / ranker_run.name
    return ServingModels(
        ranker=ranker,
        tower=tower.remembering(_events_after_training(impressions, tower_run)),
        tower_run=tower_run,
        exposure=read_exposure(folder),
        availability=load_availability(folder),
        ranker_version=_ranker_version(context, ranker_run),
    )


def _ranker_version(context: RunContext, record: RunRecord) -> str:
    child = record.children.get("ranker")
    version = None if child is None else context.tracking.versions.of_run(RANKER_MODEL, child)
    return version or record.name


def _events_after_training(impressions: pl.LazyFrame, record: RunRecord) -> pa.Table:
    """Clicks, contacts and bookings of the days after those that the retriever was saved with."""
    last = record.windows["valid"][1]
    outcome = ("stage", *OUTCOME_DAY.values(), *OUTCOME_KNOWN.values())
    wanted = ("id_user", "id_listing", "search_s", *outcome, "market")
    present = [c for c in wanted if c in impressions.collect_schema().names()]
    later = impressions.filter((pl.col("search_day") > last) & (pl.col("stage") > 0))
    return arrow(later.select(present).collect(engine="streaming"))
