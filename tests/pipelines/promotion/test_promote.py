"""The gate on a real home: a champion from the registry against a second run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from pipelines.config.home import Home
from pipelines.config.settings import SettingsError, load_settings
from pipelines.evaluation.evaluate_run import evaluate
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.promotion.champion_registry import (
    CHALLENGER,
    find_champion,
    promotion_lock,
    record_decision,
    roll_back,
)
from pipelines.promotion.gate_config import gate_config
from pipelines.promotion.promote import (
    decide_promotion,
    load_evaluated_run,
    read_decision,
)
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import CHAMPION, RANKER_MODEL
from pipelines.training.run_record import read_record
from pipelines.training.train import train

Finished = tuple[RunContext, str]


@pytest.fixture(scope="module")
def contest(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunContext, str]:
    """A copy of the finished home whose ranker is champion, and a second run's name."""
    before, first = finished
    home = Home(tmp_path_factory.mktemp("contest") / "home")
    shutil.copytree(before.home.root, home.root)
    context = RunContext(home=home, settings=before.settings, console=before.console)
    challenger = load_evaluated_run(context, first)
    with promotion_lock(home):
        decision = crown_whatever_its_figures(context, challenger)
    assert decision == "champion"
    second = train(context, ("random", "popularity", "two_tower", "ranker"))
    return context, second


def crown_whatever_its_figures(context: RunContext, challenger: EvaluatedRun) -> str | None:
    """Crown the first ranker whatever its figures: the small world's are too few to win by."""
    decision = read_decision(context.home, challenger.record.name)
    assert decision is not None
    crowned = replace(decision, is_promoted=True, reason="crowned by the test")
    return record_decision(context.tracking, challenger.record.children["ranker"], crowned)


def knowing(challenger: EvaluatedRun) -> EvaluatedRun:
    """A challenger whose ranker sees the outcomes, and changes little else."""
    stage = np.asarray(challenger.rows.test["stage"]).astype(float)
    return replace(challenger, scores={"ranker": challenger.scores["ranker"] + 100.0 * stage})


def test_evaluation_alone_decides_nothing(contest: Finished) -> None:
    context, second = contest
    evaluated = evaluate(context, second)
    assert evaluated.scorecard.find("ranker", "graded_ndcg_at_10").searches > 0
    assert read_decision(context.home, second) is None
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"
    assert context.tracking.versions.at(RANKER_MODEL, CHALLENGER) is None


def test_gate_demands_what_the_settings_say() -> None:
    config = gate_config(load_settings(gate={"slower": 7.5, "ndcg_loss": 0.05}))
    assert (config.slower, config.ndcg_loss, config.recall_loss) == (7.5, 0.05, 0.02)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"slowest": 2.0}, "setting gate.slowest is not known"),
        ({"ndcg_loss": -0.1}, "out of range: ndcg_loss"),
        ({"fewest_outcomes": "many"}, "gate.fewest_outcomes"),
    ],
)
def test_unsound_gate_is_refused_by_name(gate: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        gate_config(load_settings(gate=gate))


def test_equal_ranker_is_refused_with_every_guardrail_told(contest: Finished) -> None:
    context, second = contest
    decision = decide_promotion(context, load_evaluated_run(context, second))
    assert not decision.is_promoted
    assert decision.against == "champion version 1"
    assert "does not exclude zero" in decision.reason
    names = {check.name for check in decision.guardrails}
    assert {
        "market=rio_de_janeiro",
        "market=sao_paulo",
        "listing=new",
        "new-listing exposure",
        "exposure_gini_at_10",
        "coverage_at_10",
        "calibration book",
        "retrieval",
        "latency",
    } <= names
    assert read_decision(context.home, second) == decision
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"


def test_champion_whose_files_are_altered_is_passed_over(contest: Finished) -> None:
    context, second = contest
    champion = find_champion(context.tracking).champion
    assert champion is not None
    booster = champion.folder / "booster_0.txt"
    whole = booster.read_text()
    booster.write_text(whole.replace("tree", "three", 1))
    try:
        decision = decide_promotion(context, load_evaluated_run(context, second))
    finally:
        booster.write_text(whole)
    assert decision.against == "popularity"
    (note,) = decision.notes
    assert "booster_0.txt" in note


def test_clear_winner_becomes_champion_and_can_be_rolled_back(contest: Finished) -> None:
    context, second = contest
    decision = decide_promotion(context, knowing(load_evaluated_run(context, second)))
    assert decision.primary.is_passed
    assert [check for check in decision.guardrails if check.is_passed is False] == []
    assert decision.is_promoted
    record = read_record(context.home, second)
    version = context.tracking.versions.of_run(RANKER_MODEL, record.children["ranker"])
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) == version
    assert roll_back(context.tracking, context.home) == (version, "1")


def test_deciding_on_the_champion_again_changes_nothing(
    finished: Finished, contest: Finished
) -> None:
    context, _ = contest
    decision = decide_promotion(context, load_evaluated_run(context, finished[1]))
    assert decision == read_decision(context.home, finished[1])
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"


LOADED = """
import sys
import mlflow
from pathlib import Path
from pipelines.config.home import Home
from pipelines.config.settings import SettingsError, load_settings
from pipelines.evaluation.evaluate_run import evaluate
from pipelines.tracking.tracking import Tracking
Tracking.open(Home(Path(sys.argv[1])))
for name in ("stayrank-ranker", "stayrank-two-tower"):
    model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    ranked = model.predict(model.input_example, params={"k": 2})
    print(name, list(ranked.columns), ranked["rank"].max())
"""


def test_champion_loads_and_ranks_in_a_fresh_process(contest: Finished) -> None:
    words = [sys.executable, "-c", LOADED, str(contest[0].home.root)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    columns = "['id_search', 'id_listing', 'rank', 'score']"
    assert f"stayrank-ranker {columns} 2" in done.stdout
    assert f"stayrank-two-tower {columns} 2" in done.stdout
