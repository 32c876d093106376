"""Team-draft interleaving: two orders share one page, and clicks say which is preferred.

Radlinski, Kurup & Joachims (2008): in each round a coin decides who picks first; each
side adds its best listing that is not yet on the page, and a click counts for the side
that added the listing. A side wins a search when its listings get more clicks.

The first order is 0 1 2 3, the second 1 3 0 2. The coin lets the second begin the first
round and the first begin the second round:

    round  second picks  first picks       page  1  0  2  3
      1         1             0            team  2  1  1  2
      2         3             2

Clicks on 0 and 2 are two for the first, none for the second: the first wins the search. Over
all searches with a click,

    share = (wins of the first + ties / 2) / searches with a click − 1/2

Two wins, no defeat and a tie give 2.5 / 3 − 1/2 = 0.33; 0 says that neither is preferred.

Legend: S searches, W rows of the longest search, k places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data.ranges import AT_LEAST_1, Range, refuse_outside
from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers, Mask
from models.evaluation.significance import (
    Interval,
    bootstrap_sums,
    percentile_interval,
    ratio,
    sums_by_cluster,
)

__all__ = ["Clicks", "InterleavingConfig", "Preference", "interleave", "team_draft"]

Clicks = Callable[[Integers], Mask]
"""Arranged rows on each page (S, k), -1 past the end → which were clicked (S, k)."""


@dataclass(frozen=True, kw_only=True)
class InterleavingConfig:
    """Settings: places of the page; bootstrap over guests."""

    k: int = 10
    replicates: int = 1_000
    confidence: float = 0.95

    def __post_init__(self) -> None:
        counts = dict.fromkeys(("k", "replicates"), AT_LEAST_1)
        refuse_outside(self, {**counts, "confidence": Range(above=0, below=1)})


@dataclass(frozen=True, kw_only=True)
class Preference:
    """Which of two orders the clicks prefer.

    Attributes:
        share: (wins of the first + half the ties) / searches with a click, minus a half:
            above 0 when the first is preferred; NaN without any click.
        wins_first, wins_second, ties: searches with a click, by outcome.
        searches: all searches, with and without a click.
    """

    share: Interval
    wins_first: int
    wins_second: int
    ties: int
    searches: int


def team_draft(
    first: Integers, second: Integers, *, k: int, rng: np.random.Generator
) -> tuple[Integers, Integers]:
    """The page of each search and who added each place.

    ``first`` and ``second`` are orders, the columns of a search's rows best first, shape
    (S, W), -1 past the end. Returns the page (S, k), -1 past the end, and the team (S, k),
    0 for the first, 1 for the second.

    The example above (with this seed the coin falls on the second, then on the first):

    >>> first, second = np.array([[0, 1, 2, 3]]), np.array([[1, 3, 0, 2]])
    >>> page, team = team_draft(first, second, k=4, rng=np.random.default_rng(2))
    >>> page.tolist(), team.tolist()
    ([[1, 0, 2, 3]], [[1, 0, 0, 1]])
    """
    searches, width = first.shape
    orders = np.stack([first, second])
    every = np.arange(searches)
    # one column more, for the -1 past the end of a short search: it is never taken, and where
    # it is the best free one the page gets a -1
    is_taken = np.zeros((searches, width + 1), dtype=bool)
    page = np.full((searches, k), -1, dtype=np.int64)
    team = np.zeros((searches, k), dtype=np.int64)
    leader = np.zeros(searches, dtype=np.int64)
    for place in range(k):
        is_new_round = place % 2 == 0
        leader = rng.integers(0, 2, searches) if is_new_round else 1 - leader
        order = orders[leader, every]
        is_free = ~np.take_along_axis(is_taken, order, axis=1)
        best = order[every, is_free.argmax(axis=1)]
        best = np.where(is_free.any(axis=1), best, -1)
        page[:, place], team[:, place] = best, leader
        filled = best >= 0
        is_taken[every[filled], best[filled]] = True
    return page, team


def interleave(
    arranged: ArrangedRows,
    ranks: tuple[Integers, Integers],
    clicks: Clicks,
    *,
    rng: np.random.Generator,
    config: InterleavingConfig | None = None,
) -> Preference:
    """Interleave two models' orders in every search and count who is preferred.

    ``clicks`` answers a page, as the simulator's guests would; it holds its own chance.
    """
    config = config or InterleavingConfig()
    width = int(arranged.sizes.max())
    # team_draft works on columns of a search, clicks on arranged rows
    orders = [_within(arranged, arranged.top(order, width)) for order in ranks]
    page, team = team_draft(orders[0], orders[1], k=config.k, rng=rng)
    rows = np.where(page >= 0, page + arranged.starts[:, None], -1)
    clicked = clicks(rows) & (rows >= 0)
    credit = (clicked & (team == 0)).sum(axis=1) - (clicked & (team == 1)).sum(axis=1)
    has_click = clicked.any(axis=1)
    won = np.where(has_click, (np.sign(credit) + 1) / 2, 0.0)
    return Preference(
        share=_share(
            arranged, np.asarray(won), np.asarray(has_click, dtype=np.float64), rng, config
        ),
        wins_first=int((credit > 0).sum()),
        wins_second=int((credit < 0).sum()),
        ties=int((has_click & (credit == 0)).sum()),
        searches=arranged.searches,
    )


def _within(arranged: ArrangedRows, rows: Integers) -> Integers:
    """Arranged rows as columns of their search, -1 past the end."""
    return np.where(rows >= 0, rows - arranged.starts[:, None], -1)


def _share(
    arranged: ArrangedRows,
    won: Floats,
    counted: Floats,
    rng: np.random.Generator,
    config: InterleavingConfig,
) -> Interval:
    sums = sums_by_cluster(np.stack([won, counted], axis=1), arranged.cluster, arranged.clusters)
    drawn = ratio(*bootstrap_sums(sums[:, :1], sums[:, 1:], replicates=config.replicates, rng=rng))
    value = ratio(sums[:, :1].sum(axis=0), sums[:, 1:].sum(axis=0))
    return percentile_interval(
        float(value[0]) - 0.5, drawn[:, 0] - 0.5, confidence=config.confidence
    )
