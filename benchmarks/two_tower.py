"""Speed of the two-tower: training by phase, the softmax against a bare matmul, retrieval.

``python benchmarks/two_tower.py`` runs small, on a CPU or a GPU. On a GPU try
``--positives 20000000 --listings 100000 --batch 65536 --queries 1000000``. A row is one
positive. The plain trainer beside it is what one writes first: a ``Dataset`` that makes
one row at a time, a ``DataLoader``, the whole logits matrix.

The log is random: this measures speed, and says nothing about quality.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.exact_search import exact_top_k
from models.two_tower.inputs.arrays import ListingArrays, Positives, QueryArrays
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.inputs.training_set import TrainingSet
from models.two_tower.model import InputShape, TwoTowerNet
from models.two_tower.training.losses import Candidates, contrast
from models.two_tower.training.minibatches import Minibatches, Part
from models.two_tower.training.train import batch_loss, device_of, train

DENSE_QUERY, DENSE_LISTING, CATEGORIES, MARKETS = 40, 90, (20, 5), 3
FLOP_PER_PRODUCT = 2
# logits once, and one product for each of the two gradients
PRODUCTS_PER_SOFTMAX = 3
# The plain trainer is stopped after this long: its rate is known by then.
PLAIN_SECONDS = 20.0
GPU_SOFTMAX_BATCHES = (8_192, 16_384, 32_768, 65_536)
SMALL = {"positives": 2_000, "listings": 500, "batch": 256, "queries": 500}


def made_up(positives: int, listings: int, history: int, seed: int) -> TrainingSet:
    """A random log as flat arrays; one search per positive."""
    chance = np.random.default_rng(seed)
    market_L = chance.integers(1, MARKETS, listings + 1)
    listing_P = chance.integers(1, listings + 1, positives)
    none = pa.table({"id_search": pa.nulls(positives, pa.string())})
    return TrainingSet(
        queries=QueryArrays(
            dense_SF=chance.standard_normal((positives, DENSE_QUERY), dtype=np.float32),
            market_S=market_L[listing_P],
            guest_S=np.zeros(positives, dtype=np.int64),
            history_SH=chance.integers(1, listings + 1, (positives, history)),
            history_stage_SH=chance.integers(0, 4, (positives, history)),
        ),
        catalogue=ListingArrays(
            id_L=np.arange(listings + 1),
            dense_LF=chance.standard_normal((listings + 1, DENSE_LISTING), dtype=np.float32),
            category_LK=np.stack([chance.integers(0, c, listings + 1) for c in CATEGORIES], 1),
            market_L=market_L,
        ),
        positives=Positives(
            search_P=np.arange(positives),
            listing_P=listing_P,
            weight_P=np.ones(positives, dtype=np.float32),
            head_P=np.zeros(positives, dtype=np.int64),
            hard_start_P=np.zeros(positives, dtype=np.int64),
            hard_count_P=np.zeros(positives, dtype=np.int64),
        ),
        hard=np.zeros(0, dtype=np.int64),
        bounds=Eligibility.of(none, pa.table({"id_listing": pa.nulls(listings + 1, pa.string())})),
    )


def fresh_net(listings: int, config: TowerConfig, device: torch.device) -> TwoTowerNet:
    shape = InputShape(
        listings=listings + 1,
        guests=1,
        markets=MARKETS,
        query_width=DENSE_QUERY,
        listing_width=DENSE_LISTING,
        categories=CATEGORIES,
    )
    return TwoTowerNet(shape, config).to(device)


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Wall time of ``work``, the device's share of it included."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def per_phase(batches: Minibatches, net: TwoTowerNet, config: TrainConfig) -> dict[str, float]:
    """Seconds per step in each phase, after one step to warm up."""
    device = batches.device
    optimiser = torch.optim.AdamW(net.parameters(), fused=True if device.type == "cuda" else None)
    order_P = batches.order(0)
    spent = dict.fromkeys(("draw", "forward and softmax", "backward", "optimiser"), 0.0)
    held: dict[str, Any] = {}

    def drawn(step: int) -> Callable[[], None]:
        return lambda: held.update(batch=batches.draw(order_P, 0, step, Part()))

    def forward() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            held["loss"] = batch_loss(net, held["batch"], batches, config, net.config)

    steps = min(batches.steps_per_epoch, 20)
    for step in range(steps):
        times = (
            seconds(drawn(step), device),
            seconds(forward, device),
            seconds(held["loss"].backward, device),
            seconds(optimiser.step, device),
        )
        optimiser.zero_grad(set_to_none=True)
        if step:
            spent = {n: s + t for (n, s), t in zip(spent.items(), times, strict=True)}
    return {name: total / max(1, steps - 1) for name, total in spent.items()}


def softmax_share(batch: int, width: int, chunk_rows: int, device: torch.device) -> float:
    """Rate of the chunked softmax with its gradients, as a share of a bare matmul's."""
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    query_BD = torch.randn(batch, width, device=device, requires_grad=True)
    listing_CD = torch.randn(2 * batch, width, device=device, requires_grad=True)
    markets = torch.ones(2 * batch, dtype=torch.int64, device=device)
    ids = torch.arange(2 * batch, device=device)
    candidates = Candidates(
        vector_CD=listing_CD,
        id_C=ids,
        market_C=markets,
        log_count_C=torch.zeros(2 * batch, device=device),
    )
    weight = torch.full((batch,), 1 / batch, device=device)
    positives = {"id": ids[:batch], "market": markets[:batch], "weight": weight}

    def softmax() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = contrast(
                query_BD,
                listing_CD[:batch],
                candidates,
                positives,
                temperature=0.1,
                chunk_rows=chunk_rows,
            )
        loss.backward()  # type: ignore[no-untyped-call]

    left, right = query_BD.detach().to(kind), listing_CD.detach().to(kind).T.contiguous()

    def products() -> None:
        for _ in range(PRODUCTS_PER_SOFTMAX):
            for start in range(0, batch, chunk_rows):
                left[start : start + chunk_rows] @ right

    for work in (softmax, products):
        work()
    return seconds(products, device) / seconds(softmax, device)


class OneRow(Dataset[dict[str, Tensor]]):
    """The plain way: one positive at a time."""

    def __init__(self, data: TrainingSet) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data.positives)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        queries, catalogue = self.data.queries, self.data.catalogue
        search, listing = self.data.positives.search_P[place], self.data.positives.listing_P[place]
        # the row encodes its own listings, positive first: nothing is shared within the batch
        listings = np.concatenate([[listing], queries.history_SH[search]])
        values = {
            "dense": queries.dense_SF[search],
            "market": queries.market_S[search],
            "guest": queries.guest_S[search],
            "history_stage": queries.history_stage_SH[search],
            "listing_id": catalogue.id_L[listings],
            "listing_dense": catalogue.dense_LF[listings],
            "listing_category": catalogue.category_LK[listings],
            "listing_market": catalogue.market_L[listings],
        }
        return {name: torch.as_tensor(value) for name, value in values.items()}


def plain_step(net: TwoTowerNet, row: dict[str, Tensor], temperature: float) -> Tensor:
    """Dense logits of the batch against itself."""
    names = ("id", "dense", "category", "market")
    listings = {name: row[f"listing_{name}"].flatten(0, 1) for name in names}
    per_row = row["listing_id"].shape[1]
    first = torch.arange(0, len(listings["id"]), per_row, device=listings["id"].device)
    history = first[:, None] + torch.arange(1, per_row, device=first.device)
    query_BD, vector_UD = net(row, listings, history)
    logit_BB = query_BD @ vector_UD[first].T / temperature
    return functional.cross_entropy(logit_BB, torch.arange(len(logit_BB), device=first.device))


def plain_rows_per_second(data: TrainingSet, net: TwoTowerNet, batch: int, workers: int) -> float:
    device = next(net.parameters()).device
    optimiser = torch.optim.Adam(net.parameters())
    loader = DataLoader(OneRow(data), batch_size=batch, shuffle=True, num_workers=workers)
    rows, started = 0, time.perf_counter()
    for row in loader:
        moved = {name: value.to(device) for name, value in row.items()}
        plain_step(net, moved, net.config.temperature).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
        rows += len(row["market"])
        if time.perf_counter() - started > PLAIN_SECONDS:
            break
    return rows / seconds_since(started, device)


def seconds_since(started: float, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def busy_share(work: Callable[[], Any], device: torch.device) -> str:
    """Share of the wall time in which the GPU ran a kernel."""
    if device.type != "cuda":
        return "no GPU"
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        wall = seconds(work, device)
    busy = sum(event.self_device_time_total for event in profile.key_averages()) / 1e6
    return f"{busy / wall:.0%}"


def machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU with {torch.get_num_threads()} threads"


def peak_memory(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB of the GPU's"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB resident"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--positives", type=int, default=20_000)
    parser.add_argument("--listings", type=int, default=3_000)
    parser.add_argument("--batch", type=int, default=1_024)
    parser.add_argument("--queries", type=int, default=5_000)
    parser.add_argument("--history", type=int, default=10)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="of the plain DataLoader")
    parser.add_argument(
        "--softmax-batches", type=int, nargs="+", help="default: --batch; on a GPU 8k to 64k"
    )
    parser.add_argument("--resident-bytes", type=int, help="above it searches are streamed")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    options = parser.parse_args()
    if options.small:
        vars(options).update(SMALL)
    return options


def main() -> None:
    options = arguments()
    shape = TowerConfig(dimension=options.dimension, history_length=options.history)
    config = TrainConfig(
        epochs=options.epochs,
        batch_size=options.batch,
        uniform_negatives=options.batch,
        loss="sampled",
        device=options.device,
        resident_bytes=options.resident_bytes,
    )
    device = device_of(config)
    print(f"{date.today()}: {machine(device)}, torch {torch.__version__}")  # noqa: DTZ011
    data = made_up(options.positives, options.listings, options.history, config.seed)

    net = fresh_net(options.listings, shape, device)
    train(net, data, config)  # warms up kernels and allocator
    net = fresh_net(options.listings, shape, device)
    wall = seconds(lambda: train(net, data, config), device)
    ours = options.epochs * options.positives / wall
    print(f"training, end to end     {ours:12,.0f} rows/s  (arrays to trained weights)")
    batches = Minibatches(data, config, id_dropout=shape.id_dropout, device=device)
    for phase, spent in per_phase(batches, net, config).items():
        print(f"  {phase:<22} {batches.batch_size / spent:12,.0f} rows/s  {1e3 * spent:8.2f} ms")
    print(f"  GPU busy               {busy_share(lambda: train(net, data, config), device):>12}")

    plain = plain_rows_per_second(
        data, fresh_net(options.listings, shape, device), options.batch, options.workers
    )
    print(
        f"plain trainer            {plain:12,.0f} rows/s  ours is {ours / plain:.1f} times as fast"
    )
    usual = GPU_SOFTMAX_BATCHES if device.type == "cuda" else (options.batch,)
    for batch in options.softmax_batches or usual:
        share = softmax_share(batch, options.dimension, config.chunk_rows, device)
        print(f"softmax at {batch:>6}        {share:12.0%} of a bare matmul's rate")

    chance = torch.Generator().manual_seed(config.seed)
    query_QD = torch.randn(options.queries, options.dimension, generator=chance)
    listing_LD = torch.randn(options.listings, options.dimension, generator=chance)

    def retrieved() -> list[Tensor]:
        top = exact_top_k(query_QD.to(device), listing_LD.to(device), 100)
        return [part.cpu() for part in top]

    spent = seconds(retrieved, device)
    print(f"exact top-100            {options.queries / spent:12,.0f} queries/s  {spent:.2f} s")
    print(f"peak memory              {peak_memory(device)}")


if __name__ == "__main__":
    main()
