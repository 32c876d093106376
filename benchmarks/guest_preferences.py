"""What is won by knowing what the guest clicked and what the guest passed over.

The ranker with one thing after another, in large simulated worlds: without the guest's history,
as it is, and with one more feature of the guest, which is none of the ranker's: the clicks per
impression that the guest gave to such listings before, by room type, price band, neighbourhood
or capacity. Per
order the DCG@10 of expected bookings as a share of the possible gain (G) under the guests' taste
and by the observables; all searches, and those of guests with earlier clicks. SIMULATED data.

    python benchmarks/guest_preferences.py --scenario default --seeds 21 22 --work DIR

Worlds are kept in DIR. One takes about 3 minutes and 4 GB on two cores, a model half a minute.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from over_worlds import mean_over_worlds
from ranker_worlds import World, prepared_world

from data.schema.feature_set import Feature, FeatureSet
from models.arrow_columns import numbers
from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.oracle import CEILINGS, Ceiling
from models.funnel.config import FunnelConfig
from models.funnel.funnel_model import FunnelModel
from models.recommender import Scores

K = 10
GROUP = "guest_history"
PRIOR, WEIGHT = "room_type_past_click_rate", 40
PRICE_STEP_LOG, CELL_DEGREES = 0.5, 0.01
KINDS = {
    "room type": pl.col("listing_room_type"),
    "price band": (pl.col("listing_nightly_price").log() / PRICE_STEP_LOG).floor(),
    "neighbourhood": pl.concat_str(
        *((pl.col(f"listing_{of}") / CELL_DEGREES).floor() for of in ("lat", "lng")), separator=" "
    ),
    "capacity": pl.col("listing_person_capacity"),
}
TODAY = "as it is"


def main() -> int:
    """Fit every world's funnels and print their means, and how far each is from ``TODAY``."""
    arguments = _arguments()
    found: dict[str, list[dict[str, float]]] = {}
    for seed in arguments.seeds:
        world = prepared_world(
            seed, arguments.searches, arguments.work, scenario=arguments.scenario
        )
        for name, (features, extended) in _variants(world).items():
            scores = _scores(features, extended, arguments.model_seeds)
            found.setdefault(name, []).append(g_by_segment(world.test, scores))
            print(f"world {seed}, {name}: {found[name][-1]}", flush=True)
    print(
        f"\nSIMULATED, {arguments.scenario}: {len(arguments.seeds)} worlds of "
        f"{arguments.searches:,} searches; G@{K}, and less that of the ranker as it is"
    )
    for name, figures in found.items():
        print(name)
        for segment in figures[0]:
            values = [f[segment] for f in figures]
            less = [v - f[segment] for v, f in zip(values, found[TODAY], strict=True)]
            print(f"  {segment:36} {mean_over_worlds(values)}   {mean_over_worlds(less, sign='+')}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22])
    parser.add_argument("--model-seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--scenario", default="default")
    parser.add_argument("--work", type=Path, default=Path("worlds"))
    parser.add_argument("--small", action="store_true", help="one tiny world")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.seeds, arguments.searches, arguments.model_seeds = [21], 4_000, [1]
    arguments.work.mkdir(parents=True, exist_ok=True)
    return arguments


def _variants(world: World) -> dict[str, tuple[FeatureSet, World]]:
    known = world.features
    variants = {"impersonal": (known.without([GROUP]), world), TODAY: (known, world)}
    for kind in KINDS:
        rate = f"guest_{kind.replace(' ', '_')}_click_rate"
        feature = Feature(name=rate, kind="number", meaning=rate, null="nothing known", group=GROUP)
        variants[f"with the rate of the {kind}"] = (
            FeatureSet((*known, feature)),
            with_click_rate(world, kind, rate),
        )
    return variants


def with_click_rate(world: World, kind: str, name: str) -> World:
    """The world with a column more: the guest's clicks per impression of such listings before.

    Smoothed to the market's room type; of the days that the world holds.
    """
    parts = [world.train, world.valid, world.test]
    read = {"id_user", "search_s", "stage", PRIOR, *KINDS[kind].meta.root_names()}
    rows = pl.concat([_frame(part, read) for part in parts], how="vertical_relaxed")
    rated = _rates_before(rows.with_columns(KINDS[kind].alias("_kind")))
    ends = np.cumsum([part.num_rows for part in parts])
    added = [
        part.append_column(name, pa.array(rate, from_pandas=True))
        for part, rate in zip(parts, np.split(rated, ends[:-1]), strict=True)
    ]
    return World(world.seed, world.features, *added)


def _frame(part: pa.Table, read: set[str]) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(part.select(sorted(read))))


def _rates_before(rows: pl.DataFrame) -> Scores:
    """Per row the smoothed rate of its guest and ``_kind``, strictly before its second."""
    key = ["id_user", "_kind"]
    per_second = rows.group_by(*key, "search_s").agg(
        shown=pl.len().cast(pl.Int64), clicked=(pl.col("stage") > 0).sum().cast(pl.Int64)
    )
    before = per_second.sort("search_s").with_columns(
        (pl.col(n).cum_sum() - pl.col(n)).over(key) for n in ("shown", "clicked")
    )
    joined = rows.join(
        before, on=[*key, "search_s"], how="left", nulls_equal=True, maintain_order="left"
    )
    rate = (pl.col("clicked") + WEIGHT * pl.col(PRIOR)) / (pl.col("shown") + WEIGHT)
    rate = pl.when(pl.col("id_user").is_not_null() & pl.col("_kind").is_not_null()).then(rate)
    return joined.select(rate=rate.cast(pl.Float64))["rate"].to_numpy()


def _scores(features: FeatureSet, world: World, seeds: list[int]) -> list[Scores]:
    """One score per seed of the model: trees differ by about what is looked for."""
    return [
        FunnelModel(features, FunnelConfig(seed=seed))
        .fit(world.train, world.valid)
        .score(world.test)
        for seed in seeds
    ]


def g_by_segment(test: pa.Table, scores: list[Scores]) -> dict[str, float]:
    """G@10, the mean over the scores, under both ceilings and by segment."""
    is_known = np.nan_to_num(numbers(test, "guest_past_clicks")) > 0
    segments = {"": np.ones(test.num_rows, dtype=bool), ", earlier clicks": is_known}
    return {
        f"{ceiling}{segment}": float(np.mean([_g(test, s, ceiling, part) for s in scores]))
        for ceiling in CEILINGS
        for segment, part in segments.items()
    }


def _g(test: pa.Table, scores: Scores, ceiling: str, part: np.ndarray) -> float:
    rows = test.filter(pa.array(part))
    arranged = arrange_rows(rows.select(["id_search", "id_listing", "stage"]))
    truth = arranged.arrange(numbers(rows, CEILINGS[ceiling]))
    measure, _ = Ceiling(arranged, ceiling, truth).measures(
        arranged, arranged.ranks(scores[part], model="order"), (K,)
    )
    return float(measure.numerator.sum() / measure.denominator.sum())


if __name__ == "__main__":
    sys.exit(main())
