"""The ranker that recommends: a funnel, or a lambdarank that an earlier version registered.

Runs, registry, gate and notebooks say ``ranker`` for whichever model orders the results; what
stands behind the word is decided here, by what was saved.
"""

from __future__ import annotations

from pathlib import Path

from models.funnel.funnel_model import FunnelModel
from models.lambdarank import LambdaRank

__all__ = ["Ranker", "load_ranker"]


def load_ranker(folder: Path) -> FunnelModel | LambdaRank:
    """The ranker saved in ``folder``; raises ``ValueError`` where the folder is not whole."""
    if (folder / "ranker.json").is_file():
        return LambdaRank.load(folder)
    return FunnelModel.load(folder)


class Ranker:
    """The name by which models that an earlier version registered in MLflow are loaded."""

    load = staticmethod(load_ranker)
