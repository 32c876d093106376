"""The fused softmax against the chunked one: on a GPU, or without one in Triton's interpreter."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module

import pytest
import torch
from torch import Tensor

from models.two_tower.training.chunked_softmax import chunked_softmax
from models.two_tower.training.fused_softmax import (
    Blocks,
    RankBounds,
    fits_kernels,
    fused_softmax,
)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    # read when triton is imported, which the first use of the kernels does, and torch's compiler
    os.environ["TRITON_INTERPRET"] = "1"
    if type(import_module("triton.language").max).__name__ != "InterpretedFunction":
        raise RuntimeError(
            "triton was imported before this file: run the tests before the doctests"
        )
# Small tiles, so that a small problem has many; the interpreter takes the same ones.
TILE = Blocks(16, 16, 4, 1) if DEVICE == "cpu" else Blocks(32, 32, 4, 2)


class Case:
    """A random step: searches, candidates, and what masks them."""

    def __init__(
        self,
        *,
        positives: int = 37,
        candidates: int = 75,
        width: int = 17,
        markets: int = 3,
        bounds: int = 0,
        once: bool = False,
        seed: int = 0,
    ) -> None:
        chance = torch.Generator().manual_seed(seed)

        def drawn(low: int, high: int, *shape: int) -> Tensor:
            return torch.randint(low, high, shape, generator=chance)

        def vectors(rows: int) -> Tensor:
            return torch.nn.functional.normalize(torch.randn(rows, width, generator=chance))

        listings = candidates if once else max(2, candidates // 3)
        market_L = drawn(1, markets + 1, listings)
        id_B = drawn(0, listings, positives)
        id_C = torch.arange(candidates) if once else drawn(0, listings, candidates)
        weight_B = torch.rand(positives, generator=chance) / positives
        weight_B[0] = 0.0
        log_count_C = torch.zeros(candidates) if once else torch.randn(candidates, generator=chance)
        constants = (id_B, market_L[id_B], weight_B, id_C, market_L[id_C], log_count_C)
        self.constants = tuple(value.to(DEVICE) for value in constants)
        query_BW, candidate_CW = vectors(positives) / 0.1, vectors(candidates)
        positive_B = torch.randn(positives, generator=chance)
        self.leaves = tuple(v.to(DEVICE) for v in (query_BW, positive_B, candidate_CW))
        self.ranks: RankBounds | None = None
        self.allowed: Callable[[slice], Tensor] | None = None
        if bounds:
            bound_NB = drawn(0, 4, bounds, positives).int().to(DEVICE)
            value_NC = drawn(0, 5, bounds, candidates).int().to(DEVICE)
            self.ranks = RankBounds(bound_NB=bound_NB, value_NC=value_NC)
            self.allowed = lambda part: (value_NC[:, None] >= bound_NB[:, part, None]).all(dim=0)

    def chunked(self) -> list[Tensor]:
        """Loss and gradients in float64, without tiles, parts or ranges."""
        leaves = [leaf.double().requires_grad_() for leaf in self.leaves]
        constants = tuple(v.double() if v.is_floating_point() else v for v in self.constants)
        return with_gradients(chunked_softmax(*leaves, constants, self.allowed, 7), leaves)

    def fused(self, tile: Blocks = TILE) -> list[Tensor]:
        leaves = [leaf.clone().requires_grad_() for leaf in self.leaves]
        loss = fused_softmax(*leaves, self.constants, self.ranks, blocks=(tile, tile))
        return with_gradients(loss, leaves)


def with_gradients(loss: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    (3 * loss).backward()  # not 1: the chain rule is part of what is tested
    return [loss.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def furthest(found: list[Tensor], expected: list[Tensor]) -> float:
    """Largest relative distance of loss, and of each gradient by its norm."""
    assert len(found) == len(expected) == 4
    return max(
        float((one.double() - other).norm() / other.norm())
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"once": True},
        {"markets": 1, "candidates": 64, "positives": 48},
        {"bounds": 1, "seed": 1},
        {"bounds": 5, "once": True, "width": 33},
        {"width": 19, "markets": 2},  # a head per stage: three further dimensions
        {"width": 9, "bounds": 2},  # no power of two, and narrower than a tile
        {"width": 24},
        {"positives": 3, "candidates": 2, "markets": 1, "once": True},
        {"positives": 90, "candidates": 90, "markets": 30},  # markets smaller than a tile
    ],
)
def test_fused_loss_and_gradients_are_those_of_the_chunked_softmax(case: dict[str, int]) -> None:
    made = Case(**case)
    assert furthest(made.fused(), made.chunked()) < 2e-6


def test_tiles_do_not_change_the_result() -> None:
    made = Case(positives=50, candidates=60, bounds=1)
    assert furthest(made.fused(Blocks(32, 16, 4, 1)), made.chunked()) < 2e-6
    assert furthest(made.fused(Blocks(16, 32, 4, 1)), made.chunked()) < 2e-6


def test_a_search_whose_candidates_are_all_masked_has_no_loss_and_no_gradient() -> None:
    made = Case(positives=20, candidates=30, bounds=1)
    assert made.ranks is not None
    made.ranks.bound_NB[:] = 9
    loss, query, positive, candidate = made.fused()
    assert float(loss) == pytest.approx(0, abs=1e-7)
    for gradient in (query, positive, candidate):
        assert float(gradient.abs().max()) == pytest.approx(0, abs=1e-7)


def test_very_large_logits_stay_finite() -> None:
    made = Case(positives=40, candidates=100, markets=1)
    query_BW, positive_B, candidate_CW = made.leaves
    made.leaves = (query_BW * 500, positive_B - 4e3, candidate_CW)
    found = made.fused()
    assert all(bool(torch.isfinite(value).all()) for value in found)
    assert float(found[0]) == pytest.approx(float(made.chunked()[0]), rel=1e-5)


def test_only_a_gpu_is_offered_the_kernels() -> None:
    assert fits_kernels(torch.zeros(2, 65, device=DEVICE)) is (DEVICE == "cuda")
    assert not fits_kernels(torch.zeros(2, 300, device=DEVICE))
    assert not fits_kernels(torch.zeros(2, 65, dtype=torch.float64, device=DEVICE))


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU: the interpreter has no bfloat16")
@pytest.mark.parametrize(("width", "bounds"), [(65, 0), (33, 2), (35, 1), (129, 0)])
def test_bfloat16_products_with_the_usual_tiles_are_near_the_full_softmax_in_float64(
    width: int, bounds: int
) -> None:
    made = Case(positives=700, candidates=1500, width=width, bounds=bounds)
    leaves = [leaf.clone().requires_grad_() for leaf in made.leaves]
    with torch.autocast("cuda", torch.bfloat16):
        loss = fused_softmax(*leaves, made.constants, made.ranks)
    found, expected = with_gradients(loss, leaves), made.chunked()
    assert float(found[0]) == pytest.approx(float(expected[0]), rel=1e-3)
    assert furthest(found, expected) < 1e-2


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU")
@pytest.mark.parametrize("width", [65, 17, 129])
def test_float32_with_the_usual_tiles_is_the_full_softmax_in_float64(width: int) -> None:
    made = Case(positives=700, candidates=1500, width=width, bounds=1)
    leaves = [leaf.clone().requires_grad_() for leaf in made.leaves]
    found = with_gradients(fused_softmax(*leaves, made.constants, made.ranks), leaves)
    assert furthest(found, made.chunked()) < 1e-5
