"""Softmax losses of retrieval: full, sampled with logQ, and against journey negatives.

All are one sum. With ``s`` the cosine over the temperature, ``+`` the positive, and C the
candidates that are neither the positive nor from another market::

    loss = -s_+ + log( exp(s_+) + sum_{c in C} exp(s_c - log_count_c) )

Where C is the whole market, ``log_count`` is 0 and this is the full softmax. Where C is
drawn, ``log_count_c`` is the log of how often candidate c is expected among the draws:
it is SUBTRACTED, which makes the sum over C an unbiased estimate of the sum over the
market (Bengio & Senecal 2008; Yi et al., "Sampling-bias-corrected neural modeling",
RecSys 2019). The positive is there for certain, so it is not corrected (Khrylchenko et
al. 2025). Copies of the positive are masked, or the model would be told to push away what
was chosen.

Worked example: a market of three listings. A step draws 20 positives, whose listings are
candidates for each other, and 3 listings uniformly::

    listing                             a        b        c
    share of all positives              0.75     0.20     0.05
    expected as a positive, of 20       15       4        1
    expected uniform draws, of 3        1        1        1
    expected count                      16       5        2
    subtracted from its logit           log 16   log 5    log 2

A search chose c; its logits are 2, 1 and 0. Let the step draw exactly what is expected.
The full softmax has ``exp(2)`` for a. Uncorrected the 16 copies of a come to
``16 exp(2)``: a is pushed away 16 times as hard for no other reason than being popular.
Corrected they come to ``16 exp(2 - log 16) = exp(2)``. The two copies of c are masked.

>>> share_L, uniform_L = torch.tensor([0.75, 0.20, 0.05]), torch.ones(3)
>>> drawn_C = torch.repeat_interleave(torch.arange(3), torch.tensor([16, 5, 2]))
>>> log_count_C = expected_log_count(drawn_C, share_L, 20, uniform_L)
>>> [round(log_count_C[drawn_C == listing][0].exp().item()) for listing in range(3)]
[16, 5, 2]
>>> def loss(log_count_C):
...     vector_LD, market_C = torch.tensor([[2.0], [1.0], [0.0]]), torch.zeros(23).long()
...     candidates = Candidates(
...         vector_CD=vector_LD[drawn_C], id_C=drawn_C, market_C=market_C, log_count_C=log_count_C
...     )
...     chosen = {"id": torch.tensor([2]), "market": market_C[:1], "weight": torch.ones(1)}
...     query_BD = torch.ones(1, 1)
...     value = contrast(query_BD, vector_LD[2:], candidates, chosen, temperature=1.0, chunk_rows=1)
...     return round(value.item(), 3)
>>> loss(log_count_C)  # the full softmax: log(1 + exp(1) + exp(2))
2.408
>>> loss(torch.zeros(23))  # uncorrected: log(1 + 5 exp(1) + 16 exp(2))
4.889

Shapes: B positives, C candidates, H journey negatives, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.two_tower.config import SoftmaxName
from models.two_tower.training.chunked_softmax import chunked_softmax
from models.two_tower.training.fused_softmax import RankBounds, fits_kernels, fused_softmax

__all__ = ["Candidates", "contrast", "expected_log_count", "journey_loss"]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What each positive is compared with.

    Attributes:
        vector_CD: their vectors.
        id_C: listing index.
        market_C: market index; a positive is compared within its own market.
        log_count_C: log of the expected number of draws; 0 where each stands in once.
        allowed: mask of the candidates that each of these positives' searches allows;
            ``None`` = all of the market. What retrieval filters out anyway then takes no
            part in the softmax.
        ranks: the same mask as integers, for the fused softmax; ``None`` where it cannot be
            written so.
    """

    vector_CD: Tensor
    id_C: Tensor
    market_C: Tensor
    log_count_C: Tensor
    allowed: Callable[[slice], Tensor] | None = None
    ranks: RankBounds | None = None


def expected_log_count(id_C: Tensor, share_L: Tensor, batch: int, uniform_L: Tensor) -> Tensor:
    """Log of how often each candidate is expected among one step's draws; shape ``(C,)``.

    Args:
        id_C: listing index of each candidate.
        share_L: share of the positives that each listing has.
        batch: positives drawn by that share.
        uniform_L: expected uniform draws of each listing.
    """
    return torch.log(batch * share_L[id_C] + uniform_L[id_C])


def contrast(
    query_BD: Tensor,
    positive_BD: Tensor,
    candidates: Candidates,
    positives: dict[str, Tensor],
    *,
    temperature: float,
    chunk_rows: int,
    softmax: SoftmaxName = "auto",
) -> Tensor:
    """The weighted sum over positives of the loss at the top of this file; a scalar.

    Args:
        query_BD: vectors of the searches.
        positive_BD: vectors of the listings that were chosen.
        candidates: what they are compared with.
        positives: ``id``, ``market`` and ``weight`` per positive. Weights that sum to 1
            make the result a mean.
        temperature: divides the inner products.
        chunk_rows: queries whose logits exist at one time (``chunked``).
        softmax: ``fused`` keeps no logits at all; ``auto`` takes it where it can run: on a GPU,
            unless the bounds hold a radius.
    """
    scaled_BD = query_BD / temperature
    constants = (
        positives["id"],
        positives["market"],
        positives["weight"],
        candidates.id_C,
        candidates.market_C,
        candidates.log_count_C,
    )
    positive_B = (scaled_BD * positive_BD).sum(dim=1)
    if softmax == "fused" or (softmax == "auto" and _fits_fused(scaled_BD, candidates)):
        return fused_softmax(
            scaled_BD,
            positive_B,
            candidates.vector_CD,
            constants,
            candidates.ranks,
        )
    return chunked_softmax(
        scaled_BD, positive_B, candidates.vector_CD, constants, candidates.allowed, chunk_rows
    )


def _fits_fused(scaled_BD: Tensor, candidates: Candidates) -> bool:
    is_integer = candidates.allowed is None or candidates.ranks is not None
    return is_integer and fits_kernels(scaled_BD)


def journey_loss(
    query_BD: Tensor,
    positive_BD: Tensor,
    hard_BHD: Tensor,
    is_hard_BH: Tensor,
    weight_B: Tensor,
    *,
    temperature: float,
) -> Tensor:
    """Softmax of the positive against listings shown in its journey and never clicked.

    Kept apart from :func:`contrast`, whose estimate of the market it would bias. A
    positive without such listings adds 0. ``is_hard_BH`` marks the slots that are filled.
    """
    scaled_BD = query_BD / temperature
    positive_B1 = (scaled_BD * positive_BD).sum(dim=1, keepdim=True)
    logit_BH = torch.einsum("bd,bhd->bh", scaled_BD, hard_BHD)
    logit_BH = logit_BH.masked_fill(~is_hard_BH, float("-inf"))
    total_B = torch.logsumexp(torch.cat([positive_B1, logit_BH], dim=1), dim=1)
    return (weight_B * (total_B - positive_B1[:, 0])).sum()
