"""Two processes sharing each step learn what one process learns."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from models.two_tower.training.distributed import (
    CandidateExchange,
    joined_group,
    part_of_this_process,
)
from models.two_tower.training.minibatches import Part

ROOT = Path(__file__).parents[4]
PROGRAM = """
import sys
import pyarrow.parquet as pq
from pathlib import Path
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.training.distributed import joined_group, part_of_this_process
from models.two_tower.recommender import TwoTower

folder, loss = Path(sys.argv[1]), sys.argv[2]
log = pq.read_table(folder / "log.parquet")
training = TrainConfig(
    epochs=2, batch_size=64, uniform_negatives=32, loss=loss, threads=1, device="cpu"
)
with joined_group():
    model = TwoTower(TowerConfig(dimension=8, hidden=8), training)
    model.fit(log, log.slice(0, 0))
    part = part_of_this_process()
    model.save(folder / f"{loss}-{part.rank}of{part.world}")
"""


def run(launcher: list[str], folder: Path, loss: str) -> None:
    program = folder / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, *launcher, str(program), str(folder), loss],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=300,
    )


def test_a_single_process_is_the_whole_and_gathers_its_own_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_group():
        assert not torch.distributed.is_initialized()
        vectors = torch.arange(6.0).view(3, 2)
        exchange = CandidateExchange(torch.tensor([2, 0]), is_whole=False)
        assert exchange.is_alone
        assert exchange.finish(vectors).tolist() == [[4, 5], [0, 1]]
        assert part_of_this_process() == Part(rank=0, world=1)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_two_processes_equal_one(world: Callable[..., pa.Table], tmp_path: Path, loss: str) -> None:
    pq.write_table(world(searches=80), tmp_path / "log.parquet")
    run([], tmp_path, loss)
    run(["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"], tmp_path, loss)
    alone = load_file(tmp_path / f"{loss}-0of1" / "weights.safetensors")
    for rank in (0, 1):
        shared = load_file(tmp_path / f"{loss}-{rank}of2" / "weights.safetensors")
        for name, value in alone.items():
            torch.testing.assert_close(shared[name], value, rtol=2e-3, atol=2e-4, msg=name)


# One step of two processes, and in which order what happened; rank 0 writes it down.
ORDER_PROGRAM = """
import json
import sys
import torch
import torch.distributed as dist
from models.two_tower.config import TowerConfig
from models.two_tower.model import InputShape, TwoTowerNet
from models.two_tower.training.distributed import CandidateExchange, joined_group

happened = []

class Watched:
    def __init__(self, work, name):
        self.work, self.name = work, name

    def wait(self):
        self.work.wait()
        happened.append(f"{self.name} waited for")

def watched(function, name):
    def call(*arguments, **options):
        happened.append(f"{name} started")
        return Watched(function(*arguments, **options), name)
    return call

def loss_of(query_BD, candidate_CD):
    return torch.logsumexp(query_BD @ candidate_CD.T, dim=1).sum()

torch.manual_seed(0)
shape = InputShape(
    listings=9, guests=1, markets=3, query_width=4, listing_width=5, categories=()
)
net = TwoTowerNet(shape, TowerConfig(dimension=8, hidden=8, history_length=2))
listings = {
    "id": torch.arange(9), "dense": torch.randn(9, 5),
    "category": torch.zeros(9, 0, dtype=torch.int64), "market": torch.ones(9, dtype=torch.int64),
}
queries = [
    {
        "dense": torch.randn(3, 4), "market": torch.ones(3, dtype=torch.int64),
        "guest": torch.zeros(3, dtype=torch.int64),
        "history_stage": torch.ones(3, 2, dtype=torch.int64),
    }
    for _ in range(2)
]
history, places = torch.tensor([[1, 2], [3, 4], [5, 6]]), torch.tensor([[1, 2, 2], [8, 5, 2]])

# what one process would learn from both parts
vectors = net.listing(*(listings[n] for n in ("id", "dense", "category", "market")))
whole = sum(loss_of(net.query(q, vectors[history]), vectors[places.flatten()]) for q in queries)
expected = torch.autograd.grad(whole, list(net.parameters()), allow_unused=True)

with joined_group():
    rank = dist.get_rank()
    dist.all_gather_into_tensor = watched(dist.all_gather_into_tensor, "gathering")
    summed = dist.all_reduce
    dist.all_reduce = watched(dist.all_reduce, "summing")
    net.query.register_forward_pre_hook(lambda *_: happened.append("query tower forward"))
    net.query.ask.weight.register_hook(lambda _: happened.append("query tower backward"))
    exchange = CandidateExchange(places[rank], is_whole=False)
    query_BD, vector_UD = net(queries[rank], listings, history, None, exchange.start)
    candidate_CD = exchange.finish(vector_UD)
    happened.append("softmax")
    assert torch.equal(candidate_CD, vector_UD[places.flatten()])
    loss_of(query_BD, candidate_CD).backward()
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        if gradient is not None:
            summed(parameter.grad)
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)
    if rank == 0:
        print(json.dumps(happened))
"""


def test_the_query_tower_works_while_candidates_and_gradients_are_on_their_way() -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",  # two processes, and gloo, also where there is one GPU
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", ORDER_PROGRAM],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    printed = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert json.loads(printed[0]) == [
        "gathering started",
        "query tower forward",
        "gathering waited for",
        "softmax",
        "summing started",
        "query tower backward",
        "summing waited for",
    ]
