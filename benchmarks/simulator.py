"""How fast and how large the simulated week is, and whether its world is sane.

    python benchmarks/simulator.py --searches 36000
    python benchmarks/simulator.py --searches 570000 --write csv

Prints rates of the funnel, guests and listings, the share G of the distance between
random order and the oracle that simple orders cover (expected DCG@10 under the true
chances of a booking given taste), NDCG@10 of the bookings, and the catalogue's marginals
beside the fitted ones. ``--write`` measures time and memory of writing files instead.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data.simulator import SCENARIOS, SimulationConfig, simulate, write_simulation
from data.simulator.converged_truth import ConvergedTruth, ShownRows
from data.simulator.listings import draw_catalogue
from data.simulator.marginals import marginals

Array = np.ndarray[Any, np.dtype[Any]]
K = 10
SMALL = {"searches": 2_000}


def _costs(started: float, cpu: float) -> str:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    wall, used = time.perf_counter() - started, time.process_time() - cpu
    return f"{wall:.1f} s, {used:.1f} s of processor, peak {peak:.0f} MiB"


def write(config: SimulationConfig, file_format: Any) -> None:
    """Time and memory of a written week."""
    started, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        summary = write_simulation(config, Path(folder) / "week", file_format)
        size = sum(file.stat().st_size for file in summary.log.iterdir()) / 2**20
    print(f"{summary.searches:,} searches, {summary.impressions:,} impressions as {file_format}")
    print(f"{size:.0f} MiB of log; {_costs(started, cpu)}; labels {summary.labels}")


def dcg(search: Array, score: Array, gain: Array) -> Array:
    """DCG@10 of each search when its rows are ordered by ``score``."""
    order = np.lexsort((-score, search))
    starts = np.flatnonzero(np.diff(search[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    discount = np.where(place < K, 1 / np.log2(place + 2), 0.0)
    return np.add.reduceat(discount * gain[order], starts)


def orders(config: SimulationConfig, log: pa.Table, truth: pa.Table) -> dict[str, Array]:
    """Scores of simple orders and of both oracles; a coin breaks ties."""
    rows = ShownRows.of_table(truth.append_column("query_price_max", log["query_price_max"]))
    coin = np.random.default_rng(0).random(log.num_rows)
    rating = np.nan_to_num(log["listing_review_rating"].to_numpy())
    return {
        "random": coin,
        "shown": -log["position"].to_numpy().astype(float),
        "cheapest": -log["listing_total_price"].to_numpy(),
        "best rated": rating + 1e-6 * coin,
        "most booked in 90 days": log["listing_num_books_90day"].to_numpy() + 1e-3 * coin,
        "oracle by observables": ConvergedTruth(config).observables(rows),
        "oracle by taste": truth["p_book_taste"].to_numpy(),
    }


def print_orders(config: SimulationConfig, log: pa.Table, truth: pa.Table, booked: Array) -> None:
    """G and NDCG@10 of each order."""
    search = np.unique(log["id_search"].to_numpy(), return_inverse=True)[1]
    scores = orders(config, log, truth)
    chance = truth["p_book_taste"].to_numpy()
    expected = {name: dcg(search, score, chance).mean() for name, score in scores.items()}
    best = dcg(search, booked, booked)
    scored = best > 0
    low, high = expected["random"], expected["oracle by taste"]
    for name, score in scores.items():
        ndcg = (dcg(search, score, booked)[scored] / best[scored]).mean()
        share = (expected[name] - low) / (high - low)
        print(f"  {name:24s} G {share:5.3f}   NDCG@10 of bookings {ndcg:.4f}")


def summarise(config: SimulationConfig) -> None:
    """The world's figures."""
    started, cpu = time.perf_counter(), time.process_time()
    chunks = list(simulate(config))
    print(f"simulated in {_costs(started, cpu)} (all kept in memory here)")
    log = pa.concat_tables([chunk.log for chunk in chunks])
    truth = pa.concat_tables([chunk.truth for chunk in chunks])
    label = log["label"].to_numpy()
    contacted = ~np.isnan(log["ds_contact"].cast(pa.int32()).to_numpy())
    booked, clicked = label == "booked", label != "impressed"
    searches = len(np.unique(log["id_search"].to_numpy()))
    users = len(np.unique(log["id_user"].to_numpy()))
    listings = len(np.unique(log["id_listing"].to_numpy()))
    print(f"{log.num_rows:,} impressions, {log.num_rows / searches:.1f} per search")
    print(f"{users:,} guests, {searches / users:.1f} searches each; {listings:,} listings shown")
    print(f"click {clicked.mean():.4f}, contact|click {contacted.sum() / clicked.sum():.4f}")
    rate = (booked & contacted).sum() / contacted.sum()
    print(f"book|contact {rate:.3f}, directly {(booked & ~contacted).sum():,} of {booked.sum():,}")
    print_orders(config, log, truth, booked.astype(float))


def print_marginals(config: SimulationConfig) -> None:
    """Rio's fitted marginals beside the simulated ones."""
    for row in marginals(draw_catalogue(config)):
        print(f"  {row.name:46s} fitted {row.fitted:9.3f}   simulated {row.simulated:9.3f}")


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=36_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="default")
    parser.add_argument("--write", choices=["csv", "parquet"])
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    options = parser.parse_args()
    if options.small:
        vars(options).update(SMALL)
    config = SimulationConfig(
        searches=options.searches,
        seed=options.seed,
        scenario=options.scenario,
        with_position=True,
    )
    if options.write:
        write(config, options.write)
        return
    summarise(config)
    print_marginals(config)


if __name__ == "__main__":
    main()
