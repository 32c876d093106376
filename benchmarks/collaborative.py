"""How ALS and BPR are tuned: recall@100 over the market's catalogue, on the validation day.

What is retrieved is what a guest took on that day (clicked or further); guests without a
history are left out, since a matrix says nothing of them. Draws of the settings are made with
the seed; the best are the variants that a run compares (``models.baselines.implicit_als``).
SIMULATED data.

Run: python benchmarks/collaborative.py --searches 60000 --trials 24
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc

from models.baselines.exact_retrieval import recall_at_k
from models.baselines.implicit_als import (
    ALS_VARIANTS,
    BPR_VARIANTS,
    ImplicitALS,
    ImplicitALSConfig,
)
from models.evaluation.validation_metric import validation_value
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.feature_table.build_table import build_features_table
from pipelines.feature_table.training_rows import training_rows, windows_of
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_log
from pipelines.run_context import RunContext

RETRIEVED = 100
# What an impression, a click, a contact and a booking add to a cell.
CONFIDENCES = (
    (0.0, 1.0, 5.0, 10.0),
    (0.2, 1.0, 5.0, 10.0),
    (0.5, 1.0, 5.0, 10.0),
    (1.0, 1.5, 5.0, 10.0),
    (0.5, 1.0, 1.0, 1.0),
    (0.5, 2.0, 20.0, 50.0),
)
ALS_SPACE: dict[str, tuple[Any, ...]] = {
    "confidences": CONFIDENCES,
    "factors": (16, 32, 64, 128),
    "regularization": (0.05, 1.0, 10.0, 30.0, 100.0),
    "alpha": (0.5, 1.0, 2.0, 5.0, 20.0),
    "iterations": (8, 12, 20),
}
BPR_SPACE: dict[str, tuple[Any, ...]] = {
    "confidences": CONFIDENCES[:3],
    "factors": (16, 32, 64),
    "regularization": (0.001, 0.01, 0.05),
    "learning_rate": (0.002, 0.005, 0.01, 0.03),
    "iterations": (30, 60),
}


def main() -> None:
    """Print every trial, the best first."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        train, valid = _rows(arguments, Path(folder))
    chance = np.random.default_rng(arguments.seed)
    for algorithm, space in (("als", ALS_SPACE), ("bpr", BPR_SPACE)):
        shipped = ALS_VARIANTS if algorithm == "als" else BPR_VARIANTS
        trials = arguments.trials if algorithm == "als" else arguments.trials // 3
        drawn = [_draw(algorithm, space, chance) for _ in range(trials)]
        _print_trials([*shipped, *drawn], len(shipped), train, valid)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--trials", type=int, default=24, help="of ALS; a third of them of BPR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.searches, arguments.trials = 1_500, 1
    return arguments


def _rows(arguments: argparse.Namespace, folder: Path) -> Any:
    settings = load_settings(seed=arguments.seed, simulation={"searches": arguments.searches})
    context = RunContext(home=Home(folder), settings=settings, console=Console())
    ingest_logs(context, [simulate_log(context)])
    build_features_table(context)
    names = ["id_search", "id_user", "id_listing", "market", "stage"]
    return (rows.select(names) for rows in training_rows(context, windows_of(context)))


def _draw(
    algorithm: Literal["als", "bpr"], space: dict[str, tuple[Any, ...]], chance: np.random.Generator
) -> ImplicitALSConfig:
    values = {name: choices[chance.integers(len(choices))] for name, choices in space.items()}
    return ImplicitALSConfig(algorithm=algorithm, **values)


def _print_trials(trials: list[ImplicitALSConfig], shipped: int, train: Any, valid: Any) -> None:
    lines = []
    guests = pc.unique(train["id_user"])
    known = valid.filter(pc.is_in(valid["id_user"], value_set=guests, skip_nulls=True))
    for place, config in enumerate(trials):
        started = time.perf_counter()
        # Nothing of the validation day to fit again on: it is what is judged.
        fitted = ImplicitALS((config,)).fit(train, valid.slice(0, 0))
        seconds = time.perf_counter() - started
        recall = recall_at_k(fitted.retrieve, known, RETRIEVED)
        value = validation_value(valid, fitted.score(valid))
        lines.append((value, recall, _described(config), seconds, place < shipped))
    print(f"\n{trials[0].algorithm}, on validation (* = a variant of every run)")
    print("  clicks' DCG@10 of what was shown, recall@100 of the catalogue, settings")
    for value, recall, words, seconds, is_shipped in sorted(lines, reverse=True):
        print(f"  {value:.4f}  {recall:.4f}  {words}  {seconds:.1f} s{' *' if is_shipped else ''}")


def _described(config: ImplicitALSConfig) -> str:
    scale = (
        f"alpha {config.alpha:g}" if config.algorithm == "als" else f"rate {config.learning_rate:g}"
    )
    counts = "/".join(f"{value:g}" for value in config.confidences)
    return (
        f"confidences {counts}, factors {config.factors}, regularization "
        f"{config.regularization:g}, {scale}, iterations {config.iterations}"
    )


if __name__ == "__main__":
    main()
