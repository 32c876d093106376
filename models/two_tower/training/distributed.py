"""What distributed training needs beyond DistributedDataParallel: gathered candidates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from models.two_tower.model import take_rows
from models.two_tower.training.minibatches import Part

__all__ = ["CandidateExchange", "joined_group", "part_of_this_process"]


class CandidateExchange:
    """Brings all processes' candidates together while the query tower works.

    ``start`` sends this process's candidates, ``finish`` gives those of all. Backwards the same:
    their gradients are summed over the processes while the query tower's are made.
    """

    def __init__(self, own_place_C: Tensor | slice, *, is_whole: bool) -> None:
        """``is_whole``: each process has every candidate already."""
        self.own_place_C = own_place_C
        self.is_alone = is_whole or not dist.is_initialized() or dist.get_world_size() == 1
        self.everything: Tensor | None = None
        self.pending: dist.Work | None = None

    def start(self, vector_UD: Tensor) -> None:
        """Send this process's rows of the listings' vectors."""
        self.everything = _Sent.apply(self._own(vector_UD), self)  # type: ignore[no-untyped-call]

    def finish(self, vector_UD: Tensor) -> Tensor:
        """The rows of all processes, in rank order; where one is alone, its own."""
        if self.is_alone:
            return self._own(vector_UD)
        if self.everything is None:
            raise RuntimeError("finish before start")
        received: Tensor = _Received.apply(self.everything, self)  # type: ignore[no-untyped-call]
        return received

    def _own(self, vector_UD: Tensor) -> Tensor:
        if isinstance(self.own_place_C, slice):
            return vector_UD[self.own_place_C]
        return take_rows(vector_UD, self.own_place_C)

    def wait(self) -> None:
        """Wait for what is under way."""
        if self.pending is not None:
            self.pending.wait()
        self.pending = None


class _Sent(torch.autograd.Function):
    """Starts the gathering of rows; what it returns is filled when ``_Received`` has waited."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, exchange: CandidateExchange) -> Tensor:
        ctx.exchange, ctx.rows = exchange, len(mine)
        everything = mine.new_empty(dist.get_world_size() * len(mine), *mine.shape[1:])
        exchange.pending = dist.all_gather_into_tensor(everything, mine.contiguous(), async_op=True)
        return everything

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        ctx.exchange.wait()
        start = dist.get_rank() * ctx.rows
        return grads[0][start : start + ctx.rows], None


class _Received(torch.autograd.Function):
    """Waits for the gathered rows; backwards it starts to sum up their gradients."""

    @staticmethod
    def forward(ctx: Any, everything: Tensor, exchange: CandidateExchange) -> Tensor:
        ctx.exchange = exchange
        exchange.wait()
        return everything.view_as(everything)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        # every process used all rows in its own part of the loss: a row's gradient is the sum
        # over the processes, of which each keeps its own rows
        total = grads[0].contiguous()
        ctx.exchange.pending = dist.all_reduce(total, async_op=True)
        return total, None


def part_of_this_process() -> Part:
    """Rank and world size, or the whole where nothing is distributed."""
    if not dist.is_initialized():
        return Part()
    return Part(rank=dist.get_rank(), world=dist.get_world_size())


@contextmanager
def joined_group() -> Iterator[None]:
    """Join the processes that ``torchrun`` started, if it did."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if torch.cuda.is_available():
        # "cuda" then means a GPU of its own to each process of a machine
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()
