"""Exact top-k by inner product, in blocks, on CPU or GPU.

What is not allowed is masked before the top-k, so that a search with few eligible
listings still gets every one of them.

Shapes: Q searches, L listings, D dimensions, K results.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from models.two_tower.inputs.eligibility import Allowed

__all__ = ["blocks", "exact_top_k"]


def blocks(rows: int, size: int) -> Iterator[slice]:
    """``rows`` rows as slices of at most ``size``."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def exact_top_k(
    query_QD: Tensor,
    listing_LD: Tensor,
    k: int,
    *,
    allowed: Allowed | None = None,
    query_block: int = 1024,
    listing_block: int = 65_536,
) -> tuple[Tensor, Tensor]:
    """The ``k`` allowed listings of highest inner product per search, best first.

    Returns:
        scores: shape ``(Q, k)``; ``-inf`` where fewer than ``k`` are allowed.
        places: row of ``listing_LD``, shape ``(Q, k)``; -1 where there is none.

    >>> scores, places = exact_top_k(torch.eye(2), torch.tensor([[1.0, 3.0], [2.0, 0.0]]), 1)
    >>> places.tolist()
    [[1], [0]]
    """
    score_QK = query_QD.new_full((len(query_QD), k), float("-inf"))
    place_QK = torch.full((len(query_QD), k), -1, dtype=torch.int64, device=query_QD.device)
    for queries in blocks(len(query_QD), query_block):
        for listings in blocks(len(listing_LD), listing_block):
            score_QL = query_QD[queries] @ listing_LD[listings].T
            if allowed is not None:
                score_QL.masked_fill_(
                    ~allowed(queries, listings).to(score_QL.device), float("-inf")
                )
            best, place = torch.topk(score_QL, min(k, score_QL.shape[1]), dim=1)
            place = torch.where(torch.isinf(best), -1, place + listings.start)
            # the best so far and this block's best: what is in neither cannot be among the k best
            best, chosen = torch.topk(torch.cat([score_QK[queries], best], dim=1), k, dim=1)
            place = torch.cat([place_QK[queries], place], dim=1).gather(1, chosen)
            score_QK[queries], place_QK[queries] = best, place
    return score_QK, place_QK
