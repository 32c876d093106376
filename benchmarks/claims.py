"""How good each model is over several simulated worlds, each trained and evaluated anew.

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
from over_worlds import mean_over_worlds

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
    "value_dcg_at_10",
    "ndcg_at_10",
    "graded_ndcg_at_10",
    "recall_at_10",
    "g_observables_at_10",
    "g_taste_at_10",
    "catalogue_recall_at_100",
)
SEGMENTS = ("all", "market=rio_de_janeiro", "market=sao_paulo", "guest=clicked_before")


def main() -> None:
    """Evaluate every world and print the means."""
    arguments = _arguments()
    cards = [_evaluate_world(seed, arguments) for seed in arguments.seeds]
    searches, against = arguments.searches, arguments.against
    print(f"\nSIMULATED: {len(cards)} worlds of {searches:,} searches, seeds {arguments.seeds}")
    print(f"mean over the worlds (95% Student interval); difference from {against}, paired\n")
    for metric in METRICS:
        for segment in SEGMENTS:
            _print_segment(cards, metric, segment, against)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--models", nargs="+", default=None, help="default: those of a run")
    parser.add_argument(
        "--against", default="popularity", help="the model that differences are from"
    )
    parser.add_argument("--small", action="store_true", help="two tiny worlds")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.seeds, arguments.searches = [0, 1], 3_000
    return arguments


def _evaluate_world(seed: int, arguments: argparse.Namespace) -> Scorecard:
    small = {"two_tower": {"epochs": 1}, "ranker": {"max_rounds": 20}} if arguments.small else {}
    settings = load_settings(
        seed=seed,
        simulation={"searches": arguments.searches},
        evaluation={"replicates": 200},
        models=tuple(arguments.models) if arguments.models else None,
        **small,
    )
    with tempfile.TemporaryDirectory() as folder:
        context = RunContext(home=Home(Path(folder)), settings=settings, console=Console())
        ingest_logs(context, [simulate_log(context)])
        build_features_table(context)
        return evaluate(context, train(context)).scorecard


def _print_segment(cards: Sequence[Scorecard], metric: str, segment: str, against: str) -> None:
    scores = {m: [_find(card, m, metric, segment) for card in cards] for m in cards[0].models}
    values = {m: [s.value for s in each if s is not None] for m, each in scores.items()}
    values = {model: row for model, row in values.items() if len(row) == len(cards)}
    if not values:
        return
    print(f"{metric}, {segment}")
    for model, row in sorted(values.items(), key=lambda item: np.mean(item[1])):
        line = f"  {model:20} {mean_over_worlds(row)}"
        if against in values and model != against:
            gaps = [ours - theirs for ours, theirs in zip(row, values[against], strict=True)]
            line += f"   {mean_over_worlds(gaps, sign='+')}"
        print(line)


def _find(card: Scorecard, model: str, metric: str, segment: str) -> Score | None:
    try:
        return card.find(model, metric, segment=segment)
    except KeyError:
        return None


if __name__ == "__main__":
    main()
