"""Fit one model on the rows of a run: each reads what it needs of them, and no more is held."""

from __future__ import annotations

from dataclasses import dataclass

from data.schema.feature_set import FeatureSet
from models.baselines.heuristics import BestRated, Cheapest, Popularity, Random
from models.baselines.implicit_als import ImplicitALS
from models.funnel.funnel_model import FunnelModel
from models.lambdarank import LambdaRank
from models.recommender import Recommender
from models.row_source import Rows, narrowed, read_all
from models.two_tower.recommender import TwoTower
from pipelines.config.console import ProgressCall
from pipelines.feature_table.ranker_rows import with_order_shown, with_training_columns
from pipelines.feature_table.training_rows import attribute_columns
from pipelines.run_context import RunContext
from pipelines.tracking.model_logging import Curve

__all__ = ["TrainingRows", "fit_model"]


@dataclass(frozen=True)
class TrainingRows:
    """What the models learn from: the features' description, training and validation rows.

    The rows stay in the lake. The validation rows carry what a click on each is worth, by which
    variants are chosen.
    """

    features: FeatureSet
    train: Rows
    valid: Rows


def fit_model(
    context: RunContext, model: Recommender, rows: TrainingRows, report_progress: ProgressCall
) -> tuple[Curve, ...]:
    """Fit; returns the curves that the model itself does not keep."""
    if isinstance(model, TwoTower):
        return (_fit_tower(model, rows, report_progress),)
    if isinstance(model, LambdaRank):
        train, valid = with_training_columns(context, model.config, rows.train, rows.valid)
        model.fit(train, valid, progress=report_progress)
    elif isinstance(model, FunnelModel):
        model.fit(*with_order_shown(context, model.config, rows.train, rows.valid))
    else:
        columns = rows.valid.schema.names
        if isinstance(model, Random | Cheapest | BestRated | Popularity | ImplicitALS):
            columns = [*dict.fromkeys(model.reads)]
        train, valid = (read_all(narrowed(part, columns)) for part in (rows.train, rows.valid))
        model.fit(train, valid)
    return ()


def _fit_tower(model: TwoTower, rows: TrainingRows, report_progress: ProgressCall) -> Curve:
    # Of the rows that it describes it would read all columns that there are.
    columns = attribute_columns(rows.features)
    losses: list[float] = []
    model.fit(
        narrowed(rows.train, columns),
        narrowed(rows.valid, columns),
        progress=report_progress,
        report=lambda step: losses.append(step.loss),
    )
    return Curve(name="curve.train_loss", values=losses)
