"""Training a booster on a Dask cluster: LightGBM's own distribution, whole searches per worker.

Every worker holds some of the searches, builds histograms of its rows, and all agree on each
split (``tree_learner="data"``): the trees are those of one machine up to how the values are
binned and drawn. LightGBM cannot stop early on a cluster, so the best number of trees is
looked up afterwards, on the validation rows, here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import lightgbm as lgb
import numpy as np

from models.arrow_columns import Codes, Numbers
from models.lightgbm_core.boosting import Booster, LabelledRows, RoundLimits, TrainedBooster

__all__ = ["DaskTrainer"]

# Of LightGBM's parameters those that the cluster sets itself, or does not know.
_SET_ELSEWHERE = ("num_threads", "metric", "eval_at", "verbosity")
_TREES_AT_ONCE = 10


class DaskTrainer:
    """Trains like :func:`~models.lightgbm_core.boosting.train_booster`, on a cluster.

    ``address`` is a scheduler's, such as ``tcp://10.0.0.5:8786``. Raises ``OSError`` where
    none answers.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(
        self,
        parameters: dict[str, Any],
        train: LabelledRows,
        valid: LabelledRows | None,
        *,
        limits: RoundLimits,
        after_round: Callable[[int, int], None] | None = None,
    ) -> TrainedBooster:
        """Train ``limits.most`` trees; with ``valid`` use the number with the highest NDCG.

        There are no curves, and progress is reported once, at the end. Raises ``ValueError``
        without groups, or with positions, which LightGBM's Dask cannot take.
        """
        if train.groups is None or train.positions is not None:
            raise ValueError("on a cluster a ranker learns from groups, and not by position")
        from distributed import Client

        with Client(self.address) as client:
            client.wait_for_workers(1, timeout=30)
            booster = _train_on(client, parameters, train, limits.most)
        if valid is not None and valid.groups is not None and parameters["boosting"] != "dart":
            _keep_best(booster, parameters, valid)
        if after_round is not None:
            after_round(limits.most, limits.most)
        return TrainedBooster(booster=booster, curves={})


def _train_on(client: Any, parameters: dict[str, Any], train: LabelledRows, rounds: int) -> Booster:
    import dask.array as da

    settings = {k: v for k, v in parameters.items() if k not in _SET_ELSEWHERE}
    settings |= {"n_estimators": rounds, "tree_learner": "data", "verbose": -1}
    model = lgb.DaskLGBMRanker(client=client, **settings)
    parts = list(_parts(train, len(client.scheduler_info()["workers"])))
    columns: dict[str, Any] = {
        name: da.concatenate([da.from_array(part[name], chunks=-1) for part in parts])
        for name in parts[0]
    }
    names = train.matrix.column_names
    model.fit(
        columns["rows"],
        columns["labels"],
        group=columns["groups"],
        sample_weight=columns.get("weights"),
        feature_name=names,
        categorical_feature=[names.index(name) for name in train.categories],
    )
    return model.booster_


def _parts(train: LabelledRows, workers: int) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """One part per worker, each of whole searches and about as many rows.

    Searches of 3, 3, 3 and 3 rows for two workers: the cut wanted at row 6 falls after the
    second search, and each worker gets 6 rows.
    """
    groups = train.groups if train.groups is not None else np.zeros(0, dtype=np.int64)
    ends = np.cumsum(groups)
    wanted = np.arange(1, workers) * ends[-1] / workers
    cuts = np.unique(np.r_[0, np.searchsorted(ends, wanted) + 1, len(groups)])
    rows_ND = _dense(train)
    for first, last in pairwise(cuts.tolist()):
        start, end = (int(ends[i - 1]) if i else 0 for i in (first, last))
        part: dict[str, np.ndarray[Any, Any]] = {
            "rows": rows_ND[start:end],
            "labels": train.labels[start:end].astype(np.float32),
            "groups": groups[first:last].astype(np.int32),
        }
        if train.weights is not None:
            part["weights"] = train.weights[start:end].astype(np.float32)
        yield part


def _dense(data: LabelledRows) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The matrix as float32, missing as NaN: what travels to the workers."""
    dense = np.empty((data.matrix.num_rows, data.matrix.num_columns), dtype=np.float32)
    for i, column in enumerate(data.matrix.columns):
        dense[:, i] = column.to_numpy().astype(np.float32)
    return dense


def _keep_best(booster: Booster, parameters: dict[str, Any], valid: LabelledRows) -> None:
    """Set ``best_iteration`` to the number of trees with the highest NDCG on ``valid``.

    Looked up every ``_TREES_AT_ONCE`` trees: a raw score is the sum over the trees, so each
    look adds the next ones to the last.
    """
    gains = np.asarray(parameters["label_gain"])
    k, scores = int(parameters["eval_at"][0]), np.zeros(valid.matrix.num_rows)
    best, name = -1.0, f"ndcg@{k}"
    for start in range(0, booster.num_trees(), _TREES_AT_ONCE):
        scores += booster.predict(
            valid.matrix, raw_score=True, start_iteration=start, num_iteration=_TREES_AT_ONCE
        )
        ndcg = _ndcg(scores, valid, gains, k)
        if ndcg > best:
            best, booster.best_iteration = ndcg, min(start + _TREES_AT_ONCE, booster.num_trees())
    booster.best_score = {"valid": {name: best}}


def _ndcg(scores: Numbers, valid: LabelledRows, gains: Numbers, k: int) -> float:
    """NDCG@k as LightGBM has it, each search with its weight; all have a label above 0."""
    groups: Codes = valid.groups if valid.groups is not None else np.zeros(0, dtype=np.int64)
    starts = np.cumsum(groups) - groups
    search = np.repeat(np.arange(len(groups)), groups)
    gain = gains[valid.labels]
    reached, ideal = (
        np.add.reduceat(_discounted(key, search, starts, gain, k), starts)
        for key in (-scores, -gain)
    )
    weights = None if valid.weights is None else valid.weights[starts]
    return float(np.average(reached / ideal, weights=weights))


def _discounted(key: Numbers, search: Codes, starts: Codes, gain: Numbers, k: int) -> Numbers:
    """Gains by rising ``key`` within each search, discounted, 0 below the first k."""
    order = np.lexsort((key, search))
    rank = np.arange(len(order)) - starts[search]
    return np.where(rank < k, gain[order] / np.log2(rank + 2.0), 0.0)
