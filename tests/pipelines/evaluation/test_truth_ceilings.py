"""Models held against the best possible, and the truth kept out of their reach."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data.lake.store import Lake
from data.schema.tables import FEATURES, TRUTH
from models.evaluation.oracle import CEILINGS
from pipelines.run_context import RunContext

Finished = tuple[RunContext, str]
Scores = dict[tuple[str, str], dict[str, Any]]

ROOT = Path(__file__).parents[3]
CLOSED = ("features", "models")
TRUTH_HOLDERS = {"data.lake", "data.simulator"}
K = 10
# Float sums of the same numbers in another order.
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def scores(finished: Finished) -> Scores:
    """The scorecard's figures of the whole test window, by model and metric."""
    card = json.loads((finished[0].home.report / "scorecard.json").read_text())
    return {(s["model"], s["metric"]): s for s in card if s["segment"] == "all"}


@pytest.mark.parametrize("ceiling", CEILINGS)
def test_oracle_wins_all_that_can_be_won(scores: Scores, ceiling: str) -> None:
    oracle = scores[f"oracle_{ceiling}", f"g_{ceiling}_at_{K}"]
    assert oracle["value"] == pytest.approx(1, abs=ROUNDING)
    # 1 by definition, whoever is drawn: no interval
    assert (oracle["low"], oracle["high"]) == (None, None)


@pytest.mark.parametrize("ceiling", CEILINGS)
def test_random_order_wins_nothing_within_its_interval(scores: Scores, ceiling: str) -> None:
    random = scores["random", f"g_{ceiling}_at_{K}"]
    assert random["low"] <= 0 <= random["high"]
    assert random["high"] - random["low"] < 0.5


def test_no_model_wins_more_than_the_oracle_that_knows_the_taste(scores: Scores) -> None:
    found = {model: s for (model, metric), s in scores.items() if metric == f"g_taste_at_{K}"}
    assert {"random", "popularity", "als", "two_tower", "ranker"} <= set(found)
    for score in found.values():
        # expected DCG has no luck in it, so not even the figure itself may pass the oracle's
        assert score["value"] <= 1 + ROUNDING


def test_ceilings_lie_apart(scores: Scores) -> None:
    """What the log does not show is worth something: history has room to help."""
    observables = scores["oracle_observables", f"g_taste_at_{K}"]
    assert 0 < observables["low"] < observables["high"] < 0.98


def test_scorecard_of_a_simulated_log_says_so(finished: Finished) -> None:
    panel = json.loads((finished[0].home.report / "honesty.json").read_text())
    assert panel["provenance"]["is_simulated"] is True
    assert panel["searches_scored"] <= panel["searches"]
    assert "simulated" in (finished[0].home.report / "index.html").read_text().lower()


def test_features_hold_no_column_of_the_truth(finished: Finished) -> None:
    lake: Lake = finished[0].lake
    columns = set(lake.scan(FEATURES.name).collect_schema().names())
    assert not columns & {name for name in TRUTH.names if name.startswith("p_")}


def test_no_feature_is_a_probability_of_the_truth(finished: Finished) -> None:
    """No numeric feature orders the listings as the truth does: nothing leaked unnamed."""
    lake: Lake = finished[0].lake
    keys = ["id_search", "id_listing"]
    features = lake.scan(FEATURES.name).select(*keys, pl.selectors.float()).collect()
    truth = lake.scan(TRUTH.name).select(*keys, "p_click_taste", "p_book_taste").collect()
    both = features.join(truth, on=keys).drop(keys)
    assert both.height == features.height
    measured = [name for name in features.columns if name not in keys]
    for answer in ("p_click_taste", "p_book_taste"):
        closeness = both.select(
            pl.corr(pl.col(name).fill_nan(None), answer, method="spearman").abs()
            for name in measured
        ).row(0)
        assert max(value for value in closeness if value is not None and value == value) < 0.95


@pytest.mark.parametrize("room", CLOSED)
def test_source_of_features_and_models_imports_nothing_that_holds_the_truth(room: str) -> None:
    found = {
        (path.name, module)
        for path in sorted((ROOT / room).rglob("*.py"))
        for module in _imported(path)
        for holder in TRUTH_HOLDERS
        if module == holder or module.startswith(f"{holder}.")
    }
    assert found == set()


@pytest.mark.parametrize("room", CLOSED)
def test_source_of_features_and_models_opens_no_truth_table(room: str) -> None:
    """The name of the table stands nowhere as a string on its own, nor as ``TRUTH.name``."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if _names_the_table(node)
    ]
    assert found == []


def test_import_contract_closes_the_truth_to_features_and_models() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    closed = [
        c
        for c in contracts
        if c["type"] == "forbidden"
        and set(CLOSED) <= set(c["source_modules"])
        and set(c["forbidden_modules"]) >= TRUTH_HOLDERS
    ]
    assert len(closed) == 1


def _imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _names_the_table(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return node.value == TRUTH.name
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "name"
        and isinstance(node.value, ast.Name)
        and node.value.id == "TRUTH"
    )
