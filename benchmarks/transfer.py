"""Does what is learnt in one market order another? The transfer matrix, simulated.

    python benchmarks/transfer.py --searches 16000
    python benchmarks/transfer.py --searches 12000 --seeds 1 2 3 4 5 --scenario cold_market

Simulates a week of both markets, takes it through ingest and features, and fits ranker
and popularity on each market's days 1 to 6 (day 6 to stop and to tune on), and on both
jointly. Day 7 of each market is then ordered by each of them; ``separate`` orders each
market by the model of its own, and is what the others are compared with, on the same
searches. Labels are what was known on the first test day, as in the main job. Each seed
is another world, another catalogue included; several are summed up by the spread between them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import narwhals as nw
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import t as student

from data.ingest import ingest
from data.lake.store import Lake
from data.schema.feature_set import FeatureSet
from data.simulator import SCENARIOS, SimulationConfig, write_simulation
from data.time_split import Windows, windows_by_days
from features.build import available_features, build_features
from features.labels import lower_labels
from models.baselines.popularity import Popularity
from models.evaluation.config import EvaluationConfig
from models.evaluation.scorecard import Score
from models.evaluation.transfer import SEPARATE, Trained, TransferCell, transfer_matrix
from models.ranker import Ranker, RankerConfig

SMALL = {"searches": 1_500, "seeds": [1], "rounds": 20, "replicates": 100}
METRICS = ("ndcg_at_10", "graded_ndcg_at_10")

Fit = Callable[[pa.Table], Trained]
Matrices = dict[tuple[str, str], list[TransferCell]]
"""Model and metric → the cells of one world."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Feature rows of a simulated week, both markets: to learn from, and to test on."""

    windows: Windows
    learn: pa.Table
    test: pa.Table
    features: FeatureSet


def simulated(config: SimulationConfig) -> World:
    """The week through ingest and features, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        summary = write_simulation(config, Path(folder) / "raw", "parquet")
        ingest([summary.log], home=Path(folder) / "home")
        impressions = Lake(Path(folder) / "home").scan("impressions").collect()
    features = available_features(dict(nw.from_native(impressions).schema))
    built = build_features(impressions, impressions, features=features).to_native()
    rows = built.sort("id_search", "id_listing").collect()
    windows = windows_by_days(rows["search_day"].unique().to_list())
    is_test = pl.col("search_day") >= windows.test[0]
    learn, test = (
        rows.filter(part).to_arrow(compat_level=pl.CompatLevel.oldest())
        for part in (~is_test, is_test)
    )
    learn = lower_labels(learn, windows.label_cutoff_day)
    return World(windows=windows, learn=learn, test=test, features=features)


def halves(world: World, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Days 1 to 5, and day 6, of rows to learn from."""
    is_valid = pc.greater_equal(rows["search_day"], world.windows.valid[0])
    return rows.filter(pc.invert(is_valid)), rows.filter(is_valid)


def fits(world: World, config: RankerConfig) -> dict[str, Fit]:
    """Each model's way from rows of some markets to a scorer."""
    return {
        "ranker": lambda rows: Ranker(world.features, config).fit(*halves(world, rows)).score,
        "popularity": lambda rows: Popularity().fit(*halves(world, rows)).score,
    }


def once(fit: Fit) -> Fit:
    """``fit``, but only once for the same markets: one fit serves every metric."""
    fitted: dict[frozenset[str], Trained] = {}

    def fit_once(rows: pa.Table) -> Trained:
        markets = frozenset(pc.unique(rows["market"]).to_pylist())
        if markets not in fitted:
            fitted[markets] = fit(rows)
        return fitted[markets]

    return fit_once


def print_world(world: World) -> None:
    """How much there is to learn from, and to test on, in each market."""
    print(f"{'market':<18}{'':<14}{'searches':>10}{'clicked':>10}{'booked':>10}")
    for name, rows in (("to learn from", world.learn), ("test", world.test)):
        for market in sorted(pc.unique(rows["market"]).to_pylist()):
            part = rows.filter(pc.equal(rows["market"], market))
            stage = part["stage"].to_numpy()
            searches = len(pc.unique(part["id_search"]))
            counts = (searches, (stage >= 1).sum(), (stage == 3).sum())
            print(f"{market:<18}{name:<14}" + "".join(f"{count:>10,}" for count in counts))


def difference_of(cell: TransferCell) -> str:
    """Difference from ``separate``, with its interval; empty for ``separate`` itself."""
    score: Score = cell.score
    if score.difference is None or cell.train in {SEPARATE, cell.test}:
        return ""
    return f"{score.difference:+.3f} ({score.difference_low:+.3f} to {score.difference_high:+.3f})"


def print_matrix(name: str, metric: str, cells: list[TransferCell]) -> None:
    """One line per training, two columns per test market."""
    markets = list(dict.fromkeys(cell.test for cell in cells))
    print(f"\n{name}, {metric}: value (95% interval), then the difference from {SEPARATE}")
    heads = "".join(f"{'tested on ' + market:<52}" for market in markets)
    print(f"{'trained on':<18}{heads}".rstrip())
    at = {(cell.train, cell.test): cell for cell in cells}
    for trained in dict.fromkeys(cell.train for cell in cells):
        line = f"{trained:<18}"
        for market in markets:
            score = at[trained, market].score
            value = f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"
            line += f"{value:<25}{difference_of(at[trained, market]):<27}"
        print(line.rstrip())
    scored = ", ".join(f"{at[SEPARATE, m].score.searches:,} in {m}" for m in markets)
    print(f"searches scored: {scored}")


def print_over_worlds(worlds: list[Matrices]) -> None:
    """Mean difference from ``separate``, with Student's interval over the worlds."""
    print(f"\nmean difference from {SEPARATE} over {len(worlds)} worlds (95% interval)")
    reach = float(student.ppf(0.975, len(worlds) - 1)) / len(worlds) ** 0.5
    for key in worlds[0]:
        for cells in zip(*(world[key] for world in worlds), strict=True):
            if cells[0].train in {SEPARATE, cells[0].test}:
                continue
            differences = np.array([cell.score.difference for cell in cells], dtype=np.float64)
            mean, wide = differences.mean(), reach * differences.std(ddof=1)
            label = f"{' '.join(key)}: {cells[0].train} → {cells[0].test}"
            print(f"{label:<66}{mean:+.3f} ({mean - wide:+.3f} to {mean + wide:+.3f})")


def matrices_of(arguments: argparse.Namespace, seed: int) -> Matrices:
    """Simulate one world, fit every model, print and return its matrices."""
    simulation = SimulationConfig(
        searches=arguments.searches,
        scenario=arguments.scenario,
        seed=seed,
        threads=arguments.threads,
    )
    world = simulated(simulation)
    print(
        f"\nSIMULATED guests, not real ones: {arguments.searches:,} searches, "
        f"scenario {arguments.scenario}, seed {seed}"
    )
    print_world(world)
    settings = EvaluationConfig(
        ks=(10,), compared=METRICS, replicates=arguments.replicates, threads=arguments.threads
    )
    config = RankerConfig(max_rounds=arguments.rounds, threads=arguments.threads, seed=seed)
    matrices: Matrices = {}
    for name, fit in fits(world, config).items():
        fitted = once(fit)
        for metric in METRICS:
            cells = transfer_matrix(world.learn, world.test, fitted, metric=metric, config=settings)
            print_matrix(name, metric, cells)
            matrices[name, metric] = cells
    return matrices


def main() -> None:
    """Read the command line, simulate, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=6_000)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="one world each")
    parser.add_argument("--rounds", type=int, default=RankerConfig().max_rounds, help="at most")
    parser.add_argument("--replicates", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    arguments = parser.parse_args()
    if arguments.small:
        vars(arguments).update(SMALL)
    worlds = [matrices_of(arguments, seed) for seed in arguments.seeds]
    if len(worlds) > 1:
        print_over_worlds(worlds)


if __name__ == "__main__":
    main()
