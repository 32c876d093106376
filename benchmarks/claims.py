"""How good each model is over several simulated worlds, each trained and judged anew.

Every seed is a world of its own: other listings, guests and choices. A figure is the mean
over the worlds with Student's interval over them; a difference (from popularity, or from the
model named by ``--against``) is paired within each world. SIMULATED data.

Run: python benchmarks/claims.py --seeds 0 1 2 3 4 --searches 60000
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from models.evaluation.scorecard import Score, Scorecard
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.evaluation.evaluate_run import evaluate
from pipelines.feature_table.build_table import build_features_table
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_log
from pipelines.run_context import RunContext
from pipelines.training.train import train

METRICS = (
    "ndcg_at_10",
    "graded_ndcg_at_10",
    "recall_at_10",
    "g_observables_at_10",
    "g_taste_at_10",
    "catalogue_recall_at_100",
)
SEGMENTS = ("all", "market=rio_de_janeiro", "market=sao_paulo", "guest=clicked_before")


def main() -> None:
    """Judge every world and print the means."""
    asked = _arguments()
    cards = [_judged(seed, asked) for seed in asked.seeds]
    print(f"\nSIMULATED: {len(cards)} worlds of {asked.searches:,} searches, seeds {asked.seeds}")
    print(f"mean over the worlds (95% Student interval); difference from {asked.against}, paired\n")
    for metric in METRICS:
        for segment in SEGMENTS:
            _print_segment(cards, metric, segment, asked.against)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--models", nargs="+", default=None, help="default: those of a run")
    parser.add_argument("--against", default="popularity", help="whom differences are from")
    parser.add_argument("--small", action="store_true", help="two tiny worlds")
    asked = parser.parse_args()
    if asked.small:
        asked.seeds, asked.searches = [0, 1], 3_000
    return asked


def _judged(seed: int, asked: argparse.Namespace) -> Scorecard:
    small = {"two_tower": {"epochs": 1}, "ranker": {"max_rounds": 20}} if asked.small else {}
    settings = load_settings(
        seed=seed,
        simulation={"searches": asked.searches},
        evaluation={"replicates": 200},
        models=tuple(asked.models) if asked.models else None,
        **small,
    )
    with tempfile.TemporaryDirectory() as folder:
        context = RunContext(home=Home(Path(folder)), settings=settings, console=Console())
        ingest_logs(context, [simulate_log(context)])
        build_features_table(context)
        return evaluate(context, train(context))


def _print_segment(cards: Sequence[Scorecard], metric: str, segment: str, against: str) -> None:
    found = {m: [_find(card, m, metric, segment) for card in cards] for m in cards[0].models}
    values = {m: [s.value for s in scores if s is not None] for m, scores in found.items()}
    values = {model: row for model, row in values.items() if len(row) == len(cards)}
    if not values:
        return
    print(f"{metric}, {segment}")
    for model, row in sorted(values.items(), key=lambda item: np.mean(item[1])):
        line = f"  {model:20} {_mean(row)}"
        if against in values and model != against:
            gaps = [ours - theirs for ours, theirs in zip(row, values[against], strict=True)]
            line += f"   {_mean(gaps, sign='+')}"
        print(line)


def _find(card: Scorecard, model: str, metric: str, segment: str) -> Score | None:
    try:
        return card.find(model, metric, segment=segment)
    except KeyError:
        return None


def _mean(values: Sequence[float], sign: str = "") -> str:
    """``mean (low to high)``; no interval from one world."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:{sign}.4f}"
    reach = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean:{sign}.4f} ({mean - reach:{sign}.4f} to {mean + reach:{sign}.4f})"


if __name__ == "__main__":
    main()
