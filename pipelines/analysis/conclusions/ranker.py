"""How good the ranker is, where it fails, and whether it can be believed."""

from __future__ import annotations

import polars as pl

from data.counted import counted
from data.schema.market_names import market_in_words
from data.schema.tables import CLICKED
from models.evaluation.sample_size import FEWEST, is_too_few
from models.evaluation.scorecard import Score, Scorecard
from pipelines.analysis.conclusions.conclusion import Conclusion, listed, per_cent
from pipelines.analysis.example_search import OUTCOMES
from pipelines.evaluation.scorecard_view import figure as in_words
from pipelines.evaluation.scorecard_view import g_shown, headline, name_of, primary_metric, too_few
from pipelines.promotion.decision import GateDecision
from pipelines.verdict.sentence import in_plain_words

__all__ = [
    "about_calibration",
    "about_ceiling",
    "about_champion",
    "about_example",
    "about_importance",
    "about_models",
    "about_segments",
]

RANKER = "ranker"
# By what the best order is made that G compares with.
KNOWERS = {
    "taste": "one who knew each guest's taste",
    "personal": "one who made the best of the guest's past",
    "observables": "one who made the best of what the log shows of the search",
}
STAGES = {"click": "clicked", "contact": "contacted", "book": "booked"}


def about_models(evaluation: Scorecard) -> Conclusion:
    """The headline of the run."""
    if all(score.model != RANKER for score in evaluation.scores):
        return Conclusion("This run has no ranker.")
    text = headline(evaluation)
    return Conclusion(f"{text[:1].upper()}{text[1:]}.")


def about_ceiling(evaluation: Scorecard) -> Conclusion:
    """How much of what an order can win the ranker wins: by the simulator's truth, not by luck."""
    shown = g_shown(evaluation)
    found = [s for s in evaluation.scores if s.model == RANKER and s.metric in shown]
    whole = [s for s in found if s.segment == "all" and not s.is_too_few]
    if not whole:
        return Conclusion(
            "Nobody knows how good an order could be: that needs a simulated log, whose true "
            "chances are known, and enough searches."
        )
    parts = [f"{s.value:.0%} of what {_who(s.metric)} could" for s in whole]
    return Conclusion(
        f"By the true chances of the simulated guests the ranker wins {listed(parts)}, each beside "
        "a random order. No order can win more than 100%."
    )


def _who(metric: str) -> str:
    ceiling = metric.removeprefix("g_").rpartition("_at_")[0]
    return KNOWERS.get(ceiling, f"one who knew the {ceiling}")


def about_champion(decision: GateDecision | None) -> Conclusion:
    """What the gate decided about this run's ranker, and how many of its checks hold."""
    if decision is None:
        return Conclusion("The gate has not judged this run.")
    checks = (decision.primary, *decision.guardrails)
    failed = [in_plain_words(check.name) for check in checks if check.is_passed is False]
    unknown = [in_plain_words(check.name) for check in checks if check.is_passed is None]
    held = len(checks) - len(failed) - len(unknown)
    verdict = "became the champion" if decision.is_promoted else "did not become the champion"
    return Conclusion(
        f"This run's ranker {verdict}: {held} of the gate's {counted(len(checks), 'check')} hold, "
        f"failed: {listed(failed)}; could not be measured: {listed(unknown)}."
    )


def about_segments(evaluation: Scorecard) -> Conclusion:
    """The segment in which the ranker does worst beside the reference, of those with enough."""
    metric = primary_metric(evaluation)
    scores = [s for s in evaluation.scores if s.model == RANKER and s.metric == metric]
    few = [s for s in scores if s.is_too_few]
    compared = [
        s for s in scores if not s.is_too_few and s.difference is not None and s.segment != "all"
    ]
    left_out = (
        f" Too few to say: {listed([f'{_segment(s)}: {too_few(s)}' for s in few])}." if few else ""
    )
    if not compared:
        return Conclusion(f"No segment has enough searches to compare.{left_out}")
    worst = min(compared, key=_gain)
    behind = [_segment(s) for s in compared if (s.difference_high or 0.0) < 0]
    ahead = [s for s in compared if (s.difference_low or 0.0) > 0]
    against = worst.versus or "the reference"
    return Conclusion(
        f"In {name_of(metric)} the ranker is shown to be ahead of {against} in {len(ahead)} of "
        f"{counted(len(compared), 'segment')}"
        + (f" and behind in {listed(behind)}" if behind else ", and behind in none")
        + f"; least is gained for {_segment(worst)} ({_gain(worst):+.1%}, "
        f"{in_words(worst)}, {counted(worst.searches, 'search')}).{left_out}"
    )


def _segment(score: Score) -> str:
    """``lead time days 0-3``, ``party 5+``, ``São Paulo``."""
    return in_plain_words(score.segment).replace("=", " ").replace("_", " ")


def _gain(score: Score) -> float:
    """The difference as a share of the reference's figure."""
    difference = score.difference or 0.0
    reference = score.value - difference
    return difference / reference if reference > 0 else 0.0


def about_importance(shap: pl.DataFrame) -> Conclusion:
    """Of the diagnostic ``shap``: the strongest features, and how far the first is ahead."""
    strength = (
        shap.group_by("feature", "meaning")
        .agg(pl.col("lift").abs().mean())
        .sort("lift", "feature", descending=[True, False])
    )
    if strength.height < 2:
        return Conclusion("Too few features move the score to compare them.")
    first, second = strength.row(0, named=True), strength.row(1, named=True)
    ahead = first["lift"] / second["lift"] if second["lift"] else float("inf")
    beside = "hardly more than" if ahead < 1.1 else f"{ahead:.1f} times as strongly as"
    return Conclusion(
        f"The score moves most by {first['feature']} ({first['meaning']}), {beside} by "
        f"{second['feature']} ({second['meaning']})."
    )


def about_example(rows: pl.DataFrame) -> Conclusion:
    """Of one example search: the places of what was taken, as shown and by the ranker."""
    taken = rows.filter(pl.col("stage") >= int(CLICKED)).sort(
        "stage", "rank", descending=[True, False]
    )
    if taken.is_empty():
        return Conclusion(f"Of these {counted(rows.height, 'result')} none was clicked.")
    parts = [
        f"the {OUTCOMES[row['stage']]} one from place {row['shown']} to {row['rank']}"
        for row in taken.iter_rows(named=True)
        if row["shown"] is not None
    ]
    moved = f"the ranker moves {listed(parts)}" if parts else "where they were shown is not known"
    higher = sum(r["rank"] < r["shown"] for r in taken.drop_nulls("shown").iter_rows(named=True))
    return Conclusion(
        f"Of these {counted(rows.height, 'result')} {taken.height} "
        f"{'was' if taken.height == 1 else 'were'} clicked or more: {moved}, {higher} of "
        f"{taken.height} upwards. One search shows how, not how well."
    )


def about_calibration(calibration: pl.DataFrame | None) -> Conclusion:
    """Of the diagnostic ``calibration``: promised against come, by stage and market."""
    if calibration is None or calibration.filter(pl.col("rows") >= FEWEST).is_empty():
        return Conclusion("Too few rows to hold probabilities against what came.")
    sums = calibration.group_by("stage", "market", maintain_order=True).agg(
        promised=(pl.col("predicted") * pl.col("rows")).sum(),
        came=(pl.col("actual") * pl.col("rows")).sum().round(),
        rows=pl.col("rows").sum(),
    )
    parts = []
    for stage, word in STAGES.items():
        of_stage = sums.filter(pl.col("stage") == stage)
        texts = [_kept(row) for row in of_stage.iter_rows(named=True)]
        if texts:
            parts.append(f"{word} {listed(texts)}")
    return Conclusion(f"Promised and come, of all results: {'; '.join(parts)}.")


def _kept(row: dict[str, float]) -> str:
    market = market_in_words(str(row["market"]))
    if is_too_few(int(row["came"])):
        return f"{int(row['came'])} in {market} (too few to hold a promise against)"
    promised, came = row["promised"] / row["rows"], row["came"] / row["rows"]
    digits = 1 if came >= 0.01 else 3
    return f"{per_cent(promised, digits)} and {per_cent(came, digits)} in {market}"
