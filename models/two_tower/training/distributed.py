"""What distributed training needs beyond DistributedDataParallel: gathered candidates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from models.two_tower.training.minibatches import Part

__all__ = ["gathered", "joined_group", "part_of_this_process"]


class _Gather(torch.autograd.Function):
    """All processes' rows; the gradient of each row goes back to where it came from."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        parts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, mine.contiguous())
        ctx.rows = len(mine)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        # every process used all rows in its own part of the loss: a row's gradient is the sum
        # over the processes, of which each keeps its own rows
        total = grads[0].contiguous()
        dist.all_reduce(total)
        start = dist.get_rank() * ctx.rows
        return total[start : start + ctx.rows]


def gathered(mine: Tensor) -> Tensor:
    """The rows of all processes, in rank order; ``mine`` itself in a single process."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return mine
    everything: Tensor = _Gather.apply(mine)  # type: ignore[no-untyped-call]
    return everything


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
