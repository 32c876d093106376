"""Recall of the net on a later window, over that window's whole catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models.two_tower.config import TrainConfig
from models.two_tower.encode_vectors import listing_vectors, query_vectors
from models.two_tower.exact_search import exact_top_k
from models.two_tower.inputs.arrays import IntArray, ListingArrays, QueryArrays
from models.two_tower.inputs.eligibility import Allowed, Eligibility
from models.two_tower.inputs.encoder import Encoder, one_per
from models.two_tower.inputs.guest_history import GuestEvents
from models.two_tower.inputs.id_interactions import seen_mask
from models.two_tower.inputs.vocabulary import Vocabulary
from models.two_tower.model import TwoTowerNet

__all__ = ["HeldOut", "Holdout", "holdout", "recall_at"]


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
    later: pa.Table, everything: pa.Table, encoder: Encoder, past: GuestEvents, config: TrainConfig
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


# Guests that the recall is measured on, at most.
_USERS_ASKED = 4096


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Interactions kept from training, to see how many are found among the unseen items.

    Attributes:
        users: the guests asked, each once.
        unseen: mask of the items without an event of theirs.
        wanted_W: ``user * items + item`` of what was kept, sorted; users and items by place.
        count_U: how many were kept of each user.
    """

    users: pa.Array
    unseen: Allowed
    wanted_W: Tensor
    count_U: Tensor

    @classmethod
    def of(
        cls, users: pa.Array, items: pa.Array, events: pa.Table, listings: Vocabulary, seed: int
    ) -> Self:
        """From the pairs kept; those of unknown items stay wanted, and cannot be found."""
        words = Vocabulary.of([users])
        chance = np.random.default_rng(seed)
        size = min(_USERS_ASKED, len(words.values))
        chosen = np.sort(chance.choice(len(words.values), size=size, replace=False)) + 1
        asked = words.ids(chosen)
        place = np.full(words.size, -1, dtype=np.int64)
        place[chosen] = np.arange(size)
        user, item = place[words.index(users)], listings.index(items) - 1
        kept = user >= 0
        key = np.sort(user[kept] * listings.size + item[kept])
        return cls(
            users=asked,
            unseen=seen_mask(asked, events, listings),
            wanted_W=torch.from_numpy(key),
            count_U=torch.from_numpy(np.bincount(user[kept], minlength=size)),
        )

    def recall(self, query_UD: Tensor, item_ND: Tensor, k: int) -> float:
        """Mean over the users of found / kept among the first ``k`` unseen items."""
        _, place_UK = exact_top_k(query_UD, item_ND, k, allowed=self.unseen)
        place_UK = place_UK.cpu()
        key_UK = torch.arange(len(place_UK))[:, None] * (len(item_ND) + 1) + place_UK
        at_UK = torch.searchsorted(self.wanted_W, key_UK).clamp(max=len(self.wanted_W) - 1)
        hit_UK = (self.wanted_W[at_UK] == key_UK) & (place_UK >= 0)
        return float((hit_UK.sum(dim=1) / self.count_U.clamp(min=1)).mean())
