"""The exact top-k: in blocks as in one piece, and the mask comes before it."""

from __future__ import annotations

import torch

from models.two_tower.exact_search import blocks, exact_top_k


def test_top_k_in_blocks_equals_a_full_sort() -> None:
    chance = torch.Generator().manual_seed(0)
    query_QD = torch.randn(7, 5, generator=chance)
    listing_LD = torch.randn(50, 5, generator=chance)
    permitted_QL = torch.rand(7, 50, generator=chance) < 0.5
    scores, places = exact_top_k(
        query_QD,
        listing_LD,
        6,
        allowed=lambda q, r: permitted_QL[q, r],
        query_block=3,
        listing_block=8,
    )
    score_QL = (query_QD @ listing_LD.T).masked_fill(~permitted_QL, float("-inf"))
    expected = torch.sort(score_QL, dim=1, descending=True)
    torch.testing.assert_close(scores, expected.values[:, :6])
    assert torch.equal(places, expected.indices[:, :6])


def test_few_eligible_listings_are_all_found() -> None:
    """The two allowed ones score worst; over-fetching and filtering would lose them."""
    listing_LD = torch.arange(100.0)[:, None]
    permitted_QL = torch.zeros(1, 100, dtype=torch.bool)
    permitted_QL[0, [3, 5]] = True
    scores, places = exact_top_k(
        torch.ones(1, 1), listing_LD, 4, allowed=lambda q, r: permitted_QL[q, r], listing_block=10
    )
    assert places.tolist() == [[5, 3, -1, -1]]
    assert torch.isinf(scores[0, 2:]).all()


def test_fewer_listings_than_k_leave_empty_places() -> None:
    _, places = exact_top_k(torch.ones(1, 1), torch.ones(2, 1), 5)
    assert sorted(places[0].tolist()) == [-1, -1, -1, 0, 1]


def test_the_blocks_cover_every_row_once() -> None:
    assert list(blocks(7, 3)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(blocks(0, 3)) == []
