"""Where the ids of an interaction log start: the leading singular vectors of its graph.

``D_u^-1/2 R D_i^-1/2`` is the matrix of guests and items in which neither the busy guest
nor the popular item weighs more than the others. Its leading singular vectors hold what a
linear graph filter would recommend (Shen et al., "How powerful is graph convolution for
recommendation?", CIKM 2021); training then starts from there and not from noise.

Shapes: G guests, N items, D dimensions; E interactions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.two_tower.cpu_threads import one_thread
from models.two_tower.inputs.training_set import TrainingSet
from models.two_tower.model import TwoTowerNet

__all__ = ["initialise_from_graph", "spectral_vectors"]

# Halko, Martinsson & Tropp 2011: a few more columns and power iterations than wanted.
_OVERSAMPLE, _POWER_ITERATIONS = 8, 3


@torch.no_grad()
def initialise_from_graph(net: TwoTowerNet, data: TrainingSet) -> None:
    """Set the id tables of a net of ids alone to the singular vectors of its log."""
    items, guests = net.listing.id_table, net.query.guest_table
    guest_E = torch.from_numpy(data.queries.guest_S[data.positives.search_P])
    item_E = torch.from_numpy(data.positives.listing_P)
    rows = guest_E if guests is not None else torch.from_numpy(data.positives.search_P)
    shape = (int(rows.max()) + 1, items.num_embeddings)
    width = items.embedding_dim
    left_GD, right_ND = spectral_vectors(rows, item_E, shape, width)
    items.weight.copy_(right_ND)
    if guests is not None:
        guests.weight[: len(left_GD)].copy_(left_GD)


@one_thread()
def spectral_vectors(
    guest_E: Tensor, item_E: Tensor, shape: tuple[int, int], width: int
) -> tuple[Tensor, Tensor]:
    """Start vectors ``(G, D)`` and ``(N, D)``; the vectors in use have mean length 1.

    Draws from torch's global generator. Where the log is smaller than ``width`` the last
    coordinates are 0; a guest or item without interactions gets zeros.
    """
    pairs = torch.stack([guest_E, item_E])
    degree_G = torch.bincount(guest_E, minlength=shape[0]).clamp(min=1)
    degree_N = torch.bincount(item_E, minlength=shape[1]).clamp(min=1)
    weight_E = (degree_G[guest_E] * degree_N[item_E]).float().rsqrt()
    graph = torch.sparse_coo_tensor(pairs, weight_E, shape, check_invariants=False).coalesce()
    rank = min(width + _OVERSAMPLE, *shape)
    left_GR, value_R, right_NR = torch.svd_lowrank(graph, q=rank, niter=_POWER_ITERATIONS)
    # sqrt(value) on either side: the inner product of a guest and an item is then their entry of
    # the matrix, as near as this many dimensions come to it
    root_D = value_R[:width].sqrt()
    return tuple(  # type: ignore[return-value]
        _with_mean_length_one(side[:, :width] * root_D, width) for side in (left_GR, right_NR)
    )


def _with_mean_length_one(vectors: Tensor, width: int) -> Tensor:
    length = vectors.norm(dim=1)
    used = length[length > 0]
    scaled = vectors / used.mean() if len(used) else vectors
    return torch.nn.functional.pad(scaled, (0, width - vectors.shape[1]))
