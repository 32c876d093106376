"""Exact top-k by inner product, in blocks, on CPU or GPU.

What is not allowed is masked before the top-k, so that a search with few eligible
listings still gets every one of them.

Shapes: Q searches, L listings, D dimensions, K results.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from models.two_tower.cpu_threads import one_thread
from models.two_tower.inputs.eligibility import Allowed

__all__ = ["blocks", "exact_top_k", "grouped_top_k"]

# Searches and listings whose scores exist at one time.
_CPU_BLOCKS, _GPU_BLOCKS = (1024, 65_536), (4096, 262_144)
_GROUP = 32


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
    query_block: int | None = None,
    listing_block: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The ``k`` allowed listings of highest inner product per search, best first.

    Scores exist for ``query_block`` searches and ``listing_block`` listings at one time; as many
    as suit the device unless given.

    Returns:
        scores: shape ``(Q, k)``; ``-inf`` where fewer than ``k`` are allowed.
        places: row of ``listing_LD``, shape ``(Q, k)``; -1 where there is none.

    >>> scores, places = exact_top_k(torch.eye(2), torch.tensor([[1.0, 3.0], [2.0, 0.0]]), 1)
    >>> places.tolist()
    [[1], [0]]
    """
    score_QK = query_QD.new_full((len(query_QD), k), float("-inf"))
    place_QK = torch.full((len(query_QD), k), -1, dtype=torch.int64, device=query_QD.device)
    usual = _GPU_BLOCKS if query_QD.is_cuda else _CPU_BLOCKS
    select = grouped_top_k if query_QD.is_cuda else torch.topk
    for queries in blocks(len(query_QD), query_block or usual[0]):
        for listings in blocks(len(listing_LD), listing_block or usual[1]):
            with one_thread():
                score_QL = query_QD[queries] @ listing_LD[listings].T
            if allowed is not None:
                score_QL.masked_fill_(
                    ~allowed(queries, listings).to(score_QL.device), float("-inf")
                )
            best, place = select(score_QL, min(k, score_QL.shape[1]), dim=1)
            place = torch.where(torch.isinf(best), -1, place + listings.start)
            # the best so far and this block's best: what is in neither cannot be among the k best
            best, chosen = torch.topk(torch.cat([score_QK[queries], best], dim=1), k, dim=1)
            place = torch.cat([place_QK[queries], place], dim=1).gather(1, chosen)
            score_QK[queries], place_QK[queries] = best, place
    return score_QK, place_QK


def grouped_top_k(score_QL: Tensor, k: int, dim: int = 1) -> tuple[Tensor, Tensor]:
    """As ``torch.topk`` along ``dim`` 1, for many listings: two short ones instead of one long.

    The ``k`` best lie in the ``k`` groups of 32 neighbours whose best are highest: each group
    left out has ``k`` groups before it, and so ``k`` scores at least as high as its own best.

    >>> scores, places = grouped_top_k(torch.arange(100.0)[None], 2)
    >>> scores.tolist(), places.tolist()
    ([[99.0, 98.0]], [[99, 98]])
    """
    if dim != 1:
        raise ValueError(f"top k along dimension {dim}; it is along 1 alone")
    groups = score_QL.shape[1] // _GROUP
    if groups <= k:
        return torch.topk(score_QL, k, dim=1)
    in_groups = groups * _GROUP
    score_QGN = score_QL[:, :in_groups].view(len(score_QL), groups, _GROUP)
    _, group_QK = torch.topk(score_QGN.amax(dim=2), k, dim=1, sorted=False)
    inside_QKN = score_QGN.gather(1, group_QK[:, :, None].expand(-1, -1, _GROUP))
    # the listings behind the last whole group stand for themselves
    score_QX = torch.cat([inside_QKN.flatten(1), score_QL[:, in_groups:]], dim=1)
    best_QK, at_QK = torch.topk(score_QX, k, dim=1)
    is_inside_QK = at_QK < k * _GROUP
    of_group_QK = group_QK.gather(1, (at_QK // _GROUP).clamp(max=k - 1)) * _GROUP + at_QK % _GROUP
    return best_QK, torch.where(is_inside_QK, of_group_QK, at_QK - k * _GROUP + in_groups)
