"""Whether a head per stage is worth having in the two-tower, over several simulated worlds.

In each world the two-tower is trained with one head, and with a head for each of clicks, contacts
and bookings, mixed at retrieval in several shares. Each orders the listings that the last day's
searches showed (value DCG, change in per cent; G under taste) and retrieves from the whole
catalogue (recall@100 of what guests took, and of what they contacted or booked). A figure is
the mean over the worlds of the difference from one head, with Student's interval. SIMULATED.

    python benchmarks/tower_heads.py --seeds 0 1 2 --searches 30000
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from main_job_worlds import MainJobWorld, main_job_world
from over_worlds import mean_over_worlds

from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.recommender import TwoTower
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.evaluation.retrieval_recall import Retrieval, retrieval_of
from pipelines.feature_table.arrow_conversion import frame_of
from pipelines.feature_table.training_rows import attribute_columns
from pipelines.run_context import RunContext

ONE = "one head"
SHARES: dict[str, tuple[float, ...]] = {
    ONE: (),
    "clicks 0.4, contacts 0.3, bookings 0.3": (0.4, 0.3, 0.3),
    "clicks 0.2, contacts 0.3, bookings 0.5": (0.2, 0.3, 0.5),
}
VALUE, TASTE = "value_dcg_at_10", "g_taste_at_10"
TAKEN, FURTHER = "recall@100 of what was taken", "recall@100 of what was contacted or booked"
MEASURES = (VALUE, TASTE, TAKEN, FURTHER)

Figures = dict[str, dict[str, float]]
"""Variant → measure → figure."""


def main() -> None:
    """Measure every world, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--searches", type=int, default=30_000)
    parser.add_argument("--small", action="store_true", help="two tiny worlds")
    arguments = parser.parse_args()
    training = TrainConfig()
    if arguments.small:
        arguments.seeds, arguments.searches, training = [0, 1], 1_500, TrainConfig(epochs=1)
    worlds = []
    for seed in arguments.seeds:
        worlds.append(figures_of(main_job_world(seed, arguments.searches), training))
        print(f"world {seed}: {worlds[-1]}", flush=True)
    print(
        f"\nSIMULATED: {len(worlds)} worlds of {arguments.searches:,} searches, "
        f"seeds {arguments.seeds}"
    )
    print_table(worlds)


def figures_of(world: MainJobWorld, training: TrainConfig) -> Figures:
    """Every variant's figures in one world."""
    rows = world.rows
    read = [c for c in attribute_columns(world.features) if c in rows.train.column_names]
    learnt = [part.select(read) for part in (rows.train, rows.valid)]
    models = {
        name: TwoTower(TowerConfig(head_shares=shares), training).fit(*learnt)
        for name, shares in SHARES.items()
    }
    card = evaluate(
        rows.test,
        {name: model.remembering(rows.test).score(rows.test) for name, model in models.items()},
        split="test",
        reference=ONE,
        config=EvaluationConfig(ks=(10,), replicates=100),
        truth=world.truth,
        context=EvaluationInputs(worth=world.worth),
    )
    recalls = _recalls(world, models)
    return {
        name: {m: card.find(name, m).value for m in (VALUE, TASTE)} | recalls[name]
        for name in SHARES
    }


def _recalls(world: MainJobWorld, models: Mapping[str, TwoTower]) -> Figures:
    with tempfile.TemporaryDirectory() as folder:  # nothing is kept there
        context = RunContext(Home(Path(folder)), load_settings(), Console())
        retrieval = retrieval_of(context, models, world.rows)
    if retrieval is None:
        raise SystemExit("nothing was taken on the test day; simulate more searches")
    return {
        name: {
            TAKEN: recall_of(retrieval, name, pl.lit(value=True)),
            FURTHER: recall_of(retrieval, name, pl.col("stage") > 1),
        }
        for name in models
    }


def recall_of(retrieval: Retrieval, model: str, part: pl.Expr) -> float:
    """Of what was taken in each search, the share retrieved: the mean over the searches."""
    pairs = frame_of(retrieval.retrieved[model]).select("id_search", "id_listing", hit=pl.lit(1.0))
    rows = retrieval.taken.filter(part).join(pairs, on=["id_search", "id_listing"], how="left")
    shares = rows.group_by("id_search").agg(pl.col("hit").fill_null(0.0).mean())["hit"]
    return float(shares.sum()) / len(shares) if len(shares) else float("nan")


def print_table(worlds: Sequence[Figures]) -> None:
    """One row per variant: figures of one head, changes of the others."""
    titles = [f"{measure}, %" if measure == VALUE else measure for measure in MEASURES]
    print("| heads | " + " | ".join(titles) + " |\n|---|" + "---|" * len(MEASURES))
    for name in SHARES:
        cells = []
        for measure in MEASURES:
            digits = 2 if measure == VALUE and name != ONE else 4
            values = [figure_of(world, name, measure) for world in worlds]
            sign = "" if name == ONE else "+"
            cells.append(mean_over_worlds(values, sign=sign, digits=digits))
        print(f"| {name} | " + " | ".join(cells) + " |")


def figure_of(world: Figures, name: str, measure: str) -> float:
    """The figure of one head; of the others the difference from it, of the value in per cent."""
    alone, figure = world[ONE][measure], world[name][measure]
    if name == ONE:
        return figure
    return 100 * (figure / alone - 1) if measure == VALUE else figure - alone


if __name__ == "__main__":
    main()
