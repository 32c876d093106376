"""The ablation: what leaving a group out changes, in the unit of each metric."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.scorecard import Scorecard


@pytest.fixture(scope="module")
def ablation(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("ablation")


@pytest.fixture(scope="module")
def card(ablation: ModuleType) -> Scorecard:
    """Searches of two results; the one that is booked stands first, or second without price."""
    searches = 20
    rows = {
        "id_search": np.repeat([f"s{i}" for i in range(searches)], 2),
        "id_listing": np.tile(["x", "y"], searches),
        "id_user": np.repeat([f"u{i}" for i in range(searches)], 2),
        "stage": np.tile([3, 0], searches).astype(np.int8),
    }
    first = np.tile([2.0, 1.0], searches)
    return evaluate(
        pa.table(rows),
        {ablation.EVERYTHING: first, "price": -first},
        split="test",
        reference=ablation.EVERYTHING,
        config=EvaluationConfig(ks=(10,), replicates=20),
        context=EvaluationInputs(worth=np.tile([0.04, 0.0], searches)),
    )


def test_the_change_of_an_ndcg_is_a_difference(ablation: ModuleType, card: Scorecard) -> None:
    change = ablation.changes_of([card], "price", "ndcg_at_10")
    assert change == [pytest.approx(1 / np.log2(3) - 1)]


def test_the_change_of_the_value_is_in_per_cent(ablation: ModuleType, card: Scorecard) -> None:
    change = ablation.changes_of([card], "price", "value_dcg_at_10")
    assert change == [pytest.approx(100 * (1 / np.log2(3) - 1))]


@pytest.mark.slow
def test_every_group_is_left_out_and_then_some_together(
    run_benchmark: Callable[..., str],
) -> None:
    printed = run_benchmark("ablation.py", "--small", "--together", "query", "market")
    assert "SIMULATED" in printed
    left_out = re.findall(r"^  fitted without ([\w, ]+): (\d+)$", printed, re.MULTILINE)
    sizes = {name: int(size) for name, size in left_out}
    everything = sizes.pop("nothing")
    both = everything - sizes["query, market"]
    assert both == (everything - sizes["query"]) + (everything - sizes["market"])
    rows = re.findall(r"^\| ([\w, ]+) \| (\d+) \|", printed, re.MULTILINE)
    assert {name: everything - int(size) for name, size in rows} == sizes
