"""From how many listings on an index pays: exact top-100 against FAISS, side by side.

Vectors are drawn around some hundred centres, as listings gather in kinds and areas; each
search allows the listings of a capacity and of a price. The recall is that of
``models.two_tower.retrieval.ann_search``: the effort is tuned on half of the searches and measured
on the others. This measures speed; how well the towers retrieve is for
``benchmarks/retrieval.py``.

Run: python benchmarks/index.py --listings 10000 30000 100000 300000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from models.two_tower.exact_search import exact_top_k
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.retrieval.ann_search import ApproximateIndex, IndexConfig

WIDTH, CENTRES, SPREAD = 33, 200, 0.7
REPEATS = 3


def main() -> None:
    """One block of lines per size."""
    options = _arguments()
    print(f"{torch.get_num_threads()} threads, {options.searches} searches, top {options.k}")
    for listings in options.listings:
        query_QD, listing_LD = _vectors(options.searches, listings, options.seed)
        bounds = _bounds(options.searches, listings, options.seed)
        spent = _best(lambda: exact_top_k(query_QD, listing_LD, options.k, allowed=bounds))  # noqa: B023
        print(f"{listings:,} listings\n  exact  {options.searches / spent:10,.0f} searches/s")
        for kind in options.kinds:
            config = IndexConfig(kind=kind, k=options.k)
            started = time.perf_counter()
            index = ApproximateIndex(listing_LD, config)
            built = time.perf_counter() - started
            recall = index.tune(query_QD, bounds)
            spent = _best(lambda: index.search(query_QD, options.k, bounds))  # noqa: B023
            print(
                f"  {kind:5}  {options.searches / spent:10,.0f} searches/s  recall {recall:.4f}"
                f"  effort {index.effort}  built in {built:.1f} s",
                flush=True,
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--listings", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000]
    )
    parser.add_argument("--kinds", nargs="+", choices=("hnsw", "ivf"), default=["hnsw", "ivf"])
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    options = parser.parse_args()
    if options.small:
        options.listings, options.searches = [2_000], 50
    return options


def _vectors(searches: int, listings: int, seed: int) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    centre_CD = torch.randn(CENTRES, WIDTH, generator=chance)

    def around(count: int) -> Tensor:
        which = torch.randint(CENTRES, (count,), generator=chance)
        noise = torch.randn(count, WIDTH, generator=chance)
        return functional.normalize(centre_CD[which] + SPREAD * noise, dim=1)

    return around(searches), around(listings)


def _bounds(searches: int, listings: int, seed: int) -> Eligibility:
    chance = np.random.default_rng(seed)
    queries = {
        "query_num_guests": chance.choice([1, 2, 4, 6], searches, p=[0.15, 0.5, 0.25, 0.1]),
        "query_price_max": np.exp(chance.normal(6.6, 0.6, searches)),
    }
    catalogue = {
        "listing_person_capacity": chance.choice([2, 4, 6, 8], listings, p=[0.3, 0.4, 0.2, 0.1]),
        "listing_nightly_price": np.exp(chance.normal(6.2, 0.6, listings)),
    }
    return Eligibility.of(pa.table(queries), pa.table(catalogue))


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of some repeats: what else the machine does only adds."""
    spent = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return min(spent)


if __name__ == "__main__":
    main()
