"""What the lists are made of: the same few listings, taken ones, new ones, few hosts.

Each figure is a ratio of sums over the guests: places that are of the kind, of the places that
count. Which listings and hosts are the most common is read off the lists themselves and then
kept when guests are drawn again.

Legend: Q queries (one per guest), R recommended rows.
"""

from __future__ import annotations

import numpy as np

from models.evaluation.arrays import Floats, Integers, Mask
from models.evaluation.ratio_metric import RatioMetric, named_at
from models.evaluation.recommended_lists.lists import Lists
from models.ranking_order import rank_within

__all__ = [
    "free_share",
    "most_common_listing",
    "new_listing_exposure",
    "top_hosts_share",
    "top_listings_share",
]


def most_common_listing(lists: Lists, market_Q: Integers, *, k: int) -> RatioMetric:
    """``catalogue_most_common_listing_at_k``: share of the lists that hold the commonest listing.

    Each market has its own; a listing of one market cannot stand in a list of another. Guests
    without a list do not count. ``market_Q`` is a code per query.

    Three guests of one market: listing 7 stands in two lists of three. Of the one guest of the
    other market, listing 9 stands in one list of one. Together 3 of 4.

    >>> lists = Lists(
    ...     model="m",
    ...     query_R=np.array([0, 1, 2, 3]),
    ...     place_R=np.ones(4, int),
    ...     listing_R=np.array([7, 7, 8, 9]),
    ... )
    >>> metric = most_common_listing(lists, np.array([0, 0, 0, 1]), k=10)
    >>> metric.metric, float(metric.numerator.sum() / metric.denominator.sum())
    ('catalogue_most_common_listing_at_10', 0.75)
    """
    is_top = _is_most_shown(_market(lists, market_Q), lists.listing_R, lists.within(k), most=1)
    # place 1 is in every list that is not empty
    return _share(
        lists, "most_common_listing", k, is_top, (lists.place_R == 1), queries=len(market_Q)
    )


def top_listings_share(
    lists: Lists, market_Q: Integers, *, k: int, listings: int = 100
) -> RatioMetric:
    """``catalogue_top_100_listings_at_k``: share of the places of each market's 100 commonest.

    Of four places in the first k, one listing fills two:

    >>> lists = Lists(
    ...     model="m",
    ...     query_R=np.array([0, 0, 1, 1]),
    ...     place_R=np.array([1, 2, 1, 2]),
    ...     listing_R=np.array([7, 8, 9, 7]),
    ... )
    >>> metric = top_listings_share(lists, np.zeros(2, int), k=2, listings=1)
    >>> metric.metric, float(metric.numerator.sum() / metric.denominator.sum())
    ('catalogue_top_1_listings_at_2', 0.5)
    """
    within = lists.within(k)
    is_top = _is_most_shown(_market(lists, market_Q), lists.listing_R, within, most=listings)
    return _share(lists, f"top_{listings}_listings", k, is_top, within, queries=len(market_Q))


def top_hosts_share(
    lists: Lists, host_R: Integers, *, queries: int, hosts: int, k: int
) -> RatioMetric:
    """``catalogue_top_tenth_hosts_at_k``: share of the places of the tenth of hosts shown most.

    ``host_R`` is a code 0..H-1, or -1 where not known (left out). ``hosts`` is H, all hosts of
    the catalogue, shown or not: a model that shows few of them must not be measured against
    these few alone. Raises ``ValueError`` on codes that are not below it.

    Of ten hosts the tenth is one, and it has two of the three places whose host is known:

    >>> lists = Lists(
    ...     model="m",
    ...     query_R=np.zeros(4, int),
    ...     place_R=np.arange(1, 5),
    ...     listing_R=np.arange(4),
    ... )
    >>> metric = top_hosts_share(lists, np.array([5, -1, 5, 2]), queries=1, hosts=10, k=10)
    >>> metric.numerator.tolist(), metric.denominator.tolist()
    ([2.0], [3.0])
    """
    if host_R.shape != lists.query_R.shape or host_R.max(initial=-1) >= hosts:
        raise ValueError(f"{lists}: hosts must be one code below {hosts} per row, or -1")
    counted = lists.within(k) & (host_R >= 0)
    is_top = _is_most_shown(np.zeros_like(host_R), host_R, counted, most=-(-hosts // 10))
    return _share(lists, "top_tenth_hosts", k, is_top, counted, queries=queries)


def free_share(lists: Lists, is_free_R: Mask, is_dated_Q: Mask, *, k: int) -> RatioMetric:
    """``catalogue_free_at_k``: share of the first k places that are free on the asked nights.

    Only guests who asked for nights count. Of Anna's two one is free; Ben named no dates:

    >>> lists = Lists(
    ...     model="m",
    ...     query_R=np.array([0, 0, 1]),
    ...     place_R=np.array([1, 2, 1]),
    ...     listing_R=np.array([7, 8, 9]),
    ... )
    >>> metric = free_share(lists, np.array([True, False, True]), np.array([True, False]), k=10)
    >>> metric.metric, metric.numerator.tolist(), metric.denominator.tolist()
    ('catalogue_free_at_10', [1.0, 0.0], [2.0, 0.0])
    """
    lists.check_queries(len(is_dated_Q))
    counted = lists.within(k) & is_dated_Q[lists.query_R]
    is_free = lists.check_shares("is_free", is_free_R.astype(np.float64)) == 1
    return _share(lists, "free", k, is_free & counted, counted, queries=len(is_dated_Q))


def new_listing_exposure(lists: Lists, is_new_R: Floats, *, queries: int, k: int) -> RatioMetric:
    """``catalogue_new_listing_exposure_at_k``: new listings' share of what guests are shown.

    A place weighs 1 / log2(place + 1). ``is_new_R`` is 1, 0, or NaN (not known: left out). The
    third of three places is new, the second not known: (1/2) / (1 + 1/2).

    >>> lists = Lists(
    ...     model="m",
    ...     query_R=np.zeros(3, int),
    ...     place_R=np.arange(1, 4),
    ...     listing_R=np.arange(3),
    ... )
    >>> metric = new_listing_exposure(lists, np.array([0, np.nan, 1]), queries=1, k=10)
    >>> metric.numerator.tolist(), metric.denominator.tolist()
    ([0.5], [1.5])
    """
    counted = lists.within(k) & np.isfinite(is_new_R)
    is_new = lists.check_shares("is_new", np.nan_to_num(is_new_R)) * counted
    weight = 1 / np.log2(lists.place_R + 1.0)
    return _share(
        lists, "new_listing_exposure", k, is_new * weight, counted * weight, queries=queries
    )


def _market(lists: Lists, market_Q: Integers) -> Integers:
    lists.check_queries(len(market_Q))
    return market_Q[lists.query_R]


def _is_most_shown(group_R: Integers, code_R: Integers, counted_R: Mask, *, most: int) -> Mask:
    """The counted rows whose code is among the ``most`` commonest of their group.

    Of equally common codes the lower comes first. In group 0 code 3 stands twice, 5 once; in
    group 1 codes 5 and 8 once each:

    >>> groups, codes = np.array([0, 0, 0, 1, 1]), np.array([5, 3, 3, 8, 5])
    >>> _is_most_shown(groups, codes, np.ones(5, bool), most=1).tolist()
    [False, True, True, False, True]
    """
    is_top = np.zeros(len(code_R), dtype=bool)
    group, code = group_R[counted_R].astype(np.int64), code_R[counted_R]
    width = int(code.max(initial=0)) + 1
    keys, key_of_row, times = np.unique(
        group * width + code, return_inverse=True, return_counts=True
    )
    is_top[counted_R] = (rank_within(keys // width, times, keys) <= most)[key_of_row]
    return is_top


def _share(
    lists: Lists,
    name: str,
    k: int,
    part_R: Floats | Mask,
    whole_R: Floats | Mask,
    *,
    queries: int,
) -> RatioMetric:
    """``catalogue_NAME_at_k``: Σ part / Σ whole over all lists."""
    whole_Q = lists.per_query(whole_R, queries=queries)
    return RatioMetric(
        metric=named_at(f"catalogue_{name}", k),
        k=k,
        numerator=lists.per_query(part_R, queries=queries),
        denominator=whole_Q,
        scored=(whole_Q > 0).astype(np.float64),
    )
