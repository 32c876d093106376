"""Recall of the net on a later window, over that window's whole catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models.two_tower.arrays import IntArray, ListingArrays, QueryArrays
from models.two_tower.config import TrainConfig
from models.two_tower.eligibility import Eligibility
from models.two_tower.encode import Encoder, one_per
from models.two_tower.history import Events
from models.two_tower.index import exact_top_k
from models.two_tower.towers import TwoTowerNet
from models.two_tower.vectors import listing_vectors, query_vectors
from models.two_tower.vocabulary import Vocabulary

__all__ = ["Holdout", "holdout", "recall_at"]


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """What the recall is measured on.

    Attributes:
        queries: a search per held-out positive.
        candidates: every listing of the log, latest attributes.
        chosen_P: row of ``candidates`` that each positive chose.
        weight_P: weight of its stage.
        bounds: which candidates each search allows.
    """

    queries: QueryArrays
    candidates: ListingArrays
    chosen_P: IntArray
    weight_P: np.ndarray[tuple[int], np.dtype[np.float64]]
    bounds: Eligibility


def holdout(
    later: pa.Table, everything: pa.Table, encoder: Encoder, past: Events, config: TrainConfig
) -> Holdout | None:
    """Draw at most ``valid_positives`` positives of ``later``; ``None`` where it has none."""
    if not later.num_rows or "stage" not in later.column_names:
        return None
    acted = np.flatnonzero(later["stage"].to_numpy() > 0)
    if not len(acted):
        return None
    chance = np.random.default_rng(config.seed)
    size = min(len(acted), config.valid_positives)
    rows = later.take(pa.array(np.sort(chance.choice(acted, size=size, replace=False))))
    candidates = one_per(everything, "id_listing", last=True)
    words = Vocabulary.of([candidates["id_listing"]])
    weights = np.array([0.0, *config.stage_weights])
    return Holdout(
        queries=encoder.queries(rows, past),
        candidates=encoder.listing_rows(candidates),
        chosen_P=words.index(rows["id_listing"]) - 1,
        weight_P=weights[rows["stage"].to_numpy().astype(np.int64)],
        bounds=Eligibility.of(rows, candidates),
    )


def recall_at(net: TwoTowerNet, holdout: Holdout, known: Callable[[], Tensor], k: int) -> float:
    """Weighted share of the held-out choices among the top ``k`` eligible listings.

    ``known`` gives the vectors of the known listings, for the histories.
    """
    device = next(net.parameters()).device
    query_PD = query_vectors(net, holdout.queries, known())
    listing_LD = listing_vectors(net, holdout.candidates)
    _, places_PK = exact_top_k(query_PD, listing_LD, k, allowed=holdout.bounds)
    chosen_P1 = torch.from_numpy(holdout.chosen_P).to(device)[:, None]
    hit_P = (places_PK == chosen_P1).any(dim=1).cpu().numpy()
    total = holdout.weight_P.sum()
    return float((hit_P * holdout.weight_P).sum() / total) if total else 0.0
