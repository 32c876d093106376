"""What new listings suffer, and what the exposure policy gives back, over several worlds.

In each world the funnel learns, the validation day chooses a policy for each allowed loss of
value DCG, and the test day is ordered by every policy. What an order brings is read from the
truth: the bookings to be expected of guests who look at each place as often as the simulator's
do, of all listings and of new ones. Then how well a new listing's click rate is predicted from
its attributes, beside the mean of its market and room type. SIMULATED data.

    python benchmarks/new_listings.py --seeds 11 12 13 14 --searches 60000 --work DIR

What is made is kept in DIR. A world takes about 3 minutes and 4 GB on two cores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from over_worlds import mean_over_worlds
from ranker_worlds import World, prepared_world

from data.simulator.choices import examination
from models.arrow_columns import Numbers, numbers, stages
from models.click_worth import click_worth
from models.evaluation.oracle import oracle_scores
from models.evaluation.validation_metric import CLICK_WORTH, validation_value
from models.funnel.config import FunnelConfig
from models.funnel.funnel_model import FunnelModel
from models.ranking_order import group_codes, rank_within, tie_keys
from models.recommender import Scores
from models.reranking.new_listing_exposure import (
    ExposurePolicy,
    chosen_policy,
    exposure_curve,
    with_exposure,
)
from pipelines.feature_table.arrow_conversion import frame_of
from pipelines.training.exposure_policy import POLICIES

K = 10
TRUTH, CLICKS = "p_book_taste", "p_click_taste"
PLACES = ("position", "is_random_order")
LOSSES = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01)
ATTRIBUTES = ("query", "listing", "fit")
ALONE = "no policy"
ORACLE = "the best order"
# What is chosen from: all policies, or the bonuses alone.
CHOICES = {
    "bonuses and floors": POLICIES,
    "bonuses alone": tuple(policy for policy in POLICIES if not policy.floor),
}
MODEL, MEAN = "from its attributes", "mean of market and room type"

Effects = dict[str, float]
"""Measure → figure of one order: mean place and exposure of new listings, value DCG, and the
expected bookings of new listings and of all."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one world says.

    Attributes:
        curve: of the validation day, a row per policy.
        orders: order → effects on the test day.
        chosen: what is chosen from (:data:`CHOICES`) and allowed loss → name of the policy that
            the validation day chose.
        predicted: way of prediction → mean absolute error and rank correlation.
    """

    curve: list[dict[str, float]]
    orders: dict[str, Effects]
    chosen: dict[tuple[str, float], str]
    predicted: dict[str, tuple[float, float]]


def main() -> int:
    """Measure every world, and print the means."""
    arguments = _arguments()
    worlds = []
    for seed in arguments.seeds:
        worlds.append(figures_of(prepared_world(seed, arguments.searches, arguments.work)))
        print(f"world {seed}: {worlds[-1].chosen}", flush=True)
    print(
        f"\nSIMULATED: {len(worlds)} worlds of {arguments.searches:,} searches, "
        f"seeds {arguments.seeds}"
    )
    _print_curve([world.curve for world in worlds])
    _print_orders([world.orders for world in worlds])
    _print_chosen(worlds)
    _print_prediction([world.predicted for world in worlds])
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14])
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--work", type=Path, default=Path("worlds"))
    parser.add_argument("--small", action="store_true", help="two tiny worlds")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.seeds, arguments.searches = arguments.seeds[:2], 4_000
    arguments.work.mkdir(parents=True, exist_ok=True)
    return arguments


def figures_of(world: World) -> Figures:
    """Fit the funnel, choose on the validation day, measure on the test day."""
    train, valid, test = (
        rows.drop_columns(list(PLACES)) for rows in (world.train, world.valid, world.test)
    )
    valid = _with_worth(world, valid, before=train)
    model = FunnelModel(world.features).fit(train, valid)
    # Logarithms, as the lists are ordered: a bonus is in standard deviations of a search.
    log_chance = [np.log(np.maximum(model.score(rows), 1e-12)) for rows in (valid, test)]
    curve = exposure_curve(valid, log_chance[0], POLICIES)
    test = _with_worth(
        world, test, before=pa.concat_tables([train, valid.select(train.schema.names)])
    )
    orders = {ALONE: log_chance[1]}
    orders |= {name_of(p): with_exposure(test, log_chance[1], p) for p in POLICIES}
    orders[ORACLE] = oracle_scores(numbers(test, TRUTH), numbers(test, CLICKS))
    return Figures(
        curve=curve.to_pylist(),
        orders={name: effects_of(test, scores) for name, scores in orders.items()},
        chosen={
            (family, loss): name_of(chosen_policy(_of(curve, policies), most_loss=loss))
            for family, policies in CHOICES.items()
            for loss in LOSSES
        },
        predicted=predicted_click_rates(world, (train, valid, test)),
    )


def _with_worth(world: World, rows: pa.Table, *, before: pa.Table) -> pa.Table:
    """The rows with the worth of their clicks; who looks at what is learnt from the day before."""
    days = before["search_day"]
    judged = click_worth(
        rows,
        learnt=before.filter(pc.equal(days, pc.max(days))),
        clicks=before.filter(pc.greater_equal(before["stage"], 1)),
        features=world.features,
    )
    return rows.append_column(CLICK_WORTH, pa.array(judged.worth))


def _of(curve: pa.Table, policies: Sequence[ExposurePolicy]) -> pa.Table:
    names = {name_of(policy) for policy in policies}
    points = [p for p in curve.to_pylist() if _name_of_point(p) in names]
    return pa.Table.from_pylist(points)


def _name_of_point(point: Mapping[str, float]) -> str:
    return name_of(ExposurePolicy(bonus=point["bonus"], floor=point["floor"]))


def name_of(policy: ExposurePolicy) -> str:
    """The policy in words."""
    if policy.floor:
        return f"floor {policy.floor}"
    return f"bonus {policy.bonus}" if policy.bonus else ALONE


def effects_of(rows: pa.Table, scores: Scores) -> Effects:
    """What an order does to new listings and to all."""
    is_new = np.nan_to_num(numbers(rows, "listing_is_new")) > 0
    groups = group_codes(rows["id_search"])
    rank = rank_within(groups, scores, tie_keys(rows))
    sizes = np.bincount(groups)[groups]
    weight = np.where(rank <= K, 1 / np.log2(rank + 1.0), 0.0)
    booked = examination(rank) * numbers(rows, TRUTH)
    return {
        "mean place": float(((rank - 0.5) / sizes)[is_new].mean()),
        "exposure": float(weight[is_new].sum() / weight.sum()),
        "value": validation_value(rows, scores, k=K),
        "new": float(booked[is_new].sum()),
        "all": float(booked.sum()),
    }


def predicted_click_rates(
    world: World, rows: tuple[pa.Table, pa.Table, pa.Table]
) -> dict[str, tuple[float, float]]:
    """Click rates of new listings of the test day: error, rank correlation of each prediction."""
    train, valid, test = rows
    attributes = world.features.without([g for g in world.features.groups if g not in ATTRIBUTES])
    model = FunnelModel(attributes, FunnelConfig(unclicked_share=0.3))
    frame = pl.DataFrame(
        {
            "listing": frame_of(test.select(["id_listing"]))["id_listing"],
            "new": np.nan_to_num(numbers(test, "listing_is_new")) > 0,
            "clicked": (stages(test) > 0).astype(np.float64),
            MODEL: model.fit(train, valid).conditional(test)["click"],
            MEAN: _means(train, test),
        }
    ).filter(pl.col("new"))
    each = frame.group_by("listing").agg(
        pl.len().alias("shown"), pl.col("clicked", MODEL, MEAN).mean()
    )
    each = each.filter(pl.col("shown") >= K)
    shown = pl.col("shown")
    return {
        name: each.select(
            ((pl.col(name) - pl.col("clicked")).abs() * shown).sum() / shown.sum(),
            pl.corr(name, "clicked", method="spearman").alias("order"),
        ).row(0)
        for name in (MODEL, MEAN)
    }


def _means(train: pa.Table, test: pa.Table) -> Numbers:
    key = ["market", "listing_room_type"]
    seen = frame_of(train.select([*key, "stage"]))
    rates = seen.group_by(key).agg((pl.col("stage") > 0).mean().alias("rate"))
    joined = frame_of(test.select(key)).join(rates, on=key, how="left", maintain_order="left")
    return np.asarray(joined["rate"].fill_null(rates["rate"].mean()).to_numpy())


def _print_curve(curves: Sequence[list[dict[str, float]]]) -> None:
    print("\nvalidation day, by the log\n| policy | value DCG@10 | exposure |\n|---|---|---|")
    for points in zip(*curves, strict=True):
        changes = [_percent([p[f"{n}_change"] for p in points]) for n in ("value", "exposure")]
        print(f"| {_name_of_point(points[0])} | " + " | ".join(changes) + " |")


def _print_orders(worlds: Sequence[Mapping[str, Effects]]) -> None:
    """Beside no policy the figures themselves, beside each policy the changes."""
    print("\ntest day: value DCG@10 by the log, the rest by the truth")
    print("| order | mean place of new | exposure of new | bookings of new | of all | value |")
    print("|---|---|---|---|---|---|")
    for name in worlds[0]:
        effects = [world[name] for world in worlds]
        cells = [
            mean_over_worlds([e["mean place"] for e in effects], digits=3),
            mean_over_worlds([e["exposure"] for e in effects], digits=4),
        ]
        for measure, digits in (("new", 1), ("all", 1), ("value", 4)):
            if name == ALONE:
                cells.append(mean_over_worlds([e[measure] for e in effects], digits=digits))
            else:
                cells.append(_percent([_change(world, name, measure) for world in worlds]))
        print(f"| {name} | " + " | ".join(cells) + " |")


def _change(world: Mapping[str, Effects], name: str, measure: str) -> float:
    return world[name][measure] / world[ALONE][measure] - 1


def _print_chosen(worlds: Sequence[Figures]) -> None:
    print("\nchosen on the validation day for an allowed loss, and what it brings on the test day")
    print("| of | allowed loss | chosen | value | bookings of all | of new | exposure |")
    print("|---|---|---|---|---|---|---|")
    for key in worlds[0].chosen:
        family, loss = key
        cells = [", ".join(world.chosen[key] for world in worlds)]
        for measure in ("value", "all", "new", "exposure"):
            changes = [_change(world.orders, world.chosen[key], measure) for world in worlds]
            cells.append(_percent(changes))
        print(f"| {family} | {loss:.2%} | " + " | ".join(cells) + " |")


def _print_prediction(worlds: Sequence[Mapping[str, tuple[float, float]]]) -> None:
    print(f"\nclick rate of the new listings shown {K} times or more on the test day")
    print("| predicted | mean absolute error | rank correlation |\n|---|---|---|")
    for name in worlds[0]:
        cells = [
            mean_over_worlds([world[name][place] for world in worlds], digits=digits)
            for place, digits in ((0, 4), (1, 2))
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def _percent(shares: Sequence[float]) -> str:
    return mean_over_worlds([100 * share for share in shares], sign="+", digits=2) + "%"


if __name__ == "__main__":
    sys.exit(main())
