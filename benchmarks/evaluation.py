"""How long an evaluation takes: metrics, then intervals, on random impressions.

python benchmarks/evaluation.py --impressions 1000000 --models 6
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.model_metrics import measure_model, metric_inputs
from models.recommender import Scores

SEARCH_SIZE = 25
LISTINGS = 40_000
STAGE_RATES = (0.945, 0.045, 0.003, 0.007)
SMALL = {"impressions": 50_000, "models": 3, "replicates": 200}
ROOM_TYPES = np.array(["entire_home", "private_room", "shared_room"])


def random_rows(impressions: int, rng: np.random.Generator) -> pa.Table:
    """A test window of searches of 25 listings each, about 1.6 searches per guest."""
    searches = impressions // SEARCH_SIZE
    search = np.repeat(np.arange(searches), SEARCH_SIZE)
    # a stride keeps the listings of one search distinct
    first, stride = rng.integers(0, LISTINGS, searches), rng.integers(1, 1_000, searches)
    listing = (
        first[search] + stride[search] * np.tile(np.arange(SEARCH_SIZE), searches)
    ) % LISTINGS
    per_listing = rng.normal(size=(LISTINGS, 3))
    user = rng.integers(0, int(searches / 1.6), searches)[search]
    market = np.array(["rio_de_janeiro", "sao_paulo"])[rng.integers(0, 2, searches)]
    return pa.table(
        {
            "id_search": pa.array(np.char.add("s", search.astype(str))),
            "id_listing": pa.array(np.char.add("l", listing.astype(str))),
            "id_user": pa.array(np.char.add("u", user.astype(str))),
            "market": market[search],
            "stage": rng.choice(4, len(search), p=STAGE_RATES).astype(np.int8),
            "listing_lat": -22.9 + 0.05 * per_listing[listing, 0],
            "listing_lng": -43.2 + 0.05 * per_listing[listing, 1],
            "listing_total_price": np.exp(6 + 0.5 * per_listing[listing, 2]),
            "listing_room_type": ROOM_TYPES[listing % 3],
            "listing_is_new": listing % 15 == 0,
            "query_lead_time_days": rng.integers(0, 90, searches)[search].astype(np.float64),
            "query_num_guests": rng.integers(1, 7, searches)[search].astype(np.int32),
            "guest_past_searches": rng.integers(0, 3, searches)[search],
        }
    )


@contextmanager
def timed(label: str) -> Iterator[None]:
    """Print wall seconds, and processor seconds, which a busy machine does not stretch."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{label:<42} {wall:7.2f} s wall {cpu:7.2f} s cpu")


def ranx_seconds(rows: pa.Table, scores: Scores) -> tuple[float, float] | None:
    """Seconds that ranx takes to build its dictionaries, and for five metrics of one model."""
    try:
        from ranx import Qrels, Run
        from ranx import evaluate as ranx_evaluate
    except ImportError:
        return None
    start = time.perf_counter()
    searches, listings = rows["id_search"].to_pylist(), rows["id_listing"].to_pylist()
    booked: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    for search, listing, stage, score in zip(
        searches, listings, rows["stage"].to_pylist(), scores.tolist(), strict=True
    ):
        run.setdefault(search, {})[listing] = score
        if stage == 3:
            booked.setdefault(search, {})[listing] = 1
    qrels = Qrels(booked)
    runs = Run({search: run[search] for search in booked})
    built = time.perf_counter()
    metrics = ["ndcg@5", "ndcg@10", "mrr", "recall@10", "map"]
    ranx_evaluate(qrels, runs, metrics, make_comparable=True)
    return built - start, time.perf_counter() - built


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--impressions", type=int, default=1_000_000)
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--replicates", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ranx", action="store_true", help="race ranx on one model")
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    arguments = parser.parse_args()
    if arguments.small:
        vars(arguments).update(SMALL)
    rng = np.random.default_rng(arguments.seed)
    rows = random_rows(arguments.impressions, rng)
    scores = {f"model_{i}": rng.normal(size=rows.num_rows) for i in range(arguments.models)}
    config = EvaluationConfig(replicates=arguments.replicates)

    with timed("rows arranged"):
        arranged = arrange_rows(rows)
        inputs = metric_inputs(rows, arranged, config, EvaluationInputs(), {})
    with timed(f"metrics of {arguments.models} models"), ThreadPoolExecutor(config.threads) as pool:
        per_model = list(pool.map(lambda item: measure_model(inputs, *item), scores.items()))
    count = len(per_model[0].ratios) + len(per_model[0].list_metrics)
    print(
        f"{rows.num_rows:,} impressions, {arranged.searches:,} searches, "
        f"{arranged.clusters:,} guests"
    )
    print(f"{count} metrics a model, {config.threads} threads")
    with timed(f"all of it, {arguments.replicates} replicates, segments"):
        card = evaluate(rows, scores, split="test", reference="model_0", config=config)
    print(f"{len(card.scores)} figures")
    seconds = ranx_seconds(rows, scores["model_0"]) if arguments.ranx else None
    if seconds:
        print(f"ranx, one model: dictionaries {seconds[0]:.2f} s, five metrics {seconds[1]:.2f} s")


if __name__ == "__main__":
    main()
