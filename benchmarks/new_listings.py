"""What new listings suffer under the ranker, and what the exposure policy gives back.

Reads a finished home of a simulated log. On its test window, by the truth: where the ranker
puts new listings, their exposure and their expected bookings among the first ten, beside the
oracle's order and the order under each policy. The policy is the one chosen on the validation
window. Then how well a new listing's click rate is predicted from its attributes, beside
the mean of its market and room type. SIMULATED data.

    python benchmarks/new_listings.py --home data/home
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from data.schema.tables import TRUTH
from data.time_split import Windows
from models.arrow_columns import Numbers, numbers, stages
from models.evaluation.validation_metric import validation_ndcg
from models.funnel.config import FunnelConfig
from models.funnel.funnel_model import FunnelModel
from models.ranking_order import group_codes, rank_within, tie_keys
from models.recommender import Scores
from models.reranking.new_listing_exposure import chosen_policy, exposure_curve, with_exposure
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.feature_table.arrow_conversion import frame_of
from pipelines.feature_table.build_table import feature_set_of
from pipelines.feature_table.training_rows import load_rows, training_rows
from pipelines.run_context import RunContext
from pipelines.training.exposure_policy import POLICIES
from pipelines.training.run_record import load_one, read_record

K = 10
KEY = ["id_search", "id_listing"]


def main() -> int:
    """Print where new listings stand, the curve, and the prediction from attributes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    arguments = parser.parse_args()
    context = RunContext(Home(arguments.home), load_settings(), Console())
    record = read_record(context.home, context.home.latest_run().name)
    windows = Windows(**record.windows)
    train, valid = training_rows(context, windows)
    test = load_rows(context, windows.test)
    ranker = load_one(context, record, "ranker")
    curve = exposure_curve(valid, ranker.score(valid), POLICIES)
    policy = chosen_policy(curve)
    print(f"chosen on the validation day: bonus {policy.bonus}, floor {policy.floor}\n")
    _print_curve("validation day, by the log", curve)
    scores = ranker.score(test)
    truth = _truth(context, test)
    orders = {f"bonus {p.bonus}, floor {p.floor}": with_exposure(test, scores, p) for p in POLICIES}
    print("\ntest day, by the truth")
    _print_orders(test, truth, {"ranker": scores, **orders, "oracle": truth})
    _print_prediction(context, (train, valid, test))
    return 0


def _print_curve(title: str, curve: pa.Table) -> None:
    print(f"{title}\n bonus  floor   NDCG@10   change   exposure   change   new bookings")
    for row in curve.to_pylist():
        change, gain = row["ndcg_change"], row["exposure_change"]
        print(
            f"{row['bonus']:6.2f} {row['floor']:6.2f}   {row['ndcg']:.4f}  {change:+.2%}"
            f"   {row['exposure']:.4f}   {gain:+.1%}   {row['bookings']:.0f}"
        )


def _print_orders(test: pa.Table, truth: Numbers, orders: Mapping[str, Scores]) -> None:
    is_new = np.nan_to_num(numbers(test, "listing_is_new")) > 0
    groups, ties = group_codes(test["id_search"]), tie_keys(test)
    sizes = np.bincount(groups)[groups]
    print(f"{is_new.mean():.1%} of {test.num_rows:,} rows are new; places as a share of the list")
    print(
        "order                      mean place   exposure@10   bookings@10 of new   of all   NDCG"
    )
    for name, scores in orders.items():
        rank = rank_within(groups, scores, ties)
        weight = np.where(rank <= K, 1 / np.log2(rank + 1.0), 0.0)
        top = rank <= K
        graded = validation_ndcg(test, scores)
        print(
            f"{name:26} {((rank - 0.5) / sizes)[is_new].mean():.3f}        "
            f"{weight[is_new].sum() / weight.sum():.4f}        "
            f"{truth[top & is_new].sum():8.1f}          {truth[top].sum():8.1f}   {graded:.4f}"
        )


def _truth(context: RunContext, rows: pa.Table) -> Numbers:
    table = context.lake.scan(TRUTH.name).select(*KEY, "p_book_observables")
    keys = frame_of(rows.select(KEY)).lazy()
    chances = keys.join(table, on=KEY, how="left", maintain_order="left").collect()
    return np.asarray(chances["p_book_observables"].to_numpy())


def _print_prediction(context: RunContext, rows: tuple[pa.Table, pa.Table, pa.Table]) -> None:
    """Click rate of new listings: from attributes, and as the mean of market and room type."""
    train, valid, test = rows
    own = ("query", "listing", "fit")
    features = feature_set_of(context)
    attributes = features.without([g for g in features.groups if g not in own])
    config = FunnelConfig(unclicked_share=0.3, learning_rate=0.1)
    model = FunnelModel(attributes, config).fit(train, valid)
    predicted = model.conditional(test)["click"]
    by_type = _means(train, test)
    frame = pl.DataFrame(
        {
            "listing": frame_of(test.select(["id_listing"]))["id_listing"],
            "new": np.nan_to_num(numbers(test, "listing_is_new")) > 0,
            "clicked": (stages(test) > 0).astype(np.float64),
            "attributes": predicted,
            "prior": by_type,
        }
    ).filter(pl.col("new"))
    each = frame.group_by("listing").agg(
        pl.len().alias("shown"), pl.col("clicked", "attributes", "prior").mean()
    )
    each = each.filter(pl.col("shown") >= K)
    print(f"\nclick rate of {each.height} new listings shown {K} times or more on the test day")
    for name in ("prior", "attributes"):
        away = each.select(
            ((pl.col(name) - pl.col("clicked")).abs() * pl.col("shown")).sum()
            / pl.col("shown").sum(),
            pl.corr(name, "clicked", method="spearman").alias("order"),
        ).row(0)
        print(f"{name:12} mean absolute error {away[0]:.4f}   rank correlation {away[1]:.3f}")


def _means(train: pa.Table, test: pa.Table) -> Numbers:
    key = ["market", "listing_room_type"]
    seen = frame_of(train.select([*key, "stage"]))
    rates = seen.group_by(key).agg((pl.col("stage") > 0).mean().alias("rate"))
    joined = frame_of(test.select(key)).join(rates, on=key, how="left", maintain_order="left")
    return np.asarray(joined["rate"].fill_null(rates["rate"].mean()).to_numpy())


if __name__ == "__main__":
    sys.exit(main())
