"""Log a fitted model to MLflow: its config, curves and files, and its registered version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from data.lake.checksums import sha256_of_folder
from data.schema.tables import CARRIED
from models.baselines.implicit_als import ImplicitALS
from models.funnel.funnel_model import FunnelModel
from models.lambdarank import LambdaRank
from models.recommender import Recommender, top_k
from models.two_tower.recommender import TwoTower
from pipelines.tracking.model_registry import RANKER_MODEL, TOWER_MODEL, Registration
from pipelines.tracking.ranker_charts import log_ranker_charts
from pipelines.tracking.tracking import Tracking

__all__ = ["Curve", "log_trained"]

EXAMPLE_ROWS = 5
CURVE_POINTS = 200
# What the served models import; without the list MLflow would run the model to find out.
SERVING = ("stayrank", "numpy", "pandas", "pyarrow", "scipy")
# Of the columns that are carried along, those that a model may read when it serves.
KNOWN_WHEN_SERVING = (
    "id_search",
    "id_listing",
    "id_user",
    "market",
    "search_s",
    "local_s",
    "search_day",
)


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
        columns = ["id_search", "id_listing", "market", *model.features_read.names]
        _register(tracking, run_id, model, folder, rows.select(columns))
    if isinstance(model, TwoTower):
        # Outcomes are known only afterwards: no caller of the served model has them.
        unknown = set(CARRIED) - set(KNOWN_WHEN_SERVING)
        columns = [f.name for f in rows.schema if f.name not in unknown and not pt.is_date(f.type)]
        _register(tracking, run_id, model, folder, rows.select(columns))


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
    tracking: Tracking, run_id: str, model: FunnelModel | TwoTower, folder: Path, rows: pa.Table
) -> None:
    from mlflow.models import infer_signature

    example = rows.slice(0, EXAMPLE_ROWS)
    ranked = top_k(example, model.score(example), EXAMPLE_ROWS)
    inputs = _nullable(example)
    is_ranker = isinstance(model, FunnelModel)
    requirements = (*SERVING, "lightgbm") if is_ranker else (*SERVING, "torch", "safetensors")
    tracking.versions.register(
        run_id,
        Registration(
            name=RANKER_MODEL if is_ranker else TOWER_MODEL,
            artifacts={model.name: folder},
            signature=infer_signature(inputs, _nullable(ranked), params={"k": 0}),
            input_example=inputs,
            requirements=[f"{name}=={version(name)}" for name in requirements],
            tags={f"sha256.{file}": digest for file, digest in sha256_of_folder(folder).items()},
        ),
    )


def _nullable(rows: pa.Table) -> Any:
    """As pandas, integers as floats: an integer column with a null is a float in pandas."""
    fields = [
        field.with_type(pa.float64()) if pa.types.is_integer(field.type) else field
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields)).to_pandas()
