"""How complete the labels are: contacts and bookings that are still to come.

A booking made three days after its search is not in a log that ends the day after that
search. How long outcomes take is estimated from the log itself, which holds only the
delays short enough to be seen: right truncation. The estimator is the reverse-hazard
product (Lagakos, Barraj & De Gruttola 1988), which on daily counts is the chain ladder
of insurance (Mack 1993):

    F(d) = Π over j > d of (1 − n_j / N_j)

with n_j outcomes of delay j, among N_j outcomes of delay at most j whose search was made
at least j days before the log's end, so that delay j could have been seen.

Three days of a log that ends with the third; bookings by day of search and delay in days,
``·`` where the delay would lie after the log's end:

    search on   delay 0   1   2       upto 0    upto 1    upto 2
    day 0          40    10  10         40        50        60
    day 1          50    10   ·         50        60         ·
    day 2          60     ·   ·         60         ·         ·

Delay 2 could only be seen of day 0: n_2 = 10 of N_2 = 60. Delay 1 could be seen of days 0 and
1: n_1 = 20 of N_1 = 110. The chain ladder's development factors are 60/50 from delay 1 to 2 and
110/90 from 0 to 1, and 1 − n_j / N_j is their inverse:

    F(2) = 1     F(1) = 50/60 = 0.833     F(0) = 50/60 · 90/110 = 0.682

So day 2 has 68% of its final bookings: of 60 seen, 60 / 0.682 = 88 will have come in the end. The
share of delay 0 among all bookings seen, 150/180 = 83%, would be too high.

>>> searched = np.repeat([0, 0, 0, 1, 1, 2], [40, 10, 10, 50, 10, 60])
>>> delays = np.repeat([0, 1, 2, 0, 1, 0], [40, 10, 10, 50, 10, 60])
>>> share, _ = delay_distribution(delays, 2 - searched, 2)
>>> share.round(3).tolist()
[0.682, 0.833, 1.0]
>>> log = pa.table({"search_day": searched, "book_day": searched + delays})
>>> [(day.observed, round(day.expected)) for day in label_maturity(log)]
[(60, 60), (60, 72), (60, 88)]

A log of D+1 days says nothing about delays beyond D days: F is the share *of the outcomes
that come within D days*, an upper bound of the true share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtri

from data.schema.time import date_of
from models.evaluation.arrays import Floats, Integers

__all__ = [
    "DayMaturity",
    "MaturityConfig",
    "delay_distribution",
    "label_maturity",
    "maturity_warning",
    "window_maturity",
]

OUTCOME_DAYS: dict[str, str] = {"contact": "contact_day", "book": "book_day"}


@dataclass(frozen=True, kw_only=True)
class MaturityConfig:
    """Settings: ``confidence`` of the interval; below ``enough`` a window is immature."""

    confidence: float = 0.95
    enough: float = 0.8

    def __post_init__(self) -> None:
        if not (0 < self.confidence < 1 and 0 < self.enough <= 1):
            raise ValueError(f"not shares between 0 and 1: {self}")


@dataclass(frozen=True, kw_only=True)
class DayMaturity:
    """The outcomes of one kind of the searches of one day.

    Attributes:
        outcome: ``contact`` or ``book``.
        search_day: days since 1970.
        observed: outcomes that the log holds.
        completeness: estimated share of the final outcomes that the log holds, with
            ``low`` and ``high``; NaN where no outcome is old enough to estimate it.
        expected: estimated final number, ``observed / completeness``; NaN likewise.
    """

    outcome: str
    search_day: int
    observed: int
    completeness: float
    low: float
    high: float
    expected: float


def delay_distribution(delays: Integers, horizons: Integers, last: int) -> tuple[Floats, Floats]:
    """F(d) for d = 0..last, and the standard error of log F; both of shape (last + 1,).

    ``delays`` are days from search to outcome, ``horizons`` days from search to the log's
    end, one per outcome seen; ``last`` is the longest horizon. NaN at every d where N_j is 0
    for a longer delay j: no outcome tells how many take so long. Raises ``ValueError`` where
    a delay is negative or beyond its horizon.

    The error is Greenwood's: its square is Σ over j > d of n_j / (N_j · (N_j − n_j)).

    Searches of yesterday: 2 outcomes at once, 2 a day later. Searches of today: 3 at once.
    Only yesterday's could show delay 1, and half of them did: F(0) = 1/2.

    >>> share, _ = delay_distribution(
    ...     np.array([0, 0, 1, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 0, 0, 0]), 1
    ... )
    >>> share.tolist()
    [0.5, 1.0]
    """
    if (delays < 0).any() or (delays > horizons).any():
        raise ValueError("an outcome lies before its search or after the end of the log")
    size = last + 1
    cells = np.bincount(horizons * size + delays, minlength=size * size)
    # the triangle of the example above, upside down: horizon 0 is the log's last day
    count_HD = cells.reshape(size, size)
    could_show_HD = np.arange(size)[:, None] >= np.arange(size)[None, :]
    new_D = np.where(could_show_HD, count_HD, 0).sum(axis=0).astype(np.float64)
    upto_D = np.where(could_show_HD, count_HD.cumsum(axis=1), 0).sum(axis=0).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor_D = 1 - new_D / upto_D
        variance_D = new_D / (upto_D * (upto_D - new_D))
        # F(d) multiplies the factors of the delays above d: from the far end, without delay 0
        share = np.r_[np.cumprod(factor_D[:0:-1])[::-1], 1.0]
        error = np.sqrt(np.r_[np.cumsum(variance_D[:0:-1])[::-1], 0.0])
    return share, error


def label_maturity(
    rows: pa.Table, *, observed_through: int | None = None, config: MaturityConfig | None = None
) -> list[DayMaturity]:
    """Completeness of contacts and bookings for the searches of each day.

    ``rows`` are impressions of the whole log, with ``search_day`` and whichever of
    ``contact_day`` and ``book_day`` the log has; labels as the log has them, not cut at a
    training date. ``observed_through`` is the last day whose outcomes are in the log; by
    default the latest day that any column names.
    """
    config = config or MaturityConfig()
    present = {name: c for name, c in OUTCOME_DAYS.items() if c in rows.column_names}
    if not present or rows.num_rows == 0:
        return []
    last_seen = [pc.max(rows[c]).as_py() for c in ("search_day", *present.values())]
    through = observed_through
    if through is None:
        through = max(day for day in last_seen if day is not None)
    days = np.unique(np.asarray(rows["search_day"].combine_chunks()))
    maturity = []
    for outcome, column in present.items():
        maturity += _of_outcome(rows, outcome, column, days=days, through=through, config=config)
    return maturity


def _of_outcome(
    rows: pa.Table,
    outcome: str,
    column: str,
    *,
    days: Integers,
    through: int,
    config: MaturityConfig,
) -> list[DayMaturity]:
    seen = rows.select(["search_day", column]).filter(pc.less_equal(rows[column], through))
    searched = np.asarray(seen["search_day"].combine_chunks(), dtype=np.int64)
    happened = np.asarray(seen[column].combine_chunks(), dtype=np.int64)
    # the earliest day with an outcome; those before it say nothing about longer delays
    last = int((through - searched).max()) if len(searched) else 0
    share, error = delay_distribution(happened - searched, through - searched, last)
    reach = float(ndtri((1 + config.confidence) / 2))
    maturity = []
    for day in days.tolist():
        horizon = min(max(through - day, 0), last)
        complete = float(share[horizon])
        # the error is that of log F: the interval is a factor to both sides
        factor = float(np.exp(reach * error[horizon])) if np.isfinite(error[horizon]) else np.inf
        observed = int((searched == day).sum())
        maturity.append(
            DayMaturity(
                outcome=outcome,
                search_day=int(day),
                observed=observed,
                completeness=complete,
                low=complete / factor,
                high=min(complete * factor, 1.0) if complete > 0 else 1.0,
                expected=observed / complete if complete > 0 else float("nan"),
            )
        )
    return maturity


def window_maturity(
    maturity: Sequence[DayMaturity], window: tuple[int, int], *, outcome: str = "book"
) -> float | None:
    """Share of the window's final outcomes that the log holds; ``None`` when unknown.

    ``window`` is the first and last search day, both included. With the 60 of 60, 60 of 72
    and 60 of 88 bookings of the example above, the share of all three days is 180 / 220.
    """
    inside = [
        day
        for day in maturity
        if day.outcome == outcome and window[0] <= day.search_day <= window[1]
    ]
    expected = sum(day.expected for day in inside)
    if not inside or not np.isfinite(expected) or expected == 0:
        return None
    return sum(day.observed for day in inside) / expected


def maturity_warning(
    maturity: Sequence[DayMaturity],
    window: tuple[int, int],
    *,
    config: MaturityConfig | None = None,
) -> str | None:
    """A sentence where less than ``config.enough`` of the window's outcomes has come."""
    config = config or MaturityConfig()
    words = {"contact": "contacts", "book": "bookings"}
    first, last = (date_of(day).isoformat() for day in window)
    immature = []
    for outcome, word in words.items():
        share = window_maturity(maturity, window, outcome=outcome)
        if share is not None and share < config.enough:
            immature.append(f"{share:.0%} of the {word}")
    if not immature:
        return None
    return (
        f"the searches of {first}..{last} are immature: the log holds about "
        f"{' and '.join(immature)} that will come; late ones count as no booking"
    )
