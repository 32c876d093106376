"""How well the default ranker orders real impressions that nobody here made: Expedia 2013.

    python benchmarks/expedia_sample.py [--log search_results.csv] [--repeats 3]

The sample goes through the project's own ingest and features, and the models stand as the
pipeline has them, without a setting of their own. Folds are whole searches; the place in the
results is never an input, and nothing built from outcomes either, since a feature from another
fold's outcomes would carry that fold's labels across. Everything that is tuned (penalties,
number of trees, what the other results of a search are taken for) is tuned inside the training
folds, a quarter of whose searches are the models' validation window.

Which searches were shown in random order is told when training, as any log may tell it: the
funnel learns there how much of the comparison with the other results is appeal.

NDCG@38 with the contest's gains, 2^relevance - 1: relevance 5 for a booking (gain 31),
1 for a click (gain 1).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from data.ingest import ingest
from data.lake.store import Lake
from data.schema.feature_set import FeatureSet
from features.all_features import available_features
from features.build import build_features
from models.arrow_columns import Codes, Numbers, missing_last, numbers
from models.baselines.heuristics import Cheapest, Random
from models.evaluation.significance import draw_weights
from models.evaluation.validation_metric import ndcg_per_search
from models.funnel.funnel_model import FunnelModel
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.ranking_order import group_codes
from models.recommender import Scores

DEFAULT_LOG = (
    Path(__file__).resolve().parents[1].parent
    / "shared" / "data" / "expedia_2013" / "search_results.csv"
)  # fmt: skip
GAINS = (0.0, 1.0, 1.0, 31.0)
K, REPLICATES = 38, 5000
DEFAULT = "ranker, the default"
SMALL = {"repeats": 1, "folds": 2, "searches": 60}

# Out of the box: LightGBM's own defaults, with the gains of the metric.
PLAIN = LambdaRankConfig(
    learning_rate=0.1, num_leaves=31, min_rows_per_leaf=20, lambda_l2=0.0, feature_share=1.0,
    row_share=1.0, utilities=GAINS, k=K, truncation=K + 2, rounds_without_validation=100,
)  # fmt: skip


def load_rows(log: Path, most: int | None) -> tuple[pa.Table, FeatureSet, Scores]:
    """Impressions, the features that are not built from outcomes, and the shown order.

    Besides features, identity and outcomes a row has ``is_random_order``; never its place.

    With ``most``: of so many searches at most, the first by their id.
    """
    with tempfile.TemporaryDirectory() as home:
        ingest([log], "expedia_2013", home=Path(home))
        impressions = Lake(home).scan("impressions").collect()
    if most is not None:
        first = impressions["id_search"].unique().sort().head(most)
        impressions = impressions.filter(pl.col("id_search").is_in(first.implode()))
    features = available_features(impressions.schema)
    features = FeatureSet(tuple(f for f in features if not f.is_history))
    built = build_features(impressions, impressions, features=features)
    keys = ["id_search", "id_listing"]
    shown = impressions.select(*keys, "position", "is_random_order")
    joined = built.join(shown, on=keys, how="left").sort(keys)
    rows = joined.drop("position").to_arrow()
    return rows, features, -joined["position"].cast(pl.Float64).to_numpy()


def folds_of(rows: pa.Table, *, seed: int, count: int) -> Codes:
    """The fold of each row, whole searches dealt at random; shape ``(rows,)``."""
    groups = group_codes(rows["id_search"])
    dealt = np.random.default_rng(seed).permutation(int(groups.max()) + 1) % count
    return np.asarray(dealt[groups], dtype=np.int64)


def plain_scores(features: FeatureSet, train: pa.Table, test: pa.Table) -> Scores:
    """LightGBM out of the box: its default 100 trees, no validation."""
    return LambdaRank(features, PLAIN).fit(train, train.slice(0, 0)).score(test)


def default_scores(
    model: type[FunnelModel | LambdaRank],
    features: FeatureSet,
    train: pa.Table,
    test: pa.Table,
) -> Scores:
    """The model as it stands; a quarter of the searches of ``train`` is its validation window."""
    is_held_out = folds_of(train, seed=0, count=4) == 0
    learnt, held_out = (train.filter(pa.array(at)) for at in (~is_held_out, is_held_out))
    return model(features).fit(learnt, held_out).score(test)


def cross_scored(
    rows: pa.Table, features: FeatureSet, folds: Codes, scored: Callable[..., Scores]
) -> Scores:
    """Every row scored by a model that saw no row of its search."""
    scores = np.zeros(rows.num_rows)
    for fold in range(int(folds.max()) + 1):
        is_test = folds == fold
        train, test = (rows.filter(pa.array(at)) for at in (~is_test, is_test))
        scores[is_test] = scored(features, train, test)
    return scores


def ndcg_of(rows: pa.Table, scores: Scores) -> Numbers:
    """NDCG@38 of each search."""
    return ndcg_per_search(rows, scores, utilities=GAINS, k=K)


def interval(values: Numbers, *, seed: int) -> tuple[float, float, float]:
    """Mean over the searches, and the 95% bootstrap interval; no guests: searches are drawn."""
    known = values[~np.isnan(values)]
    rng = np.random.default_rng(seed)
    chunks = draw_weights(rng, clusters=len(known), replicates=REPLICATES)
    means = np.concatenate([weights @ known / len(known) for weights in chunks])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(known.mean()), float(low), float(high)


def compare(log: Path, arguments: argparse.Namespace) -> None:
    """Print the table, then the paired differences."""
    rows, features, shown = load_rows(log, arguments.searches)
    dealt = [folds_of(rows, seed=seed, count=arguments.folds) for seed in range(arguments.repeats)]
    scorers: dict[str, Callable[..., Scores]] = {
        "plain LightGBM": plain_scores,
        "lambdarank": partial(default_scores, LambdaRank),
        DEFAULT: partial(default_scores, FunnelModel),
    }
    location = missing_last(numbers(rows, "x_listing_location_score_2"))
    models = {
        "random": [Random(seed=seed).score(rows) for seed in range(1, 21)],
        "cheapest": [Cheapest(column="listing_nightly_price").score(rows)],
        "location score 2": [location],
        "shown order": [shown],
    }
    for name, scored in scorers.items():
        models[name] = [cross_scored(rows, features, folds, scored) for folds in dealt]
    values = {
        name: np.mean([ndcg_of(rows, scores) for scores in each], axis=0)
        for name, each in models.items()
    }
    searches = len(values[DEFAULT])
    print(f"{log.name}: {rows.num_rows} rows, {searches} searches, {len(features)} features")
    folds, repeats = arguments.folds, arguments.repeats
    print(f"grouped {folds}-fold by search, {repeats} dealing(s), position not an input")
    print(f"{'order':<34} NDCG@{K}   95% interval")
    for name, each in values.items():
        print("{:<34} {:7.4f}   {:.4f} to {:.4f}".format(name, *interval(each, seed=1)))
    print("paired differences")
    for name in (*list(scorers)[:-1], "location score 2", "cheapest", "shown order"):
        figures = interval(values[DEFAULT] - values[name], seed=1)
        print("{:<34} {:+7.4f}   {:+.4f} to {:+.4f}".format(f"default - {name}", *figures))


def main() -> int:
    """Read the arguments and compare; 1 where a log that was asked for is absent."""
    parser = argparse.ArgumentParser(description="NDCG@38 on the Expedia 2013 sample")
    parser.add_argument("--log", type=Path, help="default: the sample beside the repository")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--searches", type=int, help="so many at most; default: all")
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    arguments = parser.parse_args()
    if arguments.small:
        vars(arguments).update(SMALL)
    log = arguments.log or DEFAULT_LOG
    if not log.exists():
        print(f"{os.path.relpath(log)}: absent; give the contest's rows with --log")
        return 0 if arguments.log is None else 1
    compare(log, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
