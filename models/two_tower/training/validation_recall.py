"""Recall on positives held out of training; early stopping follows it.

Two kinds of log, two kinds of held-out positives: :class:`HeldOutSearches` of a log of
searches (later searches, over the whole catalogue) and :class:`HeldOutInteractions` of a log
of ids alone (pairs of guest and item, among the items that the guest has not taken).

Shapes: P held-out positives, U guests, N items, K results, W held-out pairs, D dimensions.
"""

from __future__ import annotations

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

__all__ = ["HeldOutInteractions", "HeldOutSearches"]


@dataclass(frozen=True, kw_only=True)
class HeldOutSearches:
    """Positives of later searches, and the catalogue in which they have to be found.

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

    @classmethod
    def draw(
        cls,
        later: pa.Table,
        everything: pa.Table,
        encoder: Encoder,
        events: GuestEvents,
        config: TrainConfig,
    ) -> Self | None:
        """Draw at most ``valid_positives`` positives of ``later``; ``None`` where it has none.

        ``everything`` holds the rows whose listings are the catalogue; ``events`` what the
        guests did, of which each search knows what came strictly before.
        """
        if not later.num_rows or "stage" not in later.column_names:
            return None
        positive = np.flatnonzero(later["stage"].to_numpy() > 0)
        if not len(positive):
            return None
        chance = np.random.default_rng(config.seed)
        size = min(len(positive), config.valid_positives)
        rows = later.take(pa.array(np.sort(chance.choice(positive, size=size, replace=False))))
        candidates = one_per(everything, "id_listing", last=True)
        listings = Vocabulary.of([candidates["id_listing"]])
        weights = np.array([0.0, *config.stage_weights])
        return cls(
            queries=encoder.queries(rows, events),
            candidates=encoder.listing_rows(candidates),
            # one_per gives the listings in the order of this vocabulary, which counts from 1
            chosen_P=listings.index(rows["id_listing"]) - 1,
            weight_P=weights[rows["stage"].to_numpy().astype(np.int64)],
            bounds=Eligibility.of(rows, candidates),
        )

    def recall(self, net: TwoTowerNet, known_LD: Tensor, k: int) -> float:
        """Weighted share of the held-out choices among the top ``k`` eligible listings.

        ``known_LD`` holds the vectors of the known listings, for the histories.
        """
        device = next(net.parameters()).device
        query_PD = query_vectors(net, self.queries, known_LD)
        listing_LD = listing_vectors(net, self.candidates)
        _, places_PK = exact_top_k(query_PD, listing_LD, k, allowed=self.bounds)
        chosen_P1 = torch.from_numpy(self.chosen_P).to(device)[:, None]
        hit_P = (places_PK == chosen_P1).any(dim=1).cpu().numpy()
        total = self.weight_P.sum()
        return float((hit_P * self.weight_P).sum() / total) if total else 0.0


# Guests that the recall is measured on, at most.
_MOST_USERS = 4096


@dataclass(frozen=True, kw_only=True)
class HeldOutInteractions:
    """Interactions held out of training, to be found among the items unseen by the guest.

    Attributes:
        users: the guests, each once.
        unseen: mask of the items without an event of theirs.
        key_W: ``user * (items + 1) + item`` of each held-out pair, sorted: the place of
            the user in ``users``, and of the item among the known ones, from 0. An item that
            training did not know is -1.
        count_U: number of held-out pairs of each user, unknown items included.
    """

    users: pa.Array
    unseen: Allowed
    key_W: Tensor
    count_U: Tensor

    @classmethod
    def of(
        cls, users: pa.Array, items: pa.Array, events: pa.Table, listings: Vocabulary, seed: int
    ) -> Self:
        """From the held-out pairs; those of unknown items count and cannot be found."""
        guests = Vocabulary.of([users])
        chance = np.random.default_rng(seed)
        size = min(_MOST_USERS, len(guests.values))
        drawn = np.sort(chance.choice(len(guests.values), size=size, replace=False)) + 1
        place = np.full(guests.size, -1, dtype=np.int64)  # -1: not drawn
        place[drawn] = np.arange(size)
        user, item = place[guests.index(users)], listings.index(items) - 1
        is_drawn, drawn_guests = user >= 0, guests.ids(drawn)
        # listings.size counts the unseen too: it is items + 1, as in recall(). An unknown item
        # (-1) takes the one key of the user before that no found item can have.
        key = np.sort(user[is_drawn] * listings.size + item[is_drawn])
        return cls(
            users=drawn_guests,
            unseen=seen_mask(drawn_guests, events, listings),
            key_W=torch.from_numpy(key),
            count_U=torch.from_numpy(np.bincount(user[is_drawn], minlength=size)),
        )

    def recall(self, query_UD: Tensor, item_ND: Tensor, k: int) -> float:
        """Mean over the users of hits among the first ``k`` unseen items / held-out pairs."""
        _, place_UK = exact_top_k(query_UD, item_ND, k, allowed=self.unseen)
        place_UK = place_UK.cpu()
        key_UK = torch.arange(len(place_UK))[:, None] * (len(item_ND) + 1) + place_UK
        at_UK = torch.searchsorted(self.key_W, key_UK).clamp(max=len(self.key_W) - 1)
        # place -1 (fewer than k found) would give the key of an unknown item
        hit_UK = (self.key_W[at_UK] == key_UK) & (place_UK >= 0)
        return float((hit_UK.sum(dim=1) / self.count_U.clamp(min=1)).mean())
