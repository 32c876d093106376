"""A registered model as MLflow serves it: candidate rows of searches in, ranked listings out.

MLflow stores this file itself ("models from code") beside the model's own files, so that
no pickle is written or read. Loaded with
``mlflow.pyfunc.load_model("models:/stayrank-ranker@champion")``, or with
``stayrank-two-tower`` for the retriever of the same run. Rows of the features table are taken as
they are; what else is cast, and what is refused: :mod:`pipelines.tracking.served_rows`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from data.errors import DataError
from models.recommender import Recommender, top_k
from pipelines.tracking.served_rows import columns_of_config, served_rows

__all__ = ["RankedListings"]


class RankedListings(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow is untyped
    """Orders the candidate rows of each search, best first."""

    def load_context(self, context: Any) -> None:
        """Read the model's own files from the artifacts."""
        ((name, folder),) = context.artifacts.items()
        self.model = _load(name, Path(folder))
        self.columns = columns_of_config(context.model_config)

    def predict(
        self,
        context: Any,  # noqa: ARG002  # the signature is MLflow's
        model_input: pd.DataFrame,  # or another table: this hint MLflow does not warn about
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Rank the rows of one or more searches.

        Args:
            context: given by MLflow, unused.
            model_input: a row per candidate: ``id_search``, ``id_listing`` and what the
                model reads; a table of pandas, Polars or Arrow, or a list of dicts.
            params: ``{"k": n}`` keeps the best ``n`` rows of each search.

        Returns:
            ``id_search, id_listing, rank, score``, sorted by search and rank.

        Raises ``MlflowException`` (of a wrong input, which a server answers with 400) in one
        sentence, for rows that cannot be read.
        """
        try:
            name = f"the {self.model.name.replace('_', '-')}"
            rows = served_rows(model_input, self.columns, model=name)
        except DataError as error:
            raise mlflow.MlflowException.invalid_parameter_value(str(error)) from None
        k = (params or {}).get("k") or rows.num_rows
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
