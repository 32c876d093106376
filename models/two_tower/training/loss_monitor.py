"""Checks the loss while training runs: progress reports, and a stop that names the cause."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.two_tower.config import TrainConfig
from models.two_tower.model import TwoTowerNet
from models.two_tower.training.checkpoint import Progress
from models.two_tower.training.distributed import part_of_this_process
from models.two_tower.training.minibatches import Minibatch, Minibatches

__all__ = ["LossMonitor", "StepReport", "TrainingStoppedError"]


class TrainingStoppedError(RuntimeError):
    """The loss was NaN or infinite; the message names step, batch and feature."""


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """Progress of training: steps done of all, samples per second, seconds left."""

    step: int
    steps: int
    loss: float
    samples_per_s: float
    seconds_left: float


@dataclass(frozen=True)
class _Sent:
    """Losses on their way to the host; ``arrived`` is the copy's end, where one is needed."""

    values: Tensor
    arrived: torch.cuda.Event | None

    def has_arrived(self) -> bool:
        return self.arrived is None or bool(self.arrived.query())  # type: ignore[no-untyped-call]

    def read(self) -> list[float]:
        if self.arrived is not None:
            self.arrived.synchronize()
        values: list[float] = self.values.tolist()
        return values


class LossMonitor:
    """Collects the losses; checks them each step on a CPU, some steps later on a GPU.

    Reading a loss makes the host wait for the device. On a GPU the losses of some steps are
    therefore sent together, and read when a later check finds that they have arrived. The first
    that is no number stops the run.
    """

    def __init__(
        self,
        net: TwoTowerNet,
        batches: Minibatches,
        config: TrainConfig,
        progress: Progress,
        report: Callable[[StepReport], None] | None,
    ) -> None:
        self.net, self.batches, self.progress, self.report = net, batches, progress, report
        self.steps = config.epochs * batches.steps_per_epoch
        self.check_every = config.check_every if batches.device.type == "cuda" else 1
        self.waiting: list[Tensor] = []
        self.sent: deque[_Sent] = deque()
        self.started = time.perf_counter()
        self.resumed_at = len(progress.losses)

    def add(self, loss: Tensor) -> None:
        """Add the loss of one step (detached), before the weights change.

        Raises :class:`TrainingStoppedError` when a checked loss is not a finite number.
        """
        self.waiting.append(loss)
        if len(self.waiting) >= self.check_every:
            self._send()
            while self.sent and self.sent[0].has_arrived():
                self._check(self.sent.popleft())

    def check(self) -> None:
        """Wait for all losses, raise at the first that is no number, and report."""
        self._send()
        while self.sent:
            self._check(self.sent.popleft())

    def _send(self) -> None:
        """Start the copy of the waiting losses to the host."""
        if not self.waiting:
            return
        values = torch.stack(self.waiting)
        self.waiting.clear()
        arrived = None
        if values.is_cuda:
            # only into pinned memory does a copy run beside the host
            landing = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            values = landing.copy_(values, non_blocking=True)
            arrived = torch.cuda.current_stream().record_event()
        self.sent.append(_Sent(values, arrived))

    def _check(self, sent: _Sent) -> None:
        for value in sent.read():
            if not math.isfinite(value):
                raise TrainingStoppedError(self._diagnosis(value))
            self.progress.losses.append(value)
        if self.report:
            self.report(self._step_report())

    def _step_report(self) -> StepReport:
        done = len(self.progress.losses)
        seconds = time.perf_counter() - self.started
        rate = (done - self.resumed_at) / seconds
        return StepReport(
            step=done,
            steps=self.steps,
            loss=self.progress.losses[-1],
            samples_per_s=rate * self.batches.batch_size,
            seconds_left=(self.steps - done) / rate,
        )

    def _diagnosis(self, value: float) -> str:
        step = len(self.progress.losses)
        epoch, place = divmod(step, self.batches.steps_per_epoch)
        # a step is a function of its number, so the one at fault can be drawn again
        order_P = self.batches.order(epoch)
        batch = self.batches.draw(order_P, epoch, place, part_of_this_process())
        where = f"loss {value} at step {step} (epoch {epoch}, batch {place})"
        return f"{where}: {_cause(self.net, self.batches, batch)}"


def _cause(net: TwoTowerNet, batches: Minibatches, batch: Minibatch) -> str:
    """What in a step is not finite: an input by name, a weight, else advice."""
    for side, values in (("search", batch.queries["dense"]), ("listing", batch.listings["dense"])):
        names = batches.query_inputs if side == "search" else batches.listing_inputs
        bad = (~torch.isfinite(values)).any(dim=0).nonzero().flatten().tolist()
        if bad:
            named = ", ".join(names[place] if names else str(place) for place in bad)
            return f"{side} feature not finite: {named}"
    if not bool(torch.isfinite(batch.positives["weight"]).all()):
        return "a weight of a positive is not finite"
    for name, parameter in net.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            return f"weights not finite: {name}; a lower learning_rate may help"
    return (
        "all inputs and weights are finite; a lower learning_rate or a higher temperature may help"
    )
