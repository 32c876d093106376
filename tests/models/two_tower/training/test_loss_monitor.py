"""The loss while training runs: when it is checked, what is reported, and what stopped it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import torch

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.inputs.encoder import Encoder, sorted_rows
from models.two_tower.inputs.guest_history import GuestEvents, events_of
from models.two_tower.inputs.training_set import encode_log
from models.two_tower.model import InputShape, TwoTowerNet
from models.two_tower.training import loss_monitor
from models.two_tower.training.checkpoint import Progress
from models.two_tower.training.loss_monitor import LossMonitor, StepReport, TrainingStoppedError
from models.two_tower.training.minibatches import Minibatches

CONFIG = TrainConfig(epochs=2, batch_size=2, check_every=3, loss="full")
ROWS = pa.table(
    {
        "id_search": [f"s{n}" for n in range(8)],
        "id_listing": [f"l{n % 4}" for n in range(8)],
        "stage": pa.array([1] * 8, pa.int8()),
        "query_radius": [float(n) for n in range(8)],
        "listing_review_rating": [4.0, 5.0, 3.0, 4.5] * 2,
    }
)


def trainer() -> tuple[TwoTowerNet, Minibatches]:
    """Eight positives of one log, two per step: four steps an epoch."""
    rows = sorted_rows(ROWS)
    shape = TowerConfig(dimension=4, hidden=4, history_length=0)
    encoder = Encoder.fit(rows, shape, guest_ids=False)
    events = GuestEvents.of(events_of(rows), encoder.listings)
    data = encode_log(rows, encoder, events, CONFIG)
    widths = data.queries.dense_SF.shape[1], data.catalogue.dense_LF.shape[1]
    sizes = InputShape(
        listings=5,
        guests=1,
        markets=2,
        query_width=widths[0],
        listing_width=widths[1],
        categories=(),
    )
    batches = Minibatches(data, CONFIG, id_dropout=0.0, device=torch.device("cpu"))
    return TwoTowerNet(sizes, shape), batches


def monitor_on(device: str, progress: Progress, reports: list[StepReport]) -> LossMonitor:
    """Only the size of the run is read while all losses are finite."""
    batches: Any = SimpleNamespace(
        device=torch.device(device), steps_per_epoch=5, batch_size=100, query_inputs=()
    )
    net: Any = None
    return LossMonitor(net, batches, CONFIG, progress, reports.append)


def test_on_a_cpu_each_step_is_checked_and_on_a_gpu_some_together() -> None:
    """A GPU's losses wait for the third, or for somebody who needs them all."""
    for device, counts in (("cpu", [1, 2, 3, 4]), ("cuda", [0, 0, 3, 3])):
        progress = Progress()
        monitor = monitor_on(device, progress, [])
        checked = []
        for loss in (4.0, 3.0, 2.0, 1.0):
            monitor.add(torch.tensor(loss))
            checked.append(len(progress.losses))
        assert checked == counts, device
        monitor.check()
        assert progress.losses == [4.0, 3.0, 2.0, 1.0]


def test_a_report_counts_the_steps_of_the_whole_run_and_the_rate_of_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Resumed after 4 of 10 steps; 2 steps of 100 samples take 8 seconds, 4 steps are left."""
    clock = iter([50.0, 54.0, 58.0])
    monkeypatch.setattr(loss_monitor.time, "perf_counter", lambda: next(clock))
    reports: list[StepReport] = []
    monitor = monitor_on("cpu", Progress(losses=[9.0] * 4), reports)
    monitor.add(torch.tensor(3.0))
    monitor.add(torch.tensor(2.5))
    monitor.check()  # nothing waits: no report twice
    assert reports[1:] == [
        StepReport(step=6, steps=10, loss=2.5, samples_per_s=25.0, seconds_left=16.0)
    ]


def break_weights(net: TwoTowerNet, batches: Minibatches) -> None:
    with torch.no_grad():
        net.query.place.bias[0] = torch.inf


def break_query(net: TwoTowerNet, batches: Minibatches) -> None:
    batches.loader.queries["dense"][:, 0] = torch.nan  # type: ignore[attr-defined]


def break_listing(net: TwoTowerNet, batches: Minibatches) -> None:
    batches.catalogue["dense"][:, 1] = torch.inf


def break_weight_of_positives(net: TwoTowerNet, batches: Minibatches) -> None:
    batches.positives["weight"][:] = torch.nan


def break_nothing(net: TwoTowerNet, batches: Minibatches) -> None:
    pass


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (break_query, "search feature not finite: query_radius$"),
        (break_listing, "listing feature not finite: listing_review_rating is missing$"),
        (break_weight_of_positives, "a weight of a positive is not finite$"),
        (break_weights, "weights not finite: query.place.bias; a lower learning_rate may help$"),
        (break_nothing, "all inputs and weights are finite; a lower learning_rate or a higher"),
    ],
)
def test_a_loss_that_is_no_number_stops_the_run_and_names_step_and_cause(
    damage: Any, cause: str
) -> None:
    """Six losses are in, so the seventh is step 6: the third of the second epoch of four."""
    net, batches = trainer()
    damage(net, batches)
    monitor = LossMonitor(net, batches, CONFIG, Progress(losses=[1.0] * 6), None)
    message = rf"^loss nan at step 6 \(epoch 1, batch 2\): {cause}"
    with pytest.raises(TrainingStoppedError, match=message):
        monitor.add(torch.tensor(torch.nan))


def test_the_step_at_fault_is_the_first_of_those_that_waited() -> None:
    net, batches = trainer()
    progress = Progress()
    monitor = LossMonitor(net, batches, CONFIG, progress, None)
    monitor.check_every = 3  # as on a GPU
    monitor.add(torch.tensor(1.0))
    monitor.add(torch.tensor(torch.inf))
    with pytest.raises(TrainingStoppedError, match=r"^loss inf at step 1 "):
        monitor.add(torch.tensor(2.0))
    assert progress.losses == [1.0]
