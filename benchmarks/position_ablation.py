"""What the shown order costs the models, and how much of it debiasing wins back. SIMULATED data.

Each order is trained four times on the same rows: on the labels as they are (naive), with
LightGBM's debiasing by position, with inverse propensity weights from the searches in random
order, and on labels drawn from the true chances as if every place were looked at alike
(unbiased; as many clicks). The funnel's click stage is trained naively, with offsets by place,
and unbiased. Measured by the truth: G@10 on observables, for the click stage in expected clicks
given taste.

    python benchmarks/position_ablation.py --seeds 1 2 3 --searches 60000 --work DIR
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from ranker_worlds import World, prepared_world

from models.arrow_columns import Numbers, numbers
from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.oracle import Ceiling
from models.funnel.config import FunnelConfig
from models.funnel.funnel_model import FunnelModel
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.recommender import Scores

K = 10
PERSONAL = ("guest_history",)
FUNNEL = FunnelConfig(max_rounds=300, unclicked_share=0.3, in_search="kept", min_rows_per_leaf=100)


def main() -> int:
    """Train and measure every world's seven orders, and print the gap won back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    worlds = [
        _g_of_orders(prepared_world(s, arguments.searches, arguments.work), arguments)
        for s in arguments.seeds
    ]
    for name in worlds[0]:
        values = [world[name] for world in worlds]
        print(f"{name:28} {np.mean(values):.3f}   " + " ".join(f"{v:.3f}" for v in values))
    return 0


def _g_of_orders(world: World, arguments: argparse.Namespace) -> dict[str, float]:
    features = world.features.without(PERSONAL)
    rng = np.random.default_rng(world.seed)
    fair = [_unbiased(part, rng) for part in (world.train, world.valid)]
    g = {}
    config = LambdaRankConfig(max_rounds=arguments.rounds)
    for name in ("none", "position", "ips"):
        rival = LambdaRank(features, replace(config, debiasing=name))  # type: ignore[arg-type]
        scores = rival.fit(world.train, world.valid).score(world.test)
        g[f"lambdarank, debiasing {name}"] = _g(world.test, scores, "p_book_observables")
        print(g, flush=True)
    scores = LambdaRank(features, config).fit(fair[0], fair[1]).score(world.test)
    g["lambdarank, unbiased labels"] = _g(world.test, scores, "p_book_observables")
    for debiasing in ("none", "position"):
        model = FunnelModel(features, replace(FUNNEL, debiasing=debiasing))  # type: ignore[arg-type]
        clicks = model.fit(world.train, world.valid).conditional(world.test)["click"]
        g[f"clicks, debiasing {debiasing}"] = _g(world.test, clicks, "p_click_taste")
    clicks = FunnelModel(features, FUNNEL).fit(fair[0], fair[1]).conditional(world.test)["click"]
    g["clicks, unbiased labels"] = _g(world.test, clicks, "p_click_taste")
    return g


def _unbiased(rows: pa.Table, rng: np.random.Generator) -> pa.Table:
    """The rows with labels drawn from the truth, all places looked at alike."""
    chance = {s: numbers(rows, f"p_{s}_taste") for s in ("click", "contact", "book")}
    looked = float((rows["stage"].to_numpy() > 0).sum() / chance["click"].sum())
    clicked = rng.random(rows.num_rows) < looked * chance["click"]
    further = rng.random(rows.num_rows) * np.maximum(chance["click"], 1e-12)
    reached = np.where(further < chance["book"], 3, np.where(further < chance["contact"], 2, 1))
    stage = pa.array(np.where(clicked, reached, 0).astype(np.int8))
    # These labels are whole at once: no outcome is still to come.
    day = rows["search_day"].to_numpy().astype(np.int32)
    labels = {
        "stage": stage,
        "contact_day": pa.array(day, mask=~(clicked & (reached == 2))),
        "book_day": pa.array(day, mask=~(clicked & (reached == 3))),
    }
    for name, values in labels.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows


def _g(test: pa.Table, scores: Scores, truth: str) -> float:
    arranged = arrange_rows(test.select(["id_search", "id_listing", "stage"]))
    chances: Numbers = arranged.arrange(numbers(test, truth))
    measure, _ = Ceiling(arranged, "observables", chances).measures(
        arranged, arranged.ranks(scores, model="order"), (K,)
    )
    return float(measure.numerator.sum() / measure.denominator.sum())


if __name__ == "__main__":
    sys.exit(main())
