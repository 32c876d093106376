"""The exposure policy of new listings: chosen when the ranker is trained, kept with the run.

On the validation window, the policy that gives new listings the most exposure for a loss of
NDCG that is allowed. The curve that it was chosen from is kept beside it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from models.evaluation.validation_metric import JUDGED_BY
from models.recommender import Scores
from models.reranking.new_listing_exposure import (
    ExposurePolicy,
    chosen_policy,
    exposure_curve,
)
from pipelines.config.home import write_json

__all__ = ["EXPOSURE_COLUMNS", "POLICIES", "choose_exposure", "log_scores", "read_exposure"]

_FILE = "exposure.json"
_IS_NEW = "listing_is_new"
_LEAST = 1e-12

EXPOSURE_COLUMNS = (*JUDGED_BY, _IS_NEW)
"""What :func:`choose_exposure` reads, so far as the rows have it."""

POLICIES = (
    *(ExposurePolicy(bonus=bonus) for bonus in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)),
    *(ExposurePolicy(floor=floor) for floor in (0.1, 0.2)),
)
"""What is chosen from: bonuses in standard deviations of a search, floors of the first ten."""


def log_scores(scores: Scores) -> Scores:
    """The ranker's scores as logarithms: bonuses and means over rows count in these.

    Probabilities are many times larger in one search than in another; a bonus is in standard
    deviations of a search, and a mean would be that of the few large ones.
    """
    return np.asarray(np.log(np.maximum(scores, _LEAST)))


def choose_exposure(scores: Scores, valid: pa.Table, run: Path, *, most_loss: float) -> pa.Table:
    """Choose a policy on the scored validation rows; writes it and its curve into the run's folder.

    Returns the curve, a row per policy; empty where the log does not say which listings are new.
    """
    policy, curve = ExposurePolicy(), exposure_curve(valid, scores, ())
    if valid.num_rows and _IS_NEW in valid.column_names:
        curve = exposure_curve(valid, scores, POLICIES)
        policy = chosen_policy(curve, most_loss=most_loss)
    write_json(run / _FILE, {"policy": asdict(policy), "curve": curve.to_pylist()})
    return curve


def read_exposure(run: Path) -> ExposurePolicy:
    """The policy of a run; without any effect where none was chosen."""
    try:
        return ExposurePolicy(**json.loads((run / _FILE).read_text())["policy"])
    except FileNotFoundError:
        return ExposurePolicy()
