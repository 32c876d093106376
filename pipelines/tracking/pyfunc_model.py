"""A registered model as MLflow serves it: candidate rows of searches in, ranked listings out.

MLflow stores this file itself ("models from code") beside the model's own files, so that
no pickle is written or read. Loaded with
``mlflow.pyfunc.load_model("models:/stayrank-ranker@champion")``, or with
``stayrank-two-tower`` for the retriever of the same run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa

from models.recommender import Recommender, top_k

__all__ = ["RankedListings"]


class RankedListings(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow is untyped
    """Orders the candidate rows of each search, best first."""

    def load_context(self, context: Any) -> None:
        """Read the model's own files from the artifacts."""
        ((name, folder),) = context.artifacts.items()
        self.model = _load(name, Path(folder))

    def predict(
        self,
        context: Any,  # noqa: ARG002  # the signature is MLflow's
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Rank the rows of one or more searches.

        Args:
            context: given by MLflow, unused.
            model_input: a row per candidate: ``id_search``, ``id_listing`` and what the
                model reads.
            params: ``{"k": n}`` keeps the best ``n`` rows of each search.

        Returns:
            ``id_search, id_listing, rank, score``, sorted by search and rank.
        """
        rows = pa.Table.from_pandas(model_input, preserve_index=False)
        k = (params or {}).get("k") or len(model_input)
        ranked = top_k(rows, self.model.score(rows), k)
        return ranked.to_pandas()


def _load(name: str, folder: Path) -> Recommender:
    """Only what serves this model is imported: the ranker needs no torch."""
    if name == "two_tower":
        from models.two_tower.recommender import TwoTower

        return TwoTower.load(folder)
    from models.ranker import load_ranker

    return load_ranker(folder)


mlflow.models.set_model(RankedListings())
