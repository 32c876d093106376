"""Which work on a CPU runs on many threads: only what gives the same bits on any number of them.

A product of matrices, a decomposition or the gradient of rows taken twice is a sum whose order
depends on how many threads share it: with (0.1 + 0.2) + 0.3 ≠ 0.1 + (0.2 + 0.3) the last bit
differs, and after some hundred steps the vectors do. So :func:`one_thread` is the rule where
weights and vectors are made, and :func:`every_thread` the exception for passes in which each
number, or each row, is one thread's own: the passes over the logits, which take most of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

__all__ = ["every_thread", "one_thread", "torch_threads"]

# The threads that the outermost one_thread took away.
_SET_ASIDE: ContextVar[int | None] = ContextVar("threads_set_aside", default=None)


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Let torch use this many threads inside the block; ``None`` changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order inside the block (also as a decorator).

    >>> with torch_threads(2), one_thread():
    ...     inside = torch.get_num_threads()
    ...     with every_thread():
    ...         inside, torch.get_num_threads()
    (1, 2)
    """
    set_aside = _SET_ASIDE.set(_SET_ASIDE.get() or torch.get_num_threads())
    try:
        with torch_threads(1):
            yield
    finally:
        _SET_ASIDE.reset(set_aside)


@contextmanager
def every_thread() -> Iterator[None]:
    """Inside :func:`one_thread` the threads that it took away; elsewhere nothing changes.

    For work that splits into numbers or rows, none of which two threads share.
    """
    with torch_threads(_SET_ASIDE.get()):
        yield
