"""The registered ranker as MLflow serves it: the rows of searches in, ranked listings out.

MLflow stores this file itself ("models from code") beside the model's own text files, so
that no pickle is written or read. Loaded with
``mlflow.pyfunc.load_model("models:/stayrank-ranker@champion")``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa

from models.ranker import Ranker
from models.recommender import top_k

__all__ = ["RankedListings"]


class RankedListings(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow is untyped
    """Orders the candidate rows of each search, best first."""

    def load_context(self, context: Any) -> None:
        """Read the ranker's text files from the model's artifacts."""
        self.ranker = Ranker.load(Path(context.artifacts["ranker"]))

    def predict(
        self,
        context: Any,  # noqa: ARG002  # the signature is MLflow's
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Rank the rows of one or more searches.

        Args:
            context: given by MLflow, unused.
            model_input: a row per candidate: ``id_search``, ``id_listing`` and features.
            params: ``{"k": n}`` keeps the best ``n`` rows of each search.

        Returns:
            ``id_search, id_listing, rank, score``, sorted by search and rank.
        """
        rows = pa.Table.from_pandas(model_input, preserve_index=False)
        k = (params or {}).get("k") or len(model_input)
        ranked = top_k(rows, self.ranker.score(rows), k)
        return ranked.to_pandas()


mlflow.models.set_model(RankedListings())
