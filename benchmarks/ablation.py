"""What each group of features is worth to the ranker, over several simulated worlds.

Every seed is a world of its own: listings, guests and choices. In each, a ranker learns
from days 1 to 6 with every feature, and one more with each group left out; all order day
7. A figure is the mean over the worlds of the ranker without the group less the ranker
with everything, on the same searches, with Student's interval over the worlds: negative
means that the group helps. ``--together`` leaves several groups out at once: groups that
say the same in other words are each missed by nobody. SIMULATED data.

Run: python benchmarks/ablation.py --seeds 0 1 2 3 --searches 30000
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import narwhals as nw
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from over_worlds import mean_over_worlds

from data.ingest import ingest
from data.lake.store import Lake
from data.schema.feature_set import FeatureSet
from data.simulator import SimulationConfig, write_simulation
from data.time_split import Windows, windows_by_days
from features.build import available_features
from features.build_in_blocks import build_by_day
from features.labels import lower_labels
from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.oracle import CEILINGS
from models.evaluation.scorecard import Scorecard
from models.ranker import Ranker, RankerConfig
from models.recommender import Scores

EVERYTHING = "every feature"
METRICS = ("ndcg_at_10", "graded_ndcg_at_10", "g_observables_at_10", "g_taste_at_10")
KEY = ["id_search", "id_listing"]


@dataclass(frozen=True, kw_only=True)
class World:
    """Feature rows of a simulated week, and the truth of its last day."""

    learn: pa.Table
    valid: pa.Table
    test: pa.Table
    truth: dict[str, Scores]
    features: FeatureSet


def simulated(seed: int, searches: int) -> World:
    """The week through ingest and features, in a folder that is gone afterwards."""
    config = SimulationConfig(searches=searches, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        summary = write_simulation(config, Path(folder) / "raw", "parquet")
        ingest([summary.log], home=Path(folder) / "home")
        impressions = Lake(Path(folder) / "home").scan("impressions")
        days = impressions.select(pl.col("search_day").unique().sort()).collect().to_series()
        features = _available(impressions)
        built = build_by_day(impressions, days.to_list(), features=features)
        rows = pl.concat([block.rows for block in built]).sort(KEY)
        names = list(CEILINGS.values())
        truth = pl.read_parquet(summary.truth / "*.parquet", columns=[*KEY, *names])
    return _cut(rows, truth, windows_by_days(days.to_list()), features)


def _available(impressions: pl.LazyFrame) -> FeatureSet:
    return available_features(dict(nw.from_native(impressions).collect_schema()))


def _cut(rows: pl.DataFrame, truth: pl.DataFrame, windows: Windows, features: FeatureSet) -> World:
    test = rows.filter(pl.col("search_day") >= windows.test[0])
    known = test.select(KEY).join(truth, on=KEY, how="left", maintain_order="left")
    learn = rows.filter(pl.col("search_day") < windows.test[0])
    lowered = lower_labels(_arrow(learn), windows.label_cutoff_day)
    is_valid = pc.greater_equal(lowered["search_day"], windows.valid[0])
    return World(
        learn=lowered.filter(pc.invert(is_valid)),
        valid=lowered.filter(is_valid),
        test=_arrow(test),
        truth={name: known[name].to_numpy() for name in CEILINGS.values()},
        features=features,
    )


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def evaluate_world(
    world: World, left_out: Sequence[Sequence[str]], config: RankerConfig
) -> Scorecard:
    """Rankers of one world on its last day: with everything, and without each of ``left_out``."""
    scores: dict[str, Scores] = {}
    for groups in ((), *left_out):
        features, name = world.features.without(groups), _name(groups) or EVERYTHING
        scores[name] = Ranker(features, config).fit(world.learn, world.valid).score(world.test)
        print(f"  fitted without {_name(groups) or 'nothing'}: {len(features)}", flush=True)
    return evaluate(
        world.test,
        scores,
        split="test",
        reference=EVERYTHING,
        config=EvaluationConfig(replicates=200),
        truth=world.truth,
    )


def _name(groups: Sequence[str]) -> str:
    return ", ".join(groups)


def print_table(cards: Sequence[Scorecard], groups: Mapping[str, int]) -> None:
    """One row per group left out, one column per metric."""
    whole = [
        f"{metric} {mean_over_worlds(_values(cards, EVERYTHING, metric))}" for metric in METRICS
    ]
    print(f"\n{EVERYTHING}: " + "; ".join(whole))
    print("| left out | features | " + " | ".join(METRICS) + " |")
    print("|---|---:|" + "---|" * len(METRICS))
    for group, size in groups.items():
        changes = [mean_over_worlds(_changes(cards, group, metric), sign="+") for metric in METRICS]
        print(f"| {group} | {size} | " + " | ".join(changes) + " |")


def _values(cards: Sequence[Scorecard], model: str, metric: str) -> list[float]:
    return [card.find(model, metric, segment="all").value for card in cards]


def _size(features: FeatureSet, groups: Sequence[str]) -> int:
    return sum(f.group in groups for f in features)


def _changes(cards: Sequence[Scorecard], group: str, metric: str) -> list[float]:
    without, whole = _values(cards, group, metric), _values(cards, EVERYTHING, metric)
    return [less - all_ for less, all_ in zip(without, whole, strict=True)]


def main() -> None:
    """Parse the command line, evaluate every world, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--searches", type=int, default=30_000)
    parser.add_argument("--together", nargs="+", metavar="GROUP", help="only these, all at once")
    parser.add_argument("--small", action="store_true", help="two tiny worlds")
    arguments = parser.parse_args()
    config = RankerConfig()
    if arguments.small:
        arguments.seeds, arguments.searches, config = [0, 1], 2_500, RankerConfig(max_rounds=15)
    cards: list[Scorecard] = []
    sizes: dict[str, int] = {}
    for seed in arguments.seeds:
        print(f"world {seed}, {arguments.searches:,} searches", flush=True)
        world = simulated(seed, arguments.searches)
        left_out = (
            [arguments.together] if arguments.together else [[g] for g in world.features.groups]
        )
        sizes = {_name(groups): _size(world.features, groups) for groups in left_out}
        cards.append(evaluate_world(world, left_out, config))
        print(f"\nSIMULATED: {len(cards)} worlds of {arguments.searches:,} searches", flush=True)
        print_table(cards, sizes)


if __name__ == "__main__":
    main()
