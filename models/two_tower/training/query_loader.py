"""How searches reach the device: all of them at once, or chunk by chunk ahead of use.

Both give the same rows, so what is learned does not depend on how much fits. The rows of a
step are known from the epoch's order long before they are needed: while the device works on
one chunk of steps, a thread gathers the next into pinned memory and a copy stream of its
own brings it over.

Shapes: S searches, B positives of a step, N positives of a chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from models.two_tower.config import TrainConfig
from models.two_tower.inputs.arrays import QueryArrays

__all__ = ["QueryLoader", "ResidentQueries", "StreamedQueries", "query_loader", "tensors_of"]

# Share of the device's free memory that the searches may take; the rest is for the step.
_MEMORY_SHARE = 0.6
# Values go to the device through pinned memory of this size, where there are many.
_STAGED_BYTES = 64 * 2**20

# Row of QueryArrays of each positive of a step.
SearchesOfStep = Callable[[int], Tensor]


class QueryLoader(Protocol):
    """Gives the searches of a step on the training device, by name."""

    def rows(self, epoch: int, step: int, searches: SearchesOfStep) -> dict[str, Tensor]:
        """The searches at ``searches(step)``; ``searches`` may also be called for later steps."""
        ...


def query_loader(
    queries: QueryArrays, config: TrainConfig, steps: int, device: torch.device
) -> QueryLoader:
    """The searches resident on the device where they fit, streamed where not.

    ``steps`` is the number of steps of an epoch.
    """
    size = sum(value.nbytes for value in vars(queries).values())
    if size <= _memory_limit(config, device):
        return ResidentQueries(queries, device)
    return StreamedQueries(queries, device, steps=steps, chunk_steps=config.chunk_steps)


def tensors_of(arrays: Any, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """The arrays of a dataclass as tensors on ``device``, named without shape suffix."""
    return {
        name.rsplit("_", 1)[0]: _moved(torch.from_numpy(value), torch.device(device))
        for name, value in vars(arrays).items()
    }


def _moved(values: Tensor, device: torch.device) -> Tensor:
    """The values on ``device``; many of them by way of pinned memory, filled by all threads."""
    if device.type != "cuda" or values.nbytes < 2 * _STAGED_BYTES:
        return values.to(device)
    there = torch.empty(values.shape, dtype=values.dtype, device=device)
    rows = max(1, _STAGED_BYTES * len(values) // values.nbytes)
    shape = (rows, *values.shape[1:])
    buffers = [torch.empty(shape, dtype=values.dtype, pin_memory=True) for _ in range(2)]
    left: list[torch.cuda.Event | None] = [None, None]
    for number, start in enumerate(range(0, len(values), rows)):
        part = values[start : start + rows]
        staged, event = buffers[number % 2][: len(part)], left[number % 2]
        if event is not None:
            event.synchronize()  # what the buffer held before has left it
        staged.copy_(part)
        there[start : start + rows].copy_(staged, non_blocking=True)
        left[number % 2] = torch.cuda.current_stream(device).record_event()
    return there


class ResidentQueries:
    """All searches lie on the device; a step takes its rows there."""

    def __init__(self, queries: QueryArrays, device: torch.device) -> None:
        self.queries = tensors_of(queries, device)

    def rows(self, epoch: int, step: int, searches: SearchesOfStep) -> dict[str, Tensor]:
        del epoch
        search_B = searches(step)
        return {name: value[search_B] for name, value in self.queries.items()}


@dataclass(frozen=True)
class _Wanted:
    """Searches of some steps, in host memory from ``arrived`` on."""

    search_N: Tensor
    starts: dict[int, slice]
    arrived: torch.cuda.Event | None


@dataclass(frozen=True)
class _Chunk:
    """Rows of some steps on the device; ``ready`` is the copy's end, where one is needed."""

    rows: dict[str, Tensor]
    starts: dict[int, slice]
    ready: torch.cuda.Event | None


class StreamedQueries:
    """Searches stay in host memory; a chunk of steps' rows is brought ahead of its use."""

    def __init__(
        self, queries: QueryArrays, device: torch.device, *, steps: int, chunk_steps: int
    ) -> None:
        self.queries = tensors_of(queries)
        self.device, self.steps, self.chunk_steps = device, steps, chunk_steps
        self.stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="searches")
        self.prefetched: dict[tuple[int, int], Future[_Chunk]] = {}
        self.chunk_key, self.chunk = (-1, -1), _Chunk({}, {}, None)

    def rows(self, epoch: int, step: int, searches: SearchesOfStep) -> dict[str, Tensor]:
        key = epoch, step // self.chunk_steps
        if key != self.chunk_key:
            self._advance_to(key, searches)
        part = self.chunk.starts[step]
        return {name: value[part] for name, value in self.chunk.rows.items()}

    def _advance_to(self, key: tuple[int, int], searches: SearchesOfStep) -> None:
        """Take the chunk that was fetched ahead, and have the next one fetched."""
        fetched = self.prefetched.pop(key, None)
        self.prefetched.clear()  # after a jump (a resumed run, a diagnosis) a chunk of elsewhere
        self.chunk = (
            fetched.result() if fetched else self._fetch(self._searches_of_chunk(key, searches))
        )
        self.chunk_key = key
        if self.chunk.ready is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(self.chunk.ready)
            for value in self.chunk.rows.values():
                value.record_stream(
                    current
                )  # or its memory may be reused while the step still reads it
        following = key[0], key[1] + 1
        if following[1] * self.chunk_steps < self.steps:
            wanted = self._searches_of_chunk(following, searches)
            self.prefetched[following] = self.worker.submit(self._fetch, wanted)

    def _searches_of_chunk(self, key: tuple[int, int], searches: SearchesOfStep) -> _Wanted:
        """Ask the device for the searches of a chunk's steps, without waiting for them."""
        first = key[1] * self.chunk_steps
        last = min(first + self.chunk_steps, self.steps)
        by_step = {step: searches(step) for step in range(first, last)}
        starts, at = {}, 0
        for step, search_B in by_step.items():
            starts[step], at = slice(at, at + len(search_B)), at + len(search_B)
        search_N = torch.cat(list(by_step.values()))
        if self.stream is None:
            return _Wanted(search_N.cpu(), starts, None)
        landing = torch.empty(search_N.shape, dtype=search_N.dtype, pin_memory=True)
        landing.copy_(search_N, non_blocking=True)
        return _Wanted(landing, starts, torch.cuda.current_stream(self.device).record_event())

    def _fetch(self, wanted: _Wanted) -> _Chunk:
        """Gather a chunk's rows on the host and send them over; runs beside the training."""
        search_N = wanted.search_N
        if self.stream is None:
            rows = {name: value[search_N].to(self.device) for name, value in self.queries.items()}
            return _Chunk(rows, wanted.starts, None)
        if wanted.arrived is not None:
            wanted.arrived.synchronize()
        with torch.cuda.stream(self.stream):
            rows = {
                name: self._copy_to_device(value, search_N) for name, value in self.queries.items()
            }
            return _Chunk(rows, wanted.starts, self.stream.record_event())

    def _copy_to_device(self, values: Tensor, search_N: Tensor) -> Tensor:
        """Copy through pinned memory: only from there does a copy overlap with the host."""
        shape = (len(search_N), *values.shape[1:])
        staged = torch.empty(shape, dtype=values.dtype, pin_memory=True)
        torch.index_select(values, 0, search_N, out=staged)
        return staged.to(self.device, non_blocking=True)


def _memory_limit(config: TrainConfig, device: torch.device) -> float:
    """Bytes that the searches may take on the device."""
    if config.resident_bytes is not None:
        return config.resident_bytes
    if device.type != "cuda":
        return float("inf")
    free, _ = torch.cuda.mem_get_info(device)
    return _MEMORY_SHARE * free
