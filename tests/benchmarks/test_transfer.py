"""The transfer benchmark: differences from ``separate``, and what is known of too little."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pytest

from models.evaluation.scorecard import Score
from models.evaluation.transfer import TransferCell

SCORE = Score(
    model="m",
    split="test",
    segment="market=rio",
    metric="g_taste_at_10",
    k=10,
    value=0.5,
    low=0.4,
    high=0.6,
    searches=50,
    positives=50,
)


def cell(train: str, value: float, **changes: object) -> TransferCell:
    score = replace(SCORE, value=value, low=value - 0.1, high=value + 0.1)
    return TransferCell(train=train, test="rio", score=replace(score, **changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def transfer(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("transfer")


def test_differences_are_those_of_what_was_learnt_elsewhere(transfer: ModuleType) -> None:
    cells = [
        cell("rio", 0.5),
        cell("sao_paulo", 0.4, difference=-0.1),
        cell("joint", 0.6, difference=0.1),
        cell("separate", 0.5),
    ]
    assert dict(transfer.differences(cells)) == {("sao_paulo", "rio"): -0.1, ("joint", "rio"): 0.1}


def test_differences_of_the_value_are_in_per_cent(transfer: ModuleType) -> None:
    cells = [
        cell("joint", 0.021, difference=0.001, metric="value_dcg_at_10"),
        cell("separate", 0.020, metric="value_dcg_at_10"),
    ]
    assert dict(transfer.differences(cells)) == {("joint", "rio"): pytest.approx(5.0)}


def test_a_figure_without_interval_stands_alone(transfer: ModuleType) -> None:
    alone = cell("joint", 0.6, low=None, high=None, difference=0.1)
    assert transfer.value_of(alone) == "0.6000"
    assert transfer.difference_of(alone) == "+0.1000"
    known = cell("joint", 0.6, difference=0.1, difference_low=-0.05, difference_high=0.25)
    assert transfer.value_of(known) == "0.6000 (0.5000 to 0.7000)"
    assert transfer.difference_of(known) == "+0.1000 (-0.0500 to +0.2500)"


def test_a_figure_of_two_searches_is_not_printed(
    transfer: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    few = [
        cell("joint", 0.6, searches=2, low=None, high=None, difference=0.1),
        cell("separate", 0.5, searches=2, low=None, high=None),
    ]
    assert dict(transfer.differences(few)) == {}
    transfer.print_matrix("lambdarank", "ndcg_at_10", few)
    printed = capsys.readouterr().out
    assert printed.count("too few") == 2
    assert "0.6" not in printed


@pytest.mark.slow
def test_transfer_prints_a_matrix_for_each_model_and_metric(
    transfer: ModuleType, run_benchmark: Callable[..., str]
) -> None:
    printed = run_benchmark("transfer.py", "--small")
    assert "SIMULATED" in printed
    matrices = re.findall(r"^(lambdarank|popularity), (\w+): value", printed, re.MULTILINE)
    worlds = transfer.SMALL["seeds"]
    assert matrices == [
        (model, metric) for model in ("lambdarank", "popularity") for metric in transfer.METRICS
    ] * len(worlds)
    assert f"mean difference from separate over {len(worlds)} worlds" in printed
