"""Bookings when all guests act on their lists and a listing-night is sold once.

Guests act one after the other in random order. Each goes down its own list and books the first
listing that it wants and of whose nights none is sold yet. Three guests who all want listing 7
for certain; Ben's nights overlap with Anna's, Carla's begin when Anna leaves:

    order   guest   nights   list    books
      1     anna    1–2      7       7
      2     ben     2–4      7, 8    8: night 2 of listing 7 is sold
      3     carla   3–4      7       7

Without listing 8 in his list Ben books nothing: one of three bookings is lost to a collision.

>>> lists = Lists(
...     model="m",
...     query_R=np.array([0, 1, 2]),
...     place_R=np.array([1, 1, 1]),
...     listing_R=np.array([7, 7, 7]),
... )
>>> stays = Stays(first_night_Q=np.array([1, 2, 3]), end_night_Q=np.array([3, 5, 5]))
>>> booked = bookings_together(lists, np.ones(3), np.ones(1), stays, replicates=3_000)
>>> booked.apart_Q.tolist(), round(float(booked.together_Q.sum()), 1)
([1.0, 1.0, 1.0], 1.7)

Ben comes first in a third of the orders, and is then the only one to book; else two book:
1/3 · 1 + 2/3 · 2 = 5/3.

What each guest wants, and the order of the guests, are drawn anew in each replicate, from a seed
and the codes alone: the same for every model (``keyed_uniforms``), so that models differ by
their lists and not by luck. Guests compete, so that their outcomes are not independent; an
interval by guest takes the other guests as given.

Legend: Q queries (one per guest), R recommended rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.evaluation.arrays import Floats, Integers
from models.evaluation.ratio_metric import RatioMetric, mean_over_searches
from models.evaluation.recommended_lists.bookings_apart import PER_GUESTS, wanting_chances
from models.evaluation.recommended_lists.keyed_uniforms import keys_of, uniforms
from models.evaluation.recommended_lists.lists import Lists

__all__ = ["BookedTogether", "Stays", "bookings_together"]

# The first code of a key says what is drawn.
_TURNS, _WANTS = 0, 1


@dataclass(frozen=True, kw_only=True)
class Stays:
    """The nights that each guest wants; a stay of nights 3 and 4 is ``first`` 3, ``end`` 5.

    Attributes:
        first_night_Q, end_night_Q: day numbers, the end excluded; equal: takes no night, and
            so never collides.

    Raises ``ValueError`` on an end before its beginning.
    """

    first_night_Q: Integers
    end_night_Q: Integers

    def __post_init__(self) -> None:
        if self.first_night_Q.shape != self.end_night_Q.shape or self.first_night_Q.ndim != 1:
            raise ValueError("stays need one first and one end night per query")
        wrong = np.flatnonzero(self.end_night_Q < self.first_night_Q)
        if len(wrong):
            raise ValueError(f"the stay of query {wrong[0]} ends before it begins")

    def night_bits(self) -> list[int]:
        """The nights of each query as bits of a number: stays with a bit in common collide.

        Only days on which some stay begins or ends tell stays apart, so a bit stands for the
        nights between two such days. Nights 1–2, 2–4 and none, of the days 1, 2, 3, 5:

        >>> stays = Stays(first_night_Q=np.array([1, 2, 5]), end_night_Q=np.array([3, 5, 5]))
        >>> [f"{bits:03b}" for bits in stays.night_bits()]
        ['011', '110', '000']
        """
        days = np.unique(np.r_[self.first_night_Q, self.end_night_Q])
        first, end = (
            np.searchsorted(days, nights).tolist()
            for nights in (self.first_night_Q, self.end_night_Q)
        )
        return [(1 << until) - (1 << since) for since, until in zip(first, end, strict=True)]


@dataclass(frozen=True, kw_only=True)
class BookedTogether:
    """Share of the replicates in which each guest books.

    Attributes:
        apart_Q: if it acted alone, under the same draws.
        together_Q: if all act; never above ``apart_Q``.
    """

    apart_Q: Floats
    together_Q: Floats

    def metrics(self) -> list[RatioMetric]:
        """Bookings per 1,000 guests, and the share of the bookings lost to collisions.

        Anna books in all replicates; Ben in half of them, alone in all: 750 per 1,000 guests,
        and 0.5 / 2 bookings are lost.

        >>> booked = BookedTogether(apart_Q=np.array([1.0, 1.0]), together_Q=np.array([1.0, 0.5]))
        >>> [(m.metric, float(m.numerator.sum() / m.denominator.sum())) for m in booked.metrics()]
        [('catalogue_bookings_together_per_1000', 750.0), ('catalogue_lost_to_collisions', 0.25)]
        """
        name = f"catalogue_bookings_together_per_{PER_GUESTS}"
        return [
            mean_over_searches(name, PER_GUESTS * self.together_Q),
            RatioMetric(
                metric="catalogue_lost_to_collisions",
                k=None,
                numerator=self.apart_Q - self.together_Q,
                denominator=self.apart_Q,
                scored=(self.apart_Q > 0).astype(np.float64),
            ),
        ]


def bookings_together(
    lists: Lists,
    value_R: Floats,
    examined_K: Floats,
    stays: Stays,
    *,
    replicates: int = 20,
    seed: int = 0,
) -> BookedTogether:
    """Let all guests act on their lists, ``replicates`` times; the module's example.

    ``value_R`` and ``examined_K`` as in :func:`wanting_chances`; all nights are unsold at
    first (what is taken already has the value 0). Models are compared with one seed and the
    same queries. Raises ``ValueError`` on a list of a query without a stay.
    """
    queries = len(stays.first_night_Q)
    if replicates < 1:
        raise ValueError(f"replicates = {replicates}: must be at least 1")
    lists.check_queries(queries)
    chance_R = wanting_chances(lists, value_R, examined_K)
    rows = lists.order[chance_R[lists.order] > 0]
    query, listing, chance = lists.query_R[rows], lists.listing_R[rows], chance_R[rows]
    wants, turns = keys_of(_WANTS, seed, query, listing), keys_of(_TURNS, seed, np.arange(queries))
    bits = stays.night_bits()
    apart_Q, together_Q = np.zeros(queries), np.zeros(queries)
    for replicate in range(replicates):
        wanted = np.flatnonzero(uniforms(wants, replicate) < chance)
        turn_Q = uniforms(turns, replicate)
        # stable: the rows of a guest stay in the order of their places
        acted = wanted[np.argsort(turn_Q[query[wanted]], kind="stable")]
        pairs = zip(query[acted].tolist(), listing[acted].tolist(), strict=True)
        # a guest who wants several listings counts once: an index list adds once per guest
        apart_Q[query[wanted]] += 1
        together_Q[_who_books(pairs, bits)] += 1
    return BookedTogether(apart_Q=apart_Q / replicates, together_Q=together_Q / replicates)


def _who_books(wanted: Iterable[tuple[int, int]], bits: list[int]) -> list[int]:
    """The guests who book, from (guest, listing) in the order in which they are tried.

    >>> _who_books([(0, 7), (1, 7), (1, 8), (1, 9)], bits=[0b011, 0b110])
    [0, 1]
    """
    sold: dict[int, int] = {}
    booked: dict[int, None] = {}
    for guest, listing in wanted:
        nights = sold.get(listing, 0)
        if guest not in booked and not nights & bits[guest]:
            booked[guest] = None
            sold[listing] = nights | bits[guest]
    return list(booked)
