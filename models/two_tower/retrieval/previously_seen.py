"""Listings that a guest has seen before: shown in an earlier search, or clicked.

A guest who searches again sees many of the same listings and often takes one of them. The
towers compare kinds of listings; that the guest has seen this very one is a fact about the
pair, which is added to its score as a bonus. A bonus is never negative: a listing that the
guest has not seen and that is not among the k best without bonuses cannot be among the k
best with them. Those k and the seen listings are therefore all that has to be compared, and
the search stays exact.

A search whose best two of the catalogue are a (0.9) and b (0.8). Its guest has seen b and c,
whose inner product is 0.7; each gets a bonus of 0.15, which brings b to the front:

>>> a, b, c = 0, 1, 2
>>> retrieved = torch.tensor([[0.9, 0.8]]), torch.tensor([[a, b]])
>>> seen = torch.tensor([[0.8 + 0.15, 0.7 + 0.15]]), torch.tensor([[b, c]])
>>> merge_seen(retrieved, seen)[1].tolist()  # b 0.95, a 0.9; c with 0.85 is third
[[1, 0]]

Any model whose score is an inner product can remember so: the two-tower and ALS do.

Shapes: Q searches, L listings, D dimensions, K results, M listings seen, padded; E pairs of
guest and listing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models.two_tower.inputs.arrays import FloatArray, IntArray
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.inputs.vocabulary import Vocabulary

__all__ = ["PreviouslySeen", "SeenListings", "merge_seen", "score_seen"]

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class SeenListings:
    """Listings seen before, per search.

    Attributes:
        place_QM: row of the catalogue; -1 = none.
        bonus_QM: what is added to its score; 0 where there is no listing.
    """

    place_QM: Tensor
    bonus_QM: Tensor


@dataclass(frozen=True, kw_only=True)
class PreviouslySeen:
    """When each guest first saw, and first clicked, each listing; sorted by guest.

    Attributes:
        guests: their vocabulary.
        guest_E, place_E: guest index, and row of the catalogue.
        shown_E, clicked_E: second of the first search that showed it, of the first click.
    """

    guests: Vocabulary
    guest_E: IntArray
    place_E: IntArray
    shown_E: IntArray
    clicked_E: IntArray

    @classmethod
    def of(cls, impressions: pa.Table, catalogue: pa.Table) -> Self:
        """From rows of ``id_user``, ``id_listing``, ``search_s`` and ``stage``.

        Rows without a guest, and listings that the catalogue lacks, are left out.
        """
        guests = Vocabulary.of([impressions["id_user"]])
        listings = Vocabulary.of([catalogue["id_listing"]])
        row_of = np.full(listings.size, -1, dtype=np.int64)
        row_of[listings.index(catalogue["id_listing"])] = np.arange(catalogue.num_rows)
        guest = guests.index(impressions["id_user"])
        place = row_of[listings.index(impressions["id_listing"])]
        second = np.asarray(impressions["search_s"].to_numpy(), dtype=np.int64)
        clicked = np.where(impressions["stage"].to_numpy() > 0, second, _NEVER)
        known = np.flatnonzero((guest > 0) & (place >= 0))
        order = known[np.lexsort((second[known], place[known], guest[known]))]
        first = _starts(guest[order], place[order])
        return cls(
            guests=guests,
            guest_E=guest[order][first],
            place_E=place[order][first],
            shown_E=second[order][first],
            # not the first row's: a listing may be clicked only when it is shown again
            clicked_E=np.minimum.reduceat(clicked[order], first) if len(first) else first,
        )

    def before(
        self, guest: pa.ChunkedArray, search_s: IntArray, *, shown: float, clicked: float
    ) -> SeenListings:
        """What each guest saw strictly before each search, and the bonus for it.

        Args:
            guest: id of the guest of each search; null has seen nothing.
            search_s: second of each search.
            shown, clicked: added for having been shown, and more for having been clicked.
        """
        code = self.guests.index(guest)
        start = np.searchsorted(self.guest_E, code, side="left")
        count = np.searchsorted(self.guest_E, code, side="right") - start
        count[code == 0] = 0
        # one row per search, as wide as its busiest guest: counts 2 and 3 fill the slots
        # [x x .] and [x x x], which are pairs start .. start + count - 1
        slot_M = np.arange(count.max(initial=0))
        filled = slot_M < count[:, None]
        pair = np.where(filled, start[:, None] + slot_M, 0)
        if not len(self.guest_E):
            nothing = torch.zeros((len(code), 0))
            return SeenListings(place_QM=nothing.long(), bonus_QM=nothing)
        second = np.asarray(search_s)[:, None]
        # strictly before: the search's own results, and those of its second, are not known to it
        filled &= self.shown_E[pair] < second
        bonus: FloatArray = np.float32(shown) + np.where(
            self.clicked_E[pair] < second, np.float32(clicked), np.float32(0)
        )
        return SeenListings(
            place_QM=torch.from_numpy(np.where(filled, self.place_E[pair], -1)),
            bonus_QM=torch.from_numpy(np.where(filled, bonus, np.float32(0))),
        )


def score_seen(
    query_QD: Tensor, listing_LD: Tensor, seen: SeenListings, allowed: Eligibility
) -> tuple[Tensor, Tensor]:
    """Scores ``(Q, M)``, bonus included, and places of the allowed listings seen before.

    ``-inf`` and -1 where a search has seen fewer, or does not allow what its guest has seen.
    """
    place_QM = seen.place_QM.clamp(min=0)
    usable_QM = (seen.place_QM >= 0) & allowed(torch.arange(len(query_QD)), place_QM)
    score_QM = torch.einsum("qd,qmd->qm", query_QD, listing_LD[place_QM])
    score_QM = (score_QM + seen.bonus_QM).masked_fill(~usable_QM, float("-inf"))
    return score_QM, torch.where(usable_QM, seen.place_QM, -1)


def merge_seen(
    retrieved: tuple[Tensor, Tensor], seen: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The k best of the retrieved and the seen listings, each listing once, best first.

    Args:
        retrieved: scores and places ``(Q, K)``; ``-inf`` and -1 = none.
        seen: scores, bonus included, and places ``(Q, M)``; ``-inf`` and -1 = none.
    """
    score_QK, place_QK = retrieved
    seen_score_QM, seen_place_QM = seen
    # a listing that is in both keeps the score with the bonus
    plain_QK = score_QK.masked_fill(_is_among(place_QK, seen_place_QM), float("-inf"))
    scores = torch.cat([plain_QK, seen_score_QM], dim=1)
    best_QK, chosen_QK = torch.topk(scores, score_QK.shape[1], dim=1)
    places = torch.cat([place_QK, seen_place_QM], dim=1).gather(1, chosen_QK)
    return best_QK, torch.where(torch.isinf(best_QK), -1, places)


def _is_among(place_QK: Tensor, other_QM: Tensor) -> Tensor:
    """Whether each place is one of its row's other places."""
    if not other_QM.shape[1]:
        return torch.zeros_like(place_QK, dtype=torch.bool)
    # one binary search per place; comparing all pairs would need Q x K x M
    sorted_QM, _ = torch.sort(other_QM, dim=1)
    at_QK = torch.searchsorted(sorted_QM, place_QK.contiguous()).clamp(max=other_QM.shape[1] - 1)
    return (sorted_QM.gather(1, at_QK) == place_QK) & (place_QK >= 0)


def _starts(guest: IntArray, place: IntArray) -> IntArray:
    """Where a new pair begins in sorted pairs."""
    if not len(guest):
        return np.zeros(0, dtype=np.int64)
    changed = (np.diff(guest) != 0) | (np.diff(place) != 0)
    return np.concatenate([[0], np.flatnonzero(changed) + 1])
