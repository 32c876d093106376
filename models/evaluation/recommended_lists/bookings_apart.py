"""Expected bookings when each guest acts alone.

A guest goes down the list and books at most one listing. Place r is examined with probability
e_r and its listing then booked with probability p_r, so that the guest wants it with e_r · p_r:

    P(books) = 1 − Π (1 − e_r · p_r)

Legend: Q queries (one per guest), R recommended rows, K places.
"""

from __future__ import annotations

import numpy as np

from models.evaluation.arrays import Floats
from models.evaluation.ratio_metric import RatioMetric, mean_over_searches
from models.evaluation.recommended_lists.lists import Lists

__all__ = ["PER_GUESTS", "booked_apart", "bookings_per_1000", "wanting_chances"]

PER_GUESTS = 1_000
"""Bookings are told per so many guests."""


def wanting_chances(lists: Lists, value_R: Floats, examined_K: Floats) -> Floats:
    """P(the guest looks at the place and wants the listing): e_r · p_r; shape (R,).

    ``value_R`` is P(book | examined), 0 where taken; ``examined_K`` P(examined) of the places
    1, 2, …. The second place is seen by half of the guests:

    >>> places = np.array([1, 2])
    >>> lists = Lists(model="m", query_R=np.zeros(2, int), place_R=places, listing_R=places)
    >>> wanting_chances(lists, np.array([0.2, 0.4]), np.array([1.0, 0.5])).tolist()
    [0.2, 0.2]

    Raises ``ValueError`` on chances outside 0..1, and on a place beyond ``examined_K``.
    """
    examined = np.asarray(examined_K, dtype=np.float64)
    if not ((examined >= 0) & (examined <= 1)).all():
        raise ValueError("P(examined) must lie between 0 and 1")
    longest = int(lists.place_R.max(initial=0))
    if longest > len(examined):
        raise ValueError(f"{lists}: place {longest}, but P(examined) of only {len(examined)}")
    return np.asarray(lists.check_shares("P(book)", value_R) * examined[lists.place_R - 1])


def booked_apart(lists: Lists, value_R: Floats, examined_K: Floats, *, queries: int) -> Floats:
    """P(the guest books one of the list), 0 without a list; shape (Q,).

    Two listings, each wanted with 0.2: 1 − 0.8 · 0.8 = 0.36. The second guest has no list.

    >>> places = np.array([1, 2])
    >>> lists = Lists(model="m", query_R=np.zeros(2, int), place_R=places, listing_R=places)
    >>> booked = booked_apart(lists, np.array([0.2, 0.4]), np.array([1.0, 0.5]), queries=2)
    >>> booked.round(4).tolist()
    [0.36, 0.0]
    """
    lists.check_queries(queries)
    chance_R = wanting_chances(lists, value_R, examined_K)
    none_Q = np.ones(queries)
    np.multiply.at(none_Q, lists.query_R[lists.order], 1 - chance_R[lists.order])
    return 1 - none_Q


def bookings_per_1000(
    lists: Lists, value_R: Floats, examined_K: Floats, *, queries: int
) -> RatioMetric:
    """``catalogue_bookings_per_1000``: expected bookings of 1,000 guests who act alone.

    Of two guests one books with 0.36: 180 of 1,000.

    >>> places = np.array([1, 2])
    >>> lists = Lists(model="m", query_R=np.zeros(2, int), place_R=places, listing_R=places)
    >>> metric = bookings_per_1000(lists, np.array([0.2, 0.4]), np.array([1, 0.5]), queries=2)
    >>> round(float(metric.numerator.sum() / metric.denominator.sum()), 6)
    180.0
    """
    booked_Q = booked_apart(lists, value_R, examined_K, queries=queries)
    return mean_over_searches(f"catalogue_bookings_per_{PER_GUESTS}", PER_GUESTS * booked_Q)
