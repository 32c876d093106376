"""Two processes sharing each step learn what one process learns."""

from __future__ import annotations

import os
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
