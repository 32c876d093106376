"""Promotion: champion and challenger side by side on the challenger's test window.

Evaluation comes first (:mod:`pipelines.evaluation.evaluate_run`); here the gate decides, sets
the registry's alias and writes the reason down.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from data.errors import DataError
from data.plain_text import as_markdown_text
from data.time_split import Windows
from models.evaluation.scorecard import Scorecard
from pipelines.config.home import Home, write_json
from pipelines.config.home_use import uses_home
from pipelines.evaluation.evaluate_run import evaluate as evaluate_run
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.evaluation.experiment_note import write_note
from pipelines.evaluation.publish_scorecard import describe_training
from pipelines.evaluation.score_windows import score_of_window
from pipelines.evaluation.scorecard_view import read_scorecard
from pipelines.feature_table.build_table import feature_set_of
from pipelines.feature_table.judged_rows import judge_test
from pipelines.feature_table.training_rows import evaluation_rows
from pipelines.promotion.champion_beside import log_champion_beside
from pipelines.promotion.champion_registry import (
    Champion,
    find_champion,
    promotion_lock,
    record_decision,
)
from pipelines.promotion.checks import primary_check
from pipelines.promotion.decision import Check, GateDecision, decide
from pipelines.promotion.gate_config import GateConfig, gate_config
from pipelines.promotion.guardrails import guardrails
from pipelines.promotion.side_by_side import (
    models_of_champion,
    recall_against_champion,
    recall_against_popularity,
    scored_side_by_side,
    timed_side_by_side,
)
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import RANKER_MODEL
from pipelines.training.run_record import RunRecord, load_models, read_record

__all__ = [
    "decide_promotion",
    "evaluate_and_promote",
    "load_evaluated_run",
    "read_decision",
]

FIRST_RIVAL = "popularity"
NONE_USABLE = "no champion is left whose files are whole"
# As select_serving_run has it: a run that was not refused goes before one in force.
NO_CHAMPION_UNDECIDED = (
    "there is no champion yet, so the daily batch recommends with this ranker until a newer one "
    "is promoted or undecided too"
)
NO_CHAMPION_REFUSED = (
    "there is no champion yet: the daily batch goes on with the ranker it has, or takes this one "
    "where it has none"
)


@uses_home
def evaluate_and_promote(context: RunContext, run: str) -> Scorecard:
    """Evaluate a run, then let the gate decide on its ranker, where it has one."""
    evaluated = evaluate_run(context, run)
    scorecard, gate = evaluated.scorecard, ""
    if "ranker" in evaluated.record.children:
        with context.console.step("judging the challenger"):
            decision = decide_promotion(context, evaluated)
        context.console.say(f"ranker against {decision.against}: {decision.reason}")
        for note in decision.notes:
            context.console.say(f"note: {note}")
        gate = f"The gate: {decision.reason}."
        describe_training(context, evaluated.record, scorecard, gate)
    write_note(context, evaluated.record, scorecard, body=as_markdown_text(gate))
    return scorecard


def load_evaluated_run(context: RunContext, run: str) -> EvaluatedRun:
    """A run that was evaluated before, loaded again with the scores that the gate compares.

    Raises ``DataError`` where the run has no ranker.
    """
    record = read_record(context.home, run)
    if "ranker" not in record.models:
        raise DataError(f"run {run} has no ranker to promote; train one: stayrank train ranker")
    models = load_models(context, record)
    rows = evaluation_rows(context, Windows(**record.windows), feature_set_of(context))
    worth = judge_test(context, rows)
    return EvaluatedRun(
        record=record,
        models=models,
        rows=rows,
        scores={
            name: score_of_window(models[name], rows, "test")
            for name in ("ranker", FIRST_RIVAL)
            if name in models
        },
        worth=None if worth is None else worth.worth,
        retrieval=None,
        scorecard=read_scorecard(context.home),
    )


@uses_home
def decide_promotion(
    context: RunContext, challenger: EvaluatedRun, config: GateConfig | None = None
) -> GateDecision:
    """Decide whether the challenger becomes champion, set the alias, write the reason.

    Without a champion that can be scored the rival is popularity. The registry is held from
    the comparison to the alias, so that nobody wins against a champion who is gone.
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
        if champion is not None:
            decision = _against_champion(context, challenger, champion, config, search.notes)
        else:
            stays = NONE_USABLE if search.notes else None
            decision = _against_popularity(
                context, challenger, config, stays=stays, notes=search.notes
            )
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
    return home.run_folder(run) / "promotion.json"


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
    try:
        rivals = models_of_champion(context, champion)
        theirs = score_of_window(rivals["ranker"], challenger.rows, "test")
    except ValueError as error:
        # Its features are no longer built: it could not serve today's searches either.
        return _against_popularity(
            context,
            challenger,
            config,
            stays=f"{against} stays, which cannot score today's features",
            notes=(*notes, f"{against} cannot score today's features ({error})"),
        )
    beside = scored_side_by_side(context, challenger, theirs, rivals, config)
    log_champion_beside(
        context.tracking,
        challenger.record,
        champion.version,
        replace(beside, honesty=challenger.scorecard.honesty),
    )
    scores = beside.scores
    recall = recall_against_champion(context, challenger, rivals)
    primary = primary_check(scores, config, against=against)
    checks = guardrails(scores, recall, config, against=against)
    checks.append(
        timed_side_by_side(
            challenger.models["ranker"], rivals["ranker"], challenger.rows.test, config
        )
    )
    return decide(primary, checks, against=against, otherwise=f"{against} stays", notes=notes)


def _against_popularity(
    context: RunContext,
    challenger: EvaluatedRun,
    config: GateConfig,
    *,
    stays: str | None,
    notes: tuple[str, ...],
) -> GateDecision:
    """The paired comparison with the first rival, by the same checks.

    ``stays`` says which champion is left if the challenger is not promoted; ``None`` where
    there never was one.
    """
    against = FIRST_RIVAL
    theirs = challenger.scores[FIRST_RIVAL]
    scores = scored_side_by_side(context, challenger, theirs, {}, config).scores
    recall = recall_against_popularity(challenger)
    primary = primary_check(scores, config, against=against)
    checks = guardrails(scores, recall, config, against=against, is_first=True)
    looked_up = "popularity is looked up, not computed: nothing to compare with"
    checks.append(Check(name="latency", is_passed=None, finding=looked_up))
    if stays is None:
        stays = NO_CHAMPION_UNDECIDED if primary.is_passed is None else NO_CHAMPION_REFUSED
    return decide(primary, checks, against=against, otherwise=stays, notes=notes)
