"""What a fitted model leaves in MLflow: its config, its curves, its files, its version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from models.collaborative import Collaborative
from models.ranker import Ranker
from models.recommender import Recommender, top_k
from pipelines.ranker_pictures import log_ranker_pictures
from pipelines.tracking import RANKER_MODEL, Tracking

__all__ = ["log_trained"]

EXAMPLE_ROWS = 5
# What the served model imports; without the list MLflow would run the model to find out.
REQUIREMENTS = ("stayrank", "lightgbm", "numpy", "pandas", "pyarrow", "scipy")


def log_trained(
    tracking: Tracking, run_id: str, model: Recommender, folder: Path, rows: pa.Table
) -> None:
    """Log a fitted model that was saved in ``folder``; the ranker becomes a version.

    ``rows`` are any rows the model can score; a few serve as its input example.
    """
    tracking.log_params(run_id, dict(_params(model)))
    tracking.log_metrics(run_id, list(_metrics(model)))
    tracking.log_artifacts(run_id, folder, "model")
    if isinstance(model, Ranker):
        importance = model.importance()
        tracking.log_table(run_id, importance.to_pandas(), "importance.json")
        log_ranker_pictures(tracking, run_id, model, rows)
        _register(tracking, run_id, model, folder, rows)


def _params(model: Recommender) -> Iterator[tuple[str, Any]]:
    for name in ("config", "tower_config", "train_config"):
        config = getattr(model, name, None)
        if config is not None and is_dataclass(config) and not isinstance(config, type):
            yield name, asdict(config)
    if isinstance(model, Ranker):
        yield "features", {"number": len(model.features), "fingerprint": model.features.fingerprint}


def _metrics(model: Recommender) -> Iterator[tuple[str, float, int]]:
    if isinstance(model, Ranker):
        for bag, (rounds, ndcg) in enumerate(zip(model.rounds, model.valid_ndcg, strict=True)):
            yield "rounds", rounds, bag
            if ndcg is not None:
                yield f"valid_ndcg_at_{model.config.k}", ndcg, bag
    if isinstance(model, Collaborative):
        for step, (_, recall) in enumerate(model.trials):
            yield f"valid_recall_at_{model.k}", recall, step


def _register(tracking: Tracking, run_id: str, model: Ranker, folder: Path, rows: pa.Table) -> None:
    from mlflow.models import infer_signature

    columns = ["id_search", "id_listing", *model.features.names]
    example = rows.select(columns).slice(0, EXAMPLE_ROWS)
    ranked = top_k(example, model.score(example), EXAMPLE_ROWS)
    inputs = _nullable(example)
    tracking.register_model(
        run_id,
        name=RANKER_MODEL,
        code=Path(__file__).with_name("served_model.py"),
        artifacts={"ranker": folder},
        signature=infer_signature(inputs, _nullable(ranked), params={"k": 0}),
        input_example=inputs,
        requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
    )


def _nullable(rows: pa.Table) -> Any:
    """As pandas, integers as floats: an integer column with a null is a float in pandas."""
    fields = [
        field.with_type(pa.float64()) if pa.types.is_integer(field.type) else field
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields)).to_pandas()
