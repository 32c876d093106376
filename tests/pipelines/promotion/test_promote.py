"""The gate on a real home: a champion from the registry against a second run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from pipelines.config.home import Home
from pipelines.promotion.champion_registry import (
    find_champion,
    promotion_lock,
    record_decision,
    roll_back,
)
from pipelines.promotion.promote import Challenge, challenge_of, judge_challenger, read_decision
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
    challenge = challenge_of(context, first)
    with promotion_lock(home):
        decision = judge_challenger_by_popularity(context, challenge)
    assert decision == "champion"
    second = train(context, ("random", "popularity", "two_tower", "ranker"))
    return context, second


def judge_challenger_by_popularity(context: RunContext, challenge: Challenge) -> str | None:
    """Crown the first ranker whatever its figures: the small world's are too few to win by."""
    decision = read_decision(context.home, challenge.record.name)
    assert decision is not None
    crowned = replace(decision, is_promoted=True, reason="crowned by the test")
    return record_decision(context.tracking, challenge.record.children["ranker"], crowned)


def knowing(challenge: Challenge) -> Challenge:
    """The challenge of a ranker that sees the outcomes, and changes little else."""
    stage = np.asarray(challenge.rows.test["stage"]).astype(float)
    return replace(challenge, scores=challenge.scores + 100.0 * stage)


def test_equal_ranker_is_refused_with_every_guardrail_told(contest: Finished) -> None:
    context, second = contest
    decision = judge_challenger(context, challenge_of(context, second))
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
        decision = judge_challenger(context, challenge_of(context, second))
    finally:
        booster.write_text(whole)
    assert decision.against == "popularity"
    (note,) = decision.notes
    assert "booster_0.txt" in note


def test_clear_winner_becomes_champion_and_can_be_rolled_back(contest: Finished) -> None:
    context, second = contest
    decision = judge_challenger(context, knowing(challenge_of(context, second)))
    assert decision.primary.is_passed
    assert [check for check in decision.guardrails if check.is_passed is False] == []
    assert decision.is_promoted
    record = read_record(context.home, second)
    version = context.tracking.versions.of_run(RANKER_MODEL, record.children["ranker"])
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) == version
    assert roll_back(context.tracking, context.home) == (version, "1")


def test_judging_the_champion_again_changes_nothing(finished: Finished, contest: Finished) -> None:
    context, _ = contest
    decision = judge_challenger(context, challenge_of(context, finished[1]))
    assert decision == read_decision(context.home, finished[1])
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"


LOADED = """
import sys
import mlflow
from pathlib import Path
from pipelines.config.home import Home
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
