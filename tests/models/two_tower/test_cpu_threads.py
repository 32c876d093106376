"""On a CPU sums are one thread's, and the threads come back whatever happens."""

from __future__ import annotations

import pytest
import torch

from models.two_tower.cpu_threads import every_thread, one_thread, torch_threads
from models.two_tower.model import take_rows


def test_every_thread_gives_back_what_the_outermost_one_thread_took() -> None:
    with torch_threads(2), one_thread(), one_thread():
        assert torch.get_num_threads() == 1
        with every_thread():
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 1


def test_every_thread_alone_changes_nothing() -> None:
    before = torch.get_num_threads()
    with every_thread():
        assert torch.get_num_threads() == before


def test_threads_come_back_after_an_error() -> None:
    with torch_threads(2):
        with pytest.raises(RuntimeError, match="on purpose"), one_thread():
            raise RuntimeError("on purpose")
        assert torch.get_num_threads() == 2


def test_gradient_of_rows_taken_many_times_is_the_same_on_two_threads() -> None:
    chance = torch.Generator().manual_seed(0)
    place = torch.randint(5, (4_096, 10), generator=chance)
    grad = torch.randn(4_096, 10, 32, generator=chance)

    def gradient(threads: int) -> torch.Tensor:
        values = torch.zeros(1_200, 32, requires_grad=True)
        with torch_threads(threads):
            return torch.autograd.grad(take_rows(values, place), values, grad)[0]

    alone = gradient(1)
    assert all(torch.equal(alone, gradient(2)) for _ in range(40))  # a race shows now and then
