"""Streamed searches are the resident ones, whatever the chunk, and train to the same bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.inputs.arrays import QueryArrays
from models.two_tower.recommender import TwoTower
from models.two_tower.training import query_loader as query_loader_module
from models.two_tower.training.query_loader import (
    ResidentQueries,
    StreamedQueries,
    query_loader,
    tensors_of,
)

CPU = torch.device("cpu")
SEARCHES, STEPS, BATCH = 40, 7, 5


@pytest.fixture
def queries() -> QueryArrays:
    chance = np.random.default_rng(0)
    return QueryArrays(
        dense_SF=chance.normal(size=(SEARCHES, 3)).astype(np.float32),
        market_S=chance.integers(0, 3, SEARCHES),
        guest_S=chance.integers(0, 9, SEARCHES),
        history_SH=chance.integers(0, 9, (SEARCHES, 2)),
        history_stage_SH=chance.integers(0, 4, (SEARCHES, 2)),
    )


def order_of(epoch: int) -> torch.Tensor:
    return torch.randperm(SEARCHES, generator=torch.Generator().manual_seed(epoch))


@pytest.mark.parametrize("chunk_steps", [1, 3, 7, 100])
def test_streamed_rows_are_the_resident_ones(queries: QueryArrays, chunk_steps: int) -> None:
    resident = ResidentQueries(queries, CPU)
    streamed = StreamedQueries(queries, CPU, steps=STEPS, chunk_steps=chunk_steps)
    for epoch in (0, 1):
        order = order_of(epoch)

        def searches(step: int, order: torch.Tensor = order) -> torch.Tensor:
            return order[step * BATCH :][:BATCH]

        for step in range(STEPS):
            expected = resident.rows(epoch, step, searches)
            rows = streamed.rows(epoch, step, searches)
            assert expected.keys() == rows.keys()
            for name, value in expected.items():
                assert torch.equal(rows[name], value), name


def test_a_step_in_the_middle_can_be_asked_first(queries: QueryArrays) -> None:
    """A resumed run begins anywhere; a diagnosis asks for a step that has gone by."""
    order = order_of(0)
    streamed = StreamedQueries(queries, CPU, steps=STEPS, chunk_steps=2)
    for step in (5, 6, 1, 5):
        rows = streamed.rows(0, step, lambda at: order[at * BATCH :][:BATCH])
        expected = torch.from_numpy(queries.guest_S)[order[step * BATCH :][:BATCH]]
        assert torch.equal(rows["guest"], expected)


def test_what_does_not_fit_is_streamed(queries: QueryArrays) -> None:
    small = TrainConfig(resident_bytes=100)
    assert isinstance(query_loader(queries, small, STEPS, CPU), StreamedQueries)
    assert isinstance(query_loader(queries, TrainConfig(), STEPS, CPU), ResidentQueries)


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_training_from_a_stream_is_training_from_memory_to_the_bit(
    world: Callable[..., pa.Table], towers: TowerConfig, training: TrainConfig, loss: str
) -> None:
    log = world(searches=100)
    config = replace(training, loss=loss, epochs=2, device="cpu")
    resident = TwoTower(towers, config).fit(log, log.slice(0, 0))
    streaming = replace(config, resident_bytes=0, chunk_steps=2)
    streamed = TwoTower(towers, streaming).fit(log, log.slice(0, 0))
    assert streamed.trained.losses == resident.trained.losses
    for name, value in resident.net.state_dict().items():
        assert torch.equal(streamed.net.state_dict()[name], value), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("count", [3, 1000, 1024, 5001])
def test_arrays_reach_a_gpu_whole(
    queries: QueryArrays, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(query_loader_module, "_STAGED_BYTES", 1024)
    many = queries.take(np.random.default_rng(0).integers(0, SEARCHES, count))
    for name, value in tensors_of(many, "cuda").items():
        assert torch.equal(value.cpu(), tensors_of(many)[name]), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_streamed_rows_arrive_whole_on_a_gpu(queries: QueryArrays) -> None:
    device = torch.device("cuda")
    order = order_of(0).to(device)
    streamed = StreamedQueries(queries, device, steps=STEPS, chunk_steps=2)
    for step in range(STEPS):
        rows = streamed.rows(0, step, lambda at: order[at * BATCH :][:BATCH])
        expected = torch.from_numpy(queries.dense_SF)[order[step * BATCH :][:BATCH].cpu()]
        assert torch.equal(rows["dense"].cpu(), expected)
