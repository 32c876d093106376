"""One softmax with its gradients, by everybody who offers one: time, memory and error.

Every search is compared with every listing, each listing once: the one problem that all of
them can do. A bias per listing stands for the appeal. None of the others takes a mask of search
by listing; ``ours`` is therefore measured with masks too. Used by ``benchmarks/gpu_steps.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from models.two_tower.training.fused_softmax import Blocks, RankBounds, fused_softmax
from models.two_tower.training.losses import Candidates, contrast

TEMPERATURE = 0.1
CAPACITIES = 8


@dataclass(frozen=True, eq=False)
class Problem:
    """Searches, listings, and the listing that each search chose; vectors end with the appeal."""

    query_BW: Tensor
    listing_LW: Tensor
    chosen_B: Tensor
    market_L: Tensor
    ranks: RankBounds | None

    @classmethod
    def of(
        cls, batch: int, listings: int, width: int, device: torch.device, **masks: int
    ) -> Problem:
        """Random unit vectors; ``markets`` and ``bounds`` say how many of each there are."""
        chance = torch.Generator(device).manual_seed(0)

        def unit(rows: int, last: Tensor) -> Tensor:
            vectors = torch.randn(rows, width, generator=chance, device=device)
            whole = torch.cat([functional.normalize(vectors), last], dim=1)
            return whole.requires_grad_()

        def drawn(high: int, *shape: int) -> Tensor:
            return torch.randint(high, shape, generator=chance, device=device)

        ranks = None
        if bounds := masks.get("bounds", 0):
            ranks = RankBounds(
                bound_NB=drawn(CAPACITIES, bounds, batch).int(),
                value_NC=drawn(CAPACITIES, bounds, listings).int(),
            )
        return cls(
            query_BW=unit(batch, torch.ones(batch, 1, device=device)),
            listing_LW=unit(
                listings, 0.1 * torch.randn(listings, 1, generator=chance, device=device)
            ),
            chosen_B=drawn(listings, batch),
            market_L=drawn(masks.get("markets", 1), listings),
            ranks=ranks,
        )

    def leaves(self) -> tuple[Tensor, Tensor]:
        return self.query_BW, self.listing_LW

    def double(self) -> Problem:
        query_BW, listing_LW = (v.detach().double().requires_grad_() for v in self.leaves())
        return Problem(query_BW, listing_LW, self.chosen_B, self.market_L, self.ranks)

    def without_bias(self) -> Problem:
        listing_LW = self.listing_LW.detach().clone()
        listing_LW[:, -1] = 0
        return replace(self, listing_LW=listing_LW.requires_grad_())

    def ours(self, softmax: str, chunk_rows: int = 2048) -> Tensor:
        count, device = len(self.listing_LW), self.query_BW.device
        kind = self.query_BW.dtype
        ranks = self.ranks

        candidates = Candidates(
            vector_CD=self.listing_LW,
            id_C=torch.arange(count, device=device),
            market_C=self.market_L,
            log_count_C=torch.zeros(count, device=device, dtype=kind),
            ranks=ranks,
        )
        batch = len(self.query_BW)
        positives = {
            "id": self.chosen_B,
            "market": self.market_L[self.chosen_B],
            "weight": torch.full((batch,), 1 / batch, device=device, dtype=kind),
        }
        return contrast(
            self.query_BW,
            self.listing_LW[self.chosen_B],
            candidates,
            positives,
            temperature=TEMPERATURE,
            chunk_rows=chunk_rows,
            softmax=softmax,  # type: ignore[arg-type]
        )

    def in_halves(self) -> tuple[Tensor, Tensor, Tensor]:
        """Searches over the temperature and listings in the narrow type, and the bias."""
        kind = torch.bfloat16 if self.query_BW.is_cuda else torch.float32
        query_BD = (self.query_BW[:, :-1] / TEMPERATURE).to(kind)
        bias_L = (self.listing_LW[:, -1] / TEMPERATURE).to(kind)
        return query_BD, self.listing_LW[:, :-1].to(kind), bias_L


def dense(problem: Problem) -> Tensor:
    query_BD, listing_LD, bias_L = problem.in_halves()
    return functional.cross_entropy(query_BD @ listing_LD.T + bias_L, problem.chosen_B)


def torchs(problem: Problem) -> Tensor:
    query_BD, listing_LD, bias_L = problem.in_halves()
    return functional.linear_cross_entropy(
        query_BD,
        listing_LD,
        problem.chosen_B,
        linear_bias=bias_L,
        options=torch.nn.LinearCrossEntropyOptions(),
    )


def ligers(problem: Problem) -> Tensor:
    function = import_module(
        "liger_kernel.ops.fused_linear_cross_entropy"
    ).LigerFusedLinearCrossEntropyFunction
    query_BD, listing_LD, bias_L = problem.in_halves()
    result: Any = function.apply(query_BD, listing_LD, problem.chosen_B, bias_L)
    loss: Tensor = result[0] if isinstance(result, tuple) else result
    return loss


def cut(problem: Problem) -> Tensor:
    """The released version takes no bias: a softmax without the appeal."""
    function = import_module("cut_cross_entropy").linear_cross_entropy
    query_BD, listing_LD, _ = problem.in_halves()
    loss: Tensor = function(
        query_BD, listing_LD, problem.chosen_B, impl="cce", filter_eps=None, reduction="mean"
    )
    return loss


def rivals() -> dict[str, Callable[[Problem], Tensor] | str]:
    """Each way by name; a text says why one cannot be tried here."""
    no_torch = f"not in torch {torch.__version__}"
    return {
        "fused, ours": lambda problem: problem.ours("fused"),
        "chunked, ours": lambda problem: problem.ours("chunked"),
        "dense logits": dense,
        "torch's linear_cross_entropy": torchs
        if hasattr(functional, "linear_cross_entropy")
        else no_torch,
        "Liger, chunks of rows": ligers if find_spec("liger_kernel") else "not installed",
        "cut-cross-entropy, no bias": cut if find_spec("cut_cross_entropy") else "not installed",
    }


def fused_halves(
    problem: Problem, blocks: tuple[Blocks, Blocks] | None
) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """Our kernel's forward and backward as two pieces of work, to be timed apart."""
    scaled_BW = (problem.query_BW / TEMPERATURE).detach().requires_grad_()
    listing_LW = problem.listing_LW.detach().requires_grad_()
    count, batch, device = len(listing_LW), len(scaled_BW), scaled_BW.device
    positive_B = (scaled_BW * listing_LW[problem.chosen_B]).sum(dim=1).detach()
    constants = (
        problem.chosen_B,
        problem.market_L[problem.chosen_B],
        torch.full((batch,), 1 / batch, device=device),
        torch.arange(count, device=device),
        problem.market_L,
        torch.zeros(count, device=device),
    )
    held: dict[str, Tensor] = {}

    def forward() -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = fused_softmax(
                scaled_BW,
                positive_B,
                listing_LW,
                constants,
                problem.ranks,
                blocks=blocks,
            )
        held["loss"] = loss
        return loss

    def backward() -> Tensor:
        grads = torch.autograd.grad(held["loss"], [listing_LW], retain_graph=True)
        return grads[0]

    return forward, backward
