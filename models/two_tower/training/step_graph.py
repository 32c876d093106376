"""Forward and backward of a step recorded once as a CUDA graph, then replayed.

A step launches some hundred short kernels; launched one by one they take the host longer than
the GPU. A recording is launched at one go. It reads its inputs where they lay when it was made:
each step's tensors are copied there first, so all steps must have the same shapes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from models.two_tower.training.minibatches import Minibatch

__all__ = ["GraphedStep", "copied", "tensors_in"]

# Kernels are compiled and libraries set up in the first calls, which cannot be recorded.
_CALLS_BEFORE = 3


class GraphedStep:
    """``work``, which takes a step to its loss and leaves the gradients behind, as a graph.

    ``work`` has to drop the gradients that were there before: the recorded one then writes them
    anew each time, always to the same place.
    """

    def __init__(self, work: Callable[[Minibatch], Tensor]) -> None:
        self.work = work
        self.replay: Callable[[], None] | None = None

    def __call__(self, batch: Minibatch) -> Tensor:
        if self.replay is None:
            self.replay = self._record(batch)
        else:
            torch._foreach_copy_(self.inputs, tensors_in(batch))
        self.replay()
        return self.loss.clone()  # the next replay writes over it

    def _record(self, batch: Minibatch) -> Callable[[], None]:
        own = copied(batch)
        self.inputs = tensors_in(own)
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_CALLS_BEFORE):
                self.work(own)
        torch.cuda.current_stream().wait_stream(beside)
        gc.collect()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = self.work(own)
        return self.graph.replay


def tensors_in(batch: Minibatch) -> list[Tensor]:
    """All tensors of a step, always in the same order."""
    found: list[Tensor] = []
    for value in vars(batch).values():
        entries = value.values() if isinstance(value, dict) else [value]
        found += [entry for entry in entries if isinstance(entry, Tensor)]
    return found


def copied(batch: Minibatch) -> Minibatch:
    """The step in memory of its own, which nothing else writes to."""

    def copied(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: copied(entry) for name, entry in value.items()}
        return value.clone() if isinstance(value, Tensor) else value

    return replace(batch, **{name: copied(value) for name, value in vars(batch).items()})
