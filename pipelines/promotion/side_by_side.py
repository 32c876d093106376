"""Champion and challenger on the same rows: figures in pairs, recall of both, time of both."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import pyarrow as pa

from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.scorecard import Score, Scorecard
from models.funnel.funnel_model import FunnelModel
from models.ranker import load_ranker
from models.recommender import Recommender, Scores
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.evaluation.retrieval_recall import CANDIDATES, retrieval_of, retrieval_scores
from pipelines.promotion.champion_registry import Champion
from pipelines.promotion.checks import CHALLENGER, CHAMPION, find_score
from pipelines.promotion.decision import Check
from pipelines.promotion.gate_config import GateConfig
from pipelines.promotion.guardrails import COMPARED, latency_check
from pipelines.run_context import RunContext
from pipelines.training.model_factory import load_recommender

__all__ = [
    "models_of_champion",
    "recall_against_champion",
    "recall_against_popularity",
    "scored_side_by_side",
    "timed_side_by_side",
]

RECALL = "catalogue_recall_at_100"
TIMED_ROWS = 5_000
TIMED_TURNS = 5
TIMED_ROUNDS = 4


def models_of_champion(context: RunContext, champion: Champion) -> dict[str, Recommender]:
    """The champion's ranker as registered, and the two-tower that its run left on this machine.

    A ranker that an earlier version registered is a rival by its scores alone. Raises
    ``ValueError`` where one cannot be loaded.
    """
    try:
        rivals: dict[str, Recommender] = {"ranker": load_ranker(champion.folder)}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{champion.folder} was saved by another version ({error})") from error
    folder = context.home.runs / champion.run / "models" / "two_tower"
    if folder.is_dir():
        rivals["two_tower"] = load_recommender("two_tower", folder)
    return rivals


def scored_side_by_side(
    context: RunContext,
    challenger: EvaluatedRun,
    theirs: Scores,
    rivals: Mapping[str, Recommender],
    gate: GateConfig,
) -> Scorecard:
    """The scorecard of ``CHALLENGER`` and ``CHAMPION`` on the challenger's test window.

    ``theirs``: the other's score of each row; ``rivals``: its models, for the probabilities.
    """
    config = EvaluationConfig(
        replicates=context.settings.evaluation.replicates,
        seed=challenger.record.seed,
        compared=tuple(dict.fromkeys((gate.primary, gate.fallback, *COMPARED))),
    )
    test = challenger.rows.test
    probabilities = {
        name: model.probabilities(test)
        for name, model in (
            (CHALLENGER, challenger.models.get("ranker")),
            (CHAMPION, rivals.get("ranker")),
        )
        if isinstance(model, FunnelModel)
    }
    return evaluate(
        test,
        {CHAMPION: theirs, CHALLENGER: challenger.scores["ranker"]},
        split="test",
        reference=CHAMPION,
        config=config,
        context=EvaluationInputs(probabilities=probabilities, worth=challenger.worth),
    )


def recall_against_champion(
    context: RunContext, challenger: EvaluatedRun, rivals: Mapping[str, Recommender]
) -> Score | None:
    """Recall over the catalogue of both towers; ``None`` where either run has none."""
    if "two_tower" not in rivals or "two_tower" not in challenger.models:
        return None
    towers = {CHAMPION: rivals["two_tower"], CHALLENGER: challenger.models["two_tower"]}
    retrieval = retrieval_of(context, towers, challenger.rows)
    scores = retrieval_scores(context, retrieval, reference=CHAMPION)
    return find_score(scores, CHALLENGER, RECALL)


def recall_against_popularity(challenger: EvaluatedRun) -> Score | None:
    """Recall of what ``recommend`` ranks where it was measured, else of the two-tower alone."""
    for model in (CANDIDATES, "two_tower"):
        score = find_score(challenger.scorecard.scores, model, RECALL)
        if score is not None:
            return score
    return None


def timed_side_by_side(
    mine: Recommender, theirs: Recommender, rows: pa.Table, config: GateConfig
) -> Check:
    """Scoring the same rows in turns, the best turn of each: a busy machine only adds time.

    Where the challenger looks too slow both are timed again, so that one bad moment on this
    machine refuses nobody.
    """
    rows = rows.slice(0, TIMED_ROWS)
    best = {CHALLENGER: float("inf"), CHAMPION: float("inf")}
    check = Check(name="latency", is_passed=None, finding="not timed")
    for _ in range(TIMED_ROUNDS):
        for _ in range(TIMED_TURNS):
            for name, model in ((CHALLENGER, mine), (CHAMPION, theirs)):
                best[name] = min(best[name], _milliseconds(model, rows))
        check = latency_check(best[CHALLENGER], best[CHAMPION], config)
        if check.is_passed:
            break
    return check


def _milliseconds(model: Recommender, rows: pa.Table) -> float:
    """Wall time of scoring, per thousand rows."""
    since = perf_counter()
    model.score(rows)
    seconds = perf_counter() - since
    return float(seconds * 1e6 / max(1, rows.num_rows))
