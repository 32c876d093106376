"""The ranker trained on a Dask cluster: as good as on one machine, searches kept whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.validation_metric import ndcg_per_search
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.lightgbm_core.boosting import LabelledRows, RoundLimits
from models.lightgbm_core.dask_trainer import DaskTrainer, _parts
from models.stage_utilities import UTILITIES
from tests.models.worlds import FEATURES, windows, world

CONFIG = LambdaRankConfig(max_rounds=60, patience=60, min_rows_per_leaf=20, num_leaves=7)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.slow
def test_two_processes_reach_the_ndcg_of_one_machine_within_its_interval(cluster) -> None:
    train, valid, test = windows(world(searches=2_000))
    alone = LambdaRank(FEATURES, CONFIG).fit(train, valid)
    together = LambdaRank(FEATURES, CONFIG, trainer=DaskTrainer(cluster)).fit(train, valid)

    of_one = _ndcg(alone, test)
    reach = 1.96 * of_one.std(ddof=1) / np.sqrt(len(of_one))
    assert reach < 0.05
    assert abs(_ndcg(together, test).mean() - of_one.mean()) < reach


@pytest.mark.slow
def test_ranker_of_a_cluster_is_saved_and_loaded_as_any_other(cluster, tmp_path) -> None:
    train, valid, test = windows(world())
    ranker = LambdaRank(FEATURES, CONFIG, trainer=DaskTrainer(cluster)).fit(train, valid)
    ranker.save(tmp_path)

    np.testing.assert_array_equal(LambdaRank.load(tmp_path).score(test), ranker.score(test))
    assert ranker.valid_ndcg[0] is not None
    assert ranker.valid_ndcg[0] > 0.6


def test_every_worker_gets_whole_searches() -> None:
    train, _, _ = windows(world())
    ranker = LambdaRank(FEATURES, CONFIG)
    ranker.matrix.fit(train)
    rows = LabelledRows(
        matrix=ranker.matrix.encode(train, model="test"),
        labels=train["stage"].to_numpy().astype(np.int64),
        groups=np.full(train.num_rows // 10, 10),
    )
    parts = list(_parts(rows, 3))

    assert len(parts) == 3
    assert [len(part["rows"]) for part in parts] == [part["groups"].sum() for part in parts]
    # Laid end to end they are the rows, in their order.
    signal = np.concatenate([part["rows"][:, 0] for part in parts])
    np.testing.assert_array_equal(signal, train["x_signal"].to_numpy().astype(np.float32))
    np.testing.assert_array_equal(
        np.concatenate([part["labels"] for part in parts]), train["stage"].to_numpy()
    )
    assert max(len(p["rows"]) for p in parts) - min(len(p["rows"]) for p in parts) <= 20


def test_debiasing_by_position_is_refused_on_a_cluster() -> None:
    rows = LabelledRows(
        matrix=pa.table({"x": [1.0, 2.0]}),
        labels=np.array([0, 1]),
        groups=np.array([2]),
        positions=np.array([1, 2]),
    )
    with pytest.raises(ValueError, match="not by position"):
        DaskTrainer("tcp://127.0.0.1:1")({}, rows, None, limits=RoundLimits(most=1, patience=1))


def _ndcg(ranker: LambdaRank, rows) -> np.ndarray:
    each = ndcg_per_search(rows, ranker.score(rows), utilities=UTILITIES, k=10)
    return each[~np.isnan(each)]
