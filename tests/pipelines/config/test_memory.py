"""Memory that a step freed is returned, and what is still held is left alone."""

from __future__ import annotations

import gc

import numpy as np

from pipelines.config.memory import release_memory


class _Cycle:
    """Holds itself: only a collection finds that nobody holds it."""

    alive = 0

    def __init__(self) -> None:
        self.itself, type(self).alive = self, type(self).alive + 1

    def __del__(self) -> None:
        type(self).alive -= 1


def test_what_nobody_can_reach_is_gone_and_the_rest_is_whole() -> None:
    gc.disable()
    try:
        kept, _ = np.arange(100_000), _Cycle()
        del _
        assert _Cycle.alive == 1
        release_memory()
    finally:
        gc.enable()
    assert _Cycle.alive == 0
    assert kept.sum() == sum(range(100_000))
