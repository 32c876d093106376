"""Lists from a dictionary: query → its listings, best first."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.recommended_lists import Lists


def make_lists(listings: dict[int, list[int]], model: str = "model") -> Lists:
    rows = [
        (query, place, listing)
        for query, of_query in listings.items()
        for place, listing in enumerate(of_query, start=1)
    ]
    query, place, listing = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Lists(model=model, query_R=query, place_R=place, listing_R=listing)


@pytest.fixture(scope="session")
def lists_of():
    """``lists_of({0: [7, 8]})``: the lists of these queries."""
    return make_lists


@pytest.fixture(scope="session")
def crowd():
    """200 guests with lists of up to 12 of 30 listings, some empty; chances per row."""
    rng = np.random.default_rng(8)
    lists = make_lists(
        {q: rng.choice(30, rng.integers(0, 13), replace=False).tolist() for q in range(200)}
    )
    return lists, rng.beta(1, 3, len(lists.query_R))


def shuffled(lists: Lists, *columns: np.ndarray) -> tuple[Lists, ...]:
    """The same lists with their rows, and columns of them, in another order."""
    order = np.random.default_rng(2).permutation(len(lists.query_R))
    other = Lists(
        model=lists.model,
        query_R=lists.query_R[order],
        place_R=lists.place_R[order],
        listing_R=lists.listing_R[order],
    )
    return (other, *(column[order] for column in columns))


@pytest.fixture(scope="session")
def in_other_order():
    """The function that brings the rows of lists into another order."""
    return shuffled


def value_of(metric) -> float:
    return float(metric.numerator.sum() / metric.denominator.sum())


@pytest.fixture(scope="session")
def ratio_of():
    """The figure that a metric stands for: the ratio of its sums."""
    return value_of
