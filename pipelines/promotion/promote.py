"""Promotion: champion and challenger side by side on the challenger's test window.

Evaluation comes first (:mod:`pipelines.evaluation.evaluate_run`); here the gate decides, sets
the registry's alias and writes the reason down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from data.errors import DataError
from data.time_split import Windows
from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.scorecard import Score, Scorecard
from models.funnel.funnel_model import FunnelModel
from models.ranker import Ranker
from models.recommender import Recommender, Scores
from pipelines.config.home import Home, write_json
from pipelines.evaluation.evaluate_run import evaluate as evaluate_run
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.evaluation.retrieval_recall import retrieval_scores
from pipelines.evaluation.score_windows import score_of_window
from pipelines.evaluation.scorecard_view import read_scorecard
from pipelines.feature_table.build_table import feature_set_of
from pipelines.feature_table.training_rows import evaluation_rows
from pipelines.promotion.champion_registry import (
    Champion,
    find_champion,
    promotion_lock,
    record_decision,
)
from pipelines.promotion.checks import (
    CHALLENGER,
    CHAMPION,
    guardrails,
    latency_check,
    primary_check,
)
from pipelines.promotion.decision import Check, GateDecision, decide
from pipelines.promotion.gate_config import GateConfig, gate_config
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import RANKER_MODEL
from pipelines.training.model_factory import load_recommender
from pipelines.training.run_record import RunRecord, load_models, read_record

__all__ = [
    "decide_promotion",
    "evaluate_and_promote",
    "load_evaluated_run",
    "read_decision",
]

FIRST_RIVAL = "popularity"
TIMED_ROWS = 5_000
TIMED_REPEATS = 5


def evaluate_and_promote(context: RunContext, run: str) -> Scorecard:
    """Evaluate a run, then let the gate decide on its ranker, where it has one."""
    evaluated = evaluate_run(context, run)
    if "ranker" in evaluated.record.children:
        with context.console.step("judging the challenger"):
            decision = decide_promotion(context, evaluated)
        context.console.say(f"ranker against {decision.against}: {decision.reason}")
    return evaluated.scorecard


def load_evaluated_run(context: RunContext, run: str) -> EvaluatedRun:
    """A run that was evaluated before, loaded again with its ranker's scores alone.

    Raises ``DataError`` where the run has no ranker.
    """
    record = read_record(context.home, run)
    if "ranker" not in record.models:
        raise DataError(f"run {run} has no ranker to promote; train one: stayrank train ranker")
    models = load_models(context, record)
    rows = evaluation_rows(context, Windows(**record.windows), feature_set_of(context))
    return EvaluatedRun(
        record=record,
        models=models,
        rows=rows,
        scores={"ranker": score_of_window(models["ranker"], rows, "test")},
        scorecard=read_scorecard(context.home),
    )


def decide_promotion(
    context: RunContext, challenger: EvaluatedRun, config: GateConfig | None = None
) -> GateDecision:
    """Decide whether the challenger becomes champion, set the alias, write the reason.

    Without a champion the ranker has to beat popularity. The registry is held from the
    comparison to the alias, so that nobody wins against a champion who is gone.
    """
    config = config or gate_config(context.settings)
    run_id = challenger.record.children["ranker"]
    tracking = context.tracking
    with promotion_lock(context.home):
        search = find_champion(tracking)
        champion = search.champion
        if champion is not None and champion.version == tracking.versions.of_run(
            RANKER_MODEL, run_id
        ):
            return _as_before(context.home, challenger.record, champion)
        if champion is None:
            primary = primary_check(
                challenger.scorecard, config, model="ranker", against=FIRST_RIVAL
            )
            decision = decide(primary, (), against=FIRST_RIVAL, notes=search.notes)
        else:
            decision = _against_champion(context, challenger, champion, config, search.notes)
        write_json(_decision_file(context.home, challenger.record.name), decision.to_dict())
        record_decision(tracking, run_id, decision)
    return decision


def read_decision(home: Home, run: str) -> GateDecision | None:
    """What the gate decided on a run; ``None`` when it has not decided yet."""
    try:
        return GateDecision.from_dict(json.loads(_decision_file(home, run).read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _decision_file(home: Home, run: str) -> Path:
    return home.runs / run / "promotion.json"


def _as_before(home: Home, record: RunRecord, champion: Champion) -> GateDecision:
    finding = f"version {champion.version} is the champion already"
    return read_decision(home, record.name) or GateDecision(
        is_promoted=True,
        against="itself",
        reason=finding,
        primary=Check(name="primary", is_passed=True, finding=finding),
    )


def _against_champion(
    context: RunContext,
    challenger: EvaluatedRun,
    champion: Champion,
    config: GateConfig,
    notes: tuple[str, ...],
) -> GateDecision:
    """The paired comparison with a champion whose files are whole."""
    against = f"champion version {champion.version}"
    rivals = _rivals(context, champion)
    try:
        theirs = score_of_window(rivals["ranker"], challenger.rows, "test")
    except ValueError as error:
        # Its features are no longer built: it could not serve today's searches either.
        primary = primary_check(challenger.scorecard, config, model="ranker", against=FIRST_RIVAL)
        note = f"{against} cannot score today's features ({error})"
        return decide(primary, (), against=FIRST_RIVAL, notes=(*notes, note))
    scorecard = _side_by_side(context, challenger, theirs, rivals)
    checks = guardrails(scorecard, _retrieval(context, challenger, rivals), config, against=against)
    mine_ms, theirs_ms = _milliseconds(
        challenger.models["ranker"], rivals["ranker"], challenger.rows.test
    )
    primary = primary_check(scorecard, config, model=CHALLENGER, against=against)
    checks.append(latency_check(mine_ms, theirs_ms, config))
    return decide(primary, checks, against=against, notes=notes)


def _rivals(context: RunContext, champion: Champion) -> dict[str, Recommender]:
    """The champion's ranker as registered, and what else its run left on this machine."""
    rivals: dict[str, Recommender] = {"ranker": Ranker.load(champion.folder)}
    for name in ("two_tower", "funnel"):
        folder = context.home.runs / champion.run / "models" / name
        if folder.is_dir():
            rivals[name] = load_recommender(name, folder)
    return rivals


def _side_by_side(
    context: RunContext, challenger: EvaluatedRun, theirs: Scores, rivals: Mapping[str, Recommender]
) -> Scorecard:
    compared = (*EvaluationConfig().compared, "graded_ndcg_at_10")
    config = EvaluationConfig(
        replicates=context.settings.evaluation.replicates,
        seed=challenger.record.seed,
        compared=tuple(dict.fromkeys(compared)),
    )
    test = challenger.rows.test
    probabilities = {
        name: model.probabilities(test)
        for name, model in (
            (CHALLENGER, challenger.models.get("funnel")),
            (CHAMPION, rivals.get("funnel")),
        )
        if isinstance(model, FunnelModel)
    }
    return evaluate(
        test,
        {CHAMPION: theirs, CHALLENGER: challenger.scores["ranker"]},
        split="test",
        reference=CHAMPION,
        config=config,
        context=EvaluationInputs(probabilities=probabilities),
    )


def _retrieval(
    context: RunContext, challenger: EvaluatedRun, rivals: Mapping[str, Recommender]
) -> list[Score]:
    """Recall over the catalogue of both towers; empty where either run has none."""
    if "two_tower" not in rivals or "two_tower" not in challenger.models:
        return []
    towers = {CHAMPION: rivals["two_tower"], CHALLENGER: challenger.models["two_tower"]}
    return retrieval_scores(context, towers, challenger.rows, reference=CHAMPION)


def _milliseconds(mine: Recommender, theirs: Recommender, rows: pa.Table) -> tuple[float, float]:
    """Per thousand rows, the best of several turns: what else the machine does only adds."""
    rows = rows.slice(0, TIMED_ROWS)
    best = [float("inf"), float("inf")]
    for _ in range(TIMED_REPEATS):
        for place, model in enumerate((mine, theirs)):
            since = perf_counter()
            model.score(rows)
            best[place] = min(best[place], perf_counter() - since)
    each = 1e6 / max(1, rows.num_rows)
    return best[0] * each, best[1] * each
