"""The gate on a real home: a champion from the registry against a second run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.config.home import Home
from pipelines.config.settings import SettingsError, load_settings
from pipelines.evaluation.evaluate_run import evaluate
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.promotion.champion_registry import (
    CHALLENGER,
    Champion,
    ChampionSearch,
    find_champion,
    promotion_lock,
    record_decision,
    roll_back,
)
from pipelines.promotion.gate_config import GateConfig, gate_config
from pipelines.promotion.promote import (
    decide_promotion,
    load_evaluated_run,
    read_decision,
)
from pipelines.promotion.select_serving_run import select_serving_run
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import CHAMPION, RANKER_MODEL
from pipelines.training.run_record import read_record
from pipelines.training.train import train

Finished = tuple[RunContext, str]
# The small world has fewer guests than the gate asks for by default.
ENOUGH = GateConfig(fewest_searches=10, fewest_clicks=10, fewest_guests=5, fewest_bookings=3)

TOO_DEMANDING = GateConfig(fewest_guests=1_000_000, fewest_bookings=1_000_000)


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
    scores = {**challenger.scores, "ranker": challenger.scores["ranker"] + 100.0 * stage}
    return replace(challenger, scores=scores)


def same_as_popularity(context: RunContext, run: str) -> EvaluatedRun:
    """A challenger that gives every row popularity's score."""
    challenger = load_evaluated_run(context, run)
    popular = challenger.scores["popularity"]
    return replace(challenger, scores={"ranker": popular, "popularity": popular})


def test_evaluation_alone_decides_nothing(contest: Finished) -> None:
    context, second = contest
    evaluated = evaluate(context, second)
    assert evaluated.scorecard.find("ranker", "graded_ndcg_at_10").searches > 0
    assert read_decision(context.home, second) is None
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"
    assert context.tracking.versions.at(RANKER_MODEL, CHALLENGER) is None


def test_gate_demands_what_the_settings_say() -> None:
    config = gate_config(load_settings(gate={"slower": 7.5, "fewest_guests": 50}))
    assert (config.slower, config.fewest_guests, config.recall_loss) == (7.5, 50, 0.02)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"slowest": 2.0}, "setting gate.slowest is not known .did you mean 'slower'"),
        ({"ndcg_loss": -0.1}, "setting gate.ndcg_loss = -0.1: must be at least 0"),
        ({"fewest_outcomes": "many"}, "gate.fewest_outcomes"),
    ],
)
def test_unsound_gate_is_refused_by_name(gate: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        gate_config(load_settings(gate=gate))


def test_equal_ranker_is_refused_with_every_guardrail_told(contest: Finished) -> None:
    context, second = contest
    decision = decide_promotion(context, load_evaluated_run(context, second), ENOUGH)
    assert not decision.is_promoted
    assert decision.against == "champion version 1"
    # trained on the same rows with the same seed: the same trees
    assert decision.reason.endswith(
        ": both order every search that counts equally well; champion version 1 stays"
    )
    assert [check for check in decision.guardrails if check.is_passed is False] == []
    names = {check.name for check in decision.guardrails}
    assert {
        "market=rio_de_janeiro",
        "market=sao_paulo",
        "listing=new",
        "bookings",
        "new-listing exposure",
        "exposure_gini_at_10",
        "coverage_at_10",
        "calibration book",
        "retrieval",
        "latency",
    } == names - {"calibration click", "calibration contact"}
    assert read_decision(context.home, second) == decision
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"


def test_champion_stands_in_the_table_of_the_models_that_did_not_replace_it(
    contest: Finished,
) -> None:
    context, second = contest
    for _ in range(2):
        decide_promotion(context, load_evaluated_run(context, second), ENOUGH)
    record, client = read_record(context.home, second), context.tracking.client
    where = f"tags.mlflow.parentRunId = '{record.parent}'"
    rows = client.search_runs([context.tracking.experiment_id], where)
    standings = {run.info.run_name: run.data.tags.get("standing") for run in rows}
    assert len(rows) == len(standings) == len(record.children) + 1
    assert (standings["ranker"], standings["champion"]) == ("refused", "★ champion")
    (champion,) = (run for run in rows if run.info.run_name == "champion")
    assert "test.value_dcg_at_10.market.sao_paulo" in champion.data.metrics
    assert champion.data.tags["95 percent interval"]


def test_too_little_evidence_keeps_the_champion(contest: Finished) -> None:
    context, second = contest
    decision = decide_promotion(
        context, knowing(load_evaluated_run(context, second)), TOO_DEMANDING
    )
    assert (decision.is_promoted, decision.has_evidence) == (False, False)
    assert decision.reason.startswith("too little to decide: ")
    assert "guests where 1,000,000 are needed" in decision.reason
    assert decision.reason.endswith("; champion version 1 stays")
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"


def test_champion_whose_files_are_altered_is_passed_over(contest: Finished) -> None:
    context, second = contest
    champion = find_champion(context.tracking).champion
    assert champion is not None
    booster = champion.folder / "booster_click_0.txt"
    whole = booster.read_text()
    booster.write_text(whole.replace("tree", "three", 1))
    try:
        decision = decide_promotion(context, same_as_popularity(context, second), ENOUGH)
    finally:
        booster.write_text(whole)
    assert decision.against == "popularity"
    assert decision.reason.endswith("; no champion is left whose files are whole")
    (note,) = decision.notes
    assert "booster_click_0.txt" in note


def test_champion_that_cannot_score_todays_features_stays_and_popularity_is_the_rival(
    contest: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, second = contest
    challenger = same_as_popularity(context, second)
    at_fault = "pipelines.promotion.promote.score_of_window"
    monkeypatch.setattr(at_fault, raise_missing_feature)
    decision = decide_promotion(context, challenger, ENOUGH)
    assert decision.against == "popularity"
    assert decision.reason.endswith(
        "; champion version 1 stays, which cannot score today's features"
    )
    assert decision.notes == (
        "champion version 1 cannot score today's features (no column old_feature)",
    )
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"


def test_champion_of_an_earlier_version_is_a_rival_by_its_scores_alone(
    finished: Finished, contest: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, second = contest
    folder = read_record(context.home, finished[1]).folder_of(context.home, "lambdarank")
    champion = Champion(version="1", run="gone", folder=as_earlier_ranker(folder, tmp_path / "r"))
    monkeypatch.setattr(
        "pipelines.promotion.promote.find_champion", lambda _: ChampionSearch(champion=champion)
    )
    decision = decide_promotion(context, load_evaluated_run(context, second), ENOUGH)
    checks = {check.name: check for check in decision.guardrails}
    assert decision.against == "champion version 1"
    assert "against champion version 1" in decision.reason
    assert checks["latency"].is_passed is not None
    assert "of champion" not in checks["calibration click"].finding
    assert checks["retrieval"].is_passed is None


def as_earlier_ranker(folder: Path, copy: Path) -> Path:
    """A saved lambdarank as it was saved while it was the ranker."""
    shutil.copytree(folder, copy)
    content = json.loads((copy / "lambdarank.json").read_text())
    (copy / "ranker.json").write_text(json.dumps(content | {"model": "ranker"}))
    (copy / "lambdarank.json").unlink()
    return copy


def raise_missing_feature(*_: object) -> None:
    raise ValueError("no column old_feature")


@pytest.fixture
def no_champion(contest: Finished) -> Iterator[Finished]:
    """The contest as it is before any ranker was promoted."""
    versions = contest[0].tracking.versions
    versions.delete_alias(RANKER_MODEL, CHAMPION)
    yield contest
    versions.set_alias(RANKER_MODEL, CHAMPION, "1")


def test_first_ranker_has_to_beat_popularity_and_is_guarded_against_it(
    no_champion: Finished,
) -> None:
    context, second = no_champion
    decision = decide_promotion(context, same_as_popularity(context, second), ENOUGH)
    assert decision.against == "popularity"
    assert decision.reason.endswith(
        "both order every search that counts equally well; there is no champion yet: the daily "
        "batch goes on with the ranker it has, or takes this one where it has none"
    )
    unmeasured = {check.name for check in decision.guardrails if check.is_passed is None}
    assert unmeasured >= {"calibration click", "calibration book", "latency"}
    measured = {check.name for check in decision.guardrails} - unmeasured
    assert measured >= {"new-listing exposure", "exposure_gini_at_10", "coverage_at_10"}


def test_first_ranker_on_too_small_a_log_recommends_without_being_champion(
    no_champion: Finished,
) -> None:
    context, second = no_champion
    decision = decide_promotion(context, load_evaluated_run(context, second), TOO_DEMANDING)
    assert not decision.has_evidence
    assert "there is no champion yet, so the daily batch recommends with this ranker" in (
        decision.reason
    )
    assert context.tracking.versions.at(RANKER_MODEL, CHAMPION) is None
    chosen = select_serving_run(context)
    assert chosen is not None
    assert (chosen.run, chosen.standing) == (second, "undecided")


def test_clear_winner_becomes_champion_and_can_be_rolled_back(contest: Finished) -> None:
    context, second = contest
    decision = decide_promotion(context, knowing(load_evaluated_run(context, second)), ENOUGH)
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
