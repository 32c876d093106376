"""The approximate index: what it finds is allowed, and how much it finds is measured."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.two_tower.exact_search import exact_top_k
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.retrieval.ann_search import ApproximateIndex, IndexConfig, recall_against

LISTINGS, SEARCHES, WIDTH, K = 2_000, 40, 8, 20
# every listing is allowed
FREE = Eligibility.of(
    pa.table({"id_search": pa.nulls(SEARCHES, pa.string())}),
    pa.table({"id_listing": pa.nulls(LISTINGS, pa.string())}),
)


@pytest.fixture
def vectors() -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(0)
    query_QD = functional.normalize(torch.randn(SEARCHES, WIDTH, generator=chance), dim=1)
    listing_LD = functional.normalize(torch.randn(LISTINGS, WIDTH, generator=chance), dim=1)
    return query_QD, listing_LD


@pytest.fixture
def bounds() -> Eligibility:
    """Capacity, a price filter and a radius; the last searches allow next to nothing."""
    chance = np.random.default_rng(0)
    narrow = np.arange(SEARCHES) >= SEARCHES - 4
    queries = pa.table(
        {
            "query_num_guests": np.where(narrow, 9, chance.integers(1, 6, SEARCHES)),
            "query_price_max": chance.uniform(100, 400, SEARCHES),
            "query_radius": chance.uniform(3, 30, SEARCHES),
            "query_center_lat": chance.normal(-22.9, 0.05, SEARCHES),
            "query_center_lng": chance.normal(-43.2, 0.05, SEARCHES),
        }
    )
    catalogue = pa.table(
        {
            "listing_person_capacity": chance.integers(1, 10, LISTINGS),
            "listing_nightly_price": chance.uniform(50, 500, LISTINGS),
            "listing_lat": chance.normal(-22.9, 0.05, LISTINGS),
            "listing_lng": chance.normal(-43.2, 0.05, LISTINGS),
        }
    )
    return Eligibility.of(queries, catalogue)


def config(kind: str, **changed: object) -> IndexConfig:
    values = {"kind": kind, "k": K, "links": 16, "build_effort": 64, "clusters": 20, **changed}
    return IndexConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_what_is_found_is_allowed_and_as_many_as_there_are(
    vectors: tuple[Tensor, Tensor], bounds: Eligibility, kind: str
) -> None:
    query_QD, listing_LD = vectors
    index = ApproximateIndex(listing_LD, config(kind))
    scores, places = index.search(query_QD, K, bounds)
    allowed_QL = bounds(slice(None), slice(None))
    for row in range(SEARCHES):
        retrieved = places[row][places[row] >= 0]
        assert len(retrieved) == len(retrieved.unique()) == min(K, int(allowed_QL[row].sum()))
        assert bool(allowed_QL[row, retrieved].all())
        torch.testing.assert_close(
            scores[row, : len(retrieved)], listing_LD[retrieved] @ query_QD[row]
        )


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_enough_effort_finds_what_exact_search_finds(
    vectors: tuple[Tensor, Tensor], bounds: Eligibility, kind: str
) -> None:
    query_QD, listing_LD = vectors
    index = ApproximateIndex(listing_LD, config(kind, efforts=(100,)))
    assert recall_against(index, query_QD, bounds) > 0.99


def test_tuning_takes_the_least_effort_that_suffices(vectors: tuple[Tensor, Tensor]) -> None:
    query_QD, listing_LD = vectors
    index = ApproximateIndex(listing_LD, config("ivf", least_recall=0.9))
    assert index.tune(query_QD, FREE) > 0.8
    assert 1 < index.effort < 128
    effort = index.effort
    index.effort = effort // 2
    assert recall_against(index, query_QD[::2], FREE.rows(slice(0, None, 2))) < 0.95


def test_the_recall_of_a_bad_index_is_seen(vectors: tuple[Tensor, Tensor]) -> None:
    query_QD, listing_LD = vectors
    index = ApproximateIndex(listing_LD, config("ivf", efforts=(5,)))
    # without bounds one cluster holds enough listings: nothing is left to exact search
    assert recall_against(index, query_QD, FREE) < 0.8


def test_bounds_of_some_searches_and_listings_are_a_part_of_all_bounds(
    bounds: Eligibility,
) -> None:
    everything = bounds(slice(None), slice(None))
    searches, listings = torch.tensor([3, 0, 38]), torch.tensor([7, 1_999, 4, 100])
    part = bounds.rows(searches).within(listings)
    assert torch.equal(part(slice(None), slice(None)), everything[searches][:, listings])


def test_pairs_agree_with_the_whole_mask(bounds: Eligibility) -> None:
    everything = bounds(slice(None), slice(None))
    chance = torch.Generator().manual_seed(1)
    place_QN = torch.randint(LISTINGS, (SEARCHES, 50), generator=chance)
    pair_mask_QN = bounds(torch.arange(SEARCHES), place_QN)
    assert torch.equal(pair_mask_QN, everything.gather(1, place_QN))


def test_without_bounds_full_effort_equals_exact_search(vectors: tuple[Tensor, Tensor]) -> None:
    query_QD, listing_LD = vectors
    index = ApproximateIndex(listing_LD, config("ivf", efforts=(100,)))
    index.effort = 100
    expected = exact_top_k(query_QD, listing_LD, K)
    torch.testing.assert_close(index.search(query_QD, K, FREE), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "tree"}, "no index is called 'tree'"),
        ({"least_recall": 0.0}, "least_recall = 0.0: must be above 0 and at most 1"),
        ({"efforts": ()}, "efforts = .*at least 1, and there must be one"),
        ({"at_listings": 0}, "at_listings = 0: must be at least 1"),
    ],
)
def test_an_impossible_index_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IndexConfig(**values)  # type: ignore[arg-type]
