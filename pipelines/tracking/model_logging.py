"""Log a fitted model to MLflow: its config, curves and files, and its registered version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from data.lake.checksums import sha256_of_folder
from models.baselines.implicit_als import ImplicitALS
from models.funnel.funnel_model import FunnelModel
from models.lambdarank import LambdaRank
from models.recommender import Recommender
from models.two_tower.recommender import TwoTower
from pipelines.tracking.model_registry import RANKER_MODEL, TOWER_MODEL, Registration
from pipelines.tracking.ranker_charts import log_ranker_charts
from pipelines.tracking.served_columns import ranker_columns, tower_columns
from pipelines.tracking.served_rows import ServedColumn, as_config
from pipelines.tracking.tracking import Tracking

__all__ = ["Curve", "log_trained"]

EXAMPLE_ROWS = 5
CURVE_POINTS = 200
# MLflow's types of what a served model returns.
OUTPUTS = {"id_search": "string", "id_listing": "string", "rank": "integer", "score": "double"}
# What the served models import; without the list MLflow would run the model to find out.
SERVING = ("stayrank", "numpy", "pandas", "pyarrow", "scipy")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A metric that changes step by step: its name, and its value at step 0, 1, …"""

    name: str
    values: Sequence[float]

    def thinned(self) -> Iterator[tuple[str, float, int]]:
        """At most :data:`CURVE_POINTS` of the steps, the last one among them."""
        every = max(1, len(self.values) // CURVE_POINTS)
        last = len(self.values) - 1
        for step, value in enumerate(self.values):
            if step % every == 0 or step == last:
                yield self.name, value, step


def log_trained(
    tracking: Tracking,
    run_id: str,
    model: Recommender,
    folder: Path,
    rows: pa.Table,
    curves: Sequence[Curve] = (),
) -> None:
    """Log a fitted model that was saved in ``folder``; ranker and tower become versions.

    ``rows`` are any rows the model can score; a few serve as its input example.
    """
    tracking.log_params(run_id, dict(_params(model)))
    tracking.log_metrics(run_id, list(_metrics(model)))
    for curve in (*curves, *_curves(model)):
        tracking.log_metrics(run_id, curve.thinned())
    tracking.log_artifacts(run_id, folder, "model")
    if isinstance(model, LambdaRank):
        importance = model.importance()
        tracking.log_table(run_id, importance.to_pandas(), "importance.json")
    if isinstance(model, FunnelModel):
        log_ranker_charts(tracking, run_id, model, rows)
        _register(tracking, run_id, model, folder, rows, ranker_columns(model))
    if isinstance(model, TwoTower):
        _register(tracking, run_id, model, folder, rows, tower_columns(rows.schema))


def _params(model: Recommender) -> Iterator[tuple[str, Any]]:
    for name in ("config", "tower_config", "training"):
        config = getattr(model, name, None)
        if config is not None and is_dataclass(config) and not isinstance(config, type):
            yield name, asdict(config)
    if isinstance(model, FunnelModel | LambdaRank):
        yield "features", {"number": len(model.features), "fingerprint": model.features.fingerprint}
    if isinstance(model, FunnelModel):
        # What training found beside the model: facts of one fit, with nothing to plot.
        yield "evidence", {name: _rounded(value) for name, value in model.evidence.items()}


def _metrics(model: Recommender) -> Iterator[tuple[str, float, int]]:
    if isinstance(model, LambdaRank):
        for bag, (rounds, ndcg) in enumerate(zip(model.rounds, model.valid_ndcg, strict=True)):
            yield "rounds", rounds, bag
            if ndcg is not None:
                yield f"valid_ndcg_at_{model.config.k}", ndcg, bag
    if isinstance(model, ImplicitALS):
        for step, (_, value) in enumerate(model.trials):
            yield "valid_value", value, step


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _curves(model: Recommender) -> Iterator[Curve]:
    """The validation metric of each bag, round by round."""
    if not isinstance(model, LambdaRank):
        return
    for bag, curves in enumerate(model.curves):
        for metric, values in curves.items():
            name = f"curve.bag_{bag}.valid_{metric.replace('@', '_at_')}"
            yield Curve(name=name, values=values)


def _register(
    tracking: Tracking,
    run_id: str,
    model: FunnelModel | TwoTower,
    folder: Path,
    rows: pa.Table,
    columns: tuple[ServedColumn, ...],
) -> None:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    example = rows.slice(0, EXAMPLE_ROWS).select(
        [column.name for column in columns if column.name in rows.column_names]
    )
    # Without inputs: what is given is checked and cast by the model itself (served_rows).
    outputs = Schema([ColSpec(kind, name) for name, kind in OUTPUTS.items()])
    params = ParamSchema([ParamSpec("k", "long", default=0)])
    is_ranker = isinstance(model, FunnelModel)
    requirements = (*SERVING, "lightgbm") if is_ranker else (*SERVING, "torch", "safetensors")
    tracking.versions.register(
        run_id,
        Registration(
            name=RANKER_MODEL if is_ranker else TOWER_MODEL,
            artifacts={model.name: folder},
            signature=ModelSignature(outputs=outputs, params=params),
            input_example=example.to_pandas(),
            requirements=[f"{name}=={version(name)}" for name in requirements],
            tags={f"sha256.{file}": digest for file, digest in sha256_of_folder(folder).items()},
            config=as_config(columns),
        ),
    )
