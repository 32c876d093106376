"""Searches in which one order of the results is better than another, and the others counted.

A ranking metric leaves out, whatever the model,

- a search of one result;
- a search whose results were all acted on alike: all booked, or for graded NDCG all clicked
  (without any outcome it has no value anyway);
- where it asks only which results are among the first k (recall, hit rate, precision), a
  search of at most k results: there all of them always are. NDCG looks at the places too.

Each would add the same 1 to every model: on a log of nothing else every model is perfect, in
an interval of zero width. The honesty panel counts them (:class:`OrderableSearches`).

Legend: N rows, S searches, P rows with a gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.counted import counted
from data.schema.tables import BOOKED
from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers
from models.evaluation.config import EvaluationConfig

__all__ = ["OrderableSearches", "in_orderable_searches"]

_CANNOT = "whose results cannot be ordered better or worse"


def in_orderable_searches(arranged: ArrangedRows, rows: Integers, gains: Floats) -> Integers:
    """Those of the rows whose search can be ordered better or worse by these gains.

    ``rows`` are the arranged rows with a gain above 0, ascending; all others have none. A
    search in which every row has the same gain cannot be ordered better, and one of a single
    row is such a search. Of three searches, the first shows one listing; in the second both
    are booked, in the third one of two:

    >>> import pyarrow as pa
    >>> from models.evaluation.arranged_rows import arrange_rows
    >>> searches, listings = ["a", "b", "b", "c", "c"], ["x", "x", "y", "x", "y"]
    >>> rows = {"id_search": searches, "id_listing": listings, "stage": [3, 3, 3, 3, 0]}
    >>> arranged = arrange_rows(pa.table(rows))
    >>> booked = in_orderable_searches(arranged, arranged.reached(BOOKED), np.ones(4))
    >>> [searches[row] for row in arranged.order[booked]]
    ['c']
    """
    if not len(rows):
        return rows
    search = arranged.search[rows]
    starts = np.flatnonzero(np.r_[True, search[1:] != search[:-1]])
    is_alike = np.minimum.reduceat(gains, starts) == np.maximum.reduceat(gains, starts)
    has_all = np.diff(np.r_[starts, len(rows)]) == arranged.sizes[search[starts]]
    cannot = np.zeros(arranged.searches, dtype=bool)
    cannot[search[starts]] = is_alike & has_all
    return rows[~cannot[search]]


@dataclass(frozen=True, kw_only=True)
class OrderableSearches:
    """How many searches can be ordered better or worse, and why the others cannot.

    Attributes:
        searches: of the split.
        of_one_result: that show one listing.
        not_booked, not_acted: of several results, none of them booked; none with a utility.
        by_bookings, by_actions: that the booking metrics score; that graded NDCG scores.
        within_k: cut-off → searches scored by bookings that show no more results than it.
    """

    searches: int
    of_one_result: int
    not_booked: int
    not_acted: int
    by_bookings: int
    by_actions: int
    within_k: dict[int, int]

    @staticmethod
    def of(
        arranged: ArrangedRows, config: EvaluationConfig, *, booked: Integers, graded: Integers
    ) -> OrderableSearches:
        """The counts; ``booked`` and ``graded``: rows left by :func:`in_orderable_searches`."""
        has_several = arranged.sizes > 1
        furthest = np.maximum.reduceat(arranged.stage, arranged.starts)
        utility = np.asarray(config.utilities)[furthest]
        sizes_scored = arranged.sizes[np.unique(arranged.search[booked])]
        return OrderableSearches(
            searches=arranged.searches,
            of_one_result=int((~has_several).sum()),
            not_booked=int((has_several & (furthest < BOOKED)).sum()),
            not_acted=int((has_several & (utility == 0)).sum()),
            by_bookings=len(sizes_scored),
            by_actions=len(np.unique(arranged.search[graded])),
            within_k={k: int((sizes_scored <= k).sum()) for k in config.ks},
        )

    def left_out(self) -> dict[str, int]:
        """Which searches, and from what → how many; to be read after ``7 searches``."""
        of_several = self.searches - self.of_one_result
        return {
            "with one result, from every ranking metric": self.of_one_result,
            "without a booking, from the booking metrics": self.not_booked,
            f"{_CANNOT} (all booked), from the booking metrics": (
                of_several - self.not_booked - self.by_bookings
            ),
            "without any action, from graded NDCG": self.not_acted,
            f"{_CANNOT} (all acted on alike), from graded NDCG": (
                of_several - self.not_acted - self.by_actions
            ),
        } | {
            f"with a booking among at most {k} results, from recall, hit rate and precision "
            f"at {k}": count
            for k, count in self.within_k.items()
        }

    def nothing_ranked(self) -> str:
        """The sentence that says why nothing can be ranked; empty where something can."""
        if self.by_bookings or self.by_actions:
            return ""
        alike = self.searches - self.of_one_result - self.not_acted
        reasons = (
            (self.of_one_result, "with one result"),
            (self.not_acted, "without any action"),
            (alike, "with the same action on every result"),
        )
        named = (f"{counted(count, 'search')} {words}" for count, words in reasons if count)
        return f"nothing can be ranked: {', '.join(named)}"
