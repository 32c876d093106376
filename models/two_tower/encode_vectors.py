"""Encoded searches and listings through the towers, in blocks, without gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from models.two_tower.cpu_threads import one_thread
from models.two_tower.inputs.arrays import ListingArrays, QueryArrays
from models.two_tower.model import TwoTowerNet

__all__ = ["listing_vectors", "query_vectors"]

_BLOCK = 32_768


@torch.no_grad()
@one_thread()
def listing_vectors(net: TwoTowerNet, listings: ListingArrays) -> Tensor:
    """A vector per listing, on the net's device; shape ``(L, dimension + heads)``."""
    device = next(net.parameters()).device
    parts = []
    # max(..., 1): no listings go through as one empty block, so that the width is right
    for start in range(0, max(len(listings), 1), _BLOCK):
        rows = slice(start, start + _BLOCK)
        parts.append(
            net.listing(
                torch.from_numpy(listings.id_L[rows]).to(device),
                torch.from_numpy(listings.dense_LF[rows]).to(device),
                torch.from_numpy(listings.category_LK[rows]).to(device),
                torch.from_numpy(listings.market_L[rows]).to(device),
            )
        )
    return torch.cat(parts)


@torch.no_grad()
@one_thread()
def query_vectors(net: TwoTowerNet, queries: QueryArrays, known_LD: Tensor) -> Tensor:
    """A vector per search; shape ``(S, dimension + heads)``.

    ``known_LD`` holds the vector of each listing index, for the histories.
    """
    device = known_LD.device
    parts = []
    for start in range(0, max(len(queries), 1), _BLOCK):
        rows = slice(start, start + _BLOCK)
        inputs = {
            "dense": queries.dense_SF[rows],
            "market": queries.market_S[rows],
            "guest": queries.guest_S[rows],
            "history_stage": queries.history_stage_SH[rows],
        }
        history = torch.from_numpy(queries.history_SH[rows]).to(device)
        tensors = {name: torch.from_numpy(value).to(device) for name, value in inputs.items()}
        parts.append(net.encode_queries(tensors, known_LD[history]))
    return torch.cat(parts)
