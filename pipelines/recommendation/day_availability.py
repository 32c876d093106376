"""P(free) of any listing for any query of the day, and how fresh the evidence is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from data.schema.time import DAY_S
from models.arrow_columns import Codes, Numbers
from models.availability.availability_model import AvailabilityModel, typical_stays
from models.availability.night_evidence import MOST_NIGHTS, NightEvidence
from pipelines.candidates.candidate_rows import CandidateSource
from pipelines.candidates.stay_log import has_stays, listings_of, read_stay_log

__all__ = ["DayAvailability", "day_availability"]

_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class DayAvailability:
    """What the log tells of free nights on the morning of a day.

    Attributes:
        morning_s: the second at which the day begins.
        checkin_Q, checkout_Q: of each query, days since 1970; -1 for a dateless one.
        is_dated_Q: queries with nights that lie ahead.
        is_dateless_Q: queries without dates. One whose check-in has passed is neither.
        model, seen: ``None`` where the log cannot tell.
        prior_L: P(free) of each listing for a stay that guests of its market ask for.
    """

    morning_s: int
    checkin_Q: Codes
    checkout_Q: Codes
    is_dated_Q: np.ndarray
    is_dateless_Q: np.ndarray
    model: AvailabilityModel | None
    seen: NightEvidence | None
    prior_L: Numbers

    def of_pairs(self, query_P: Codes, listing_P: Codes) -> Numbers:
        """P(free) of each pair; NaN where nothing is known of it."""
        free_P = np.where(self.is_dateless_Q[query_P], self.prior_L[listing_P], np.nan)
        at = np.flatnonzero(self.is_dated_Q[query_P])
        if self.model is not None and self.seen is not None and len(at):
            query = query_P[at]
            stay = (self.checkin_Q[query], self.checkout_Q[query])
            free_P[at] = self.model.probabilities(self.seen, listing_P[at], *stay)
        return free_P

    def hours_since_shown(self, query_P: Codes, listing_P: Codes) -> Numbers:
        """Hours before the day at which all asked nights were last known to be free.

        NaN where one of them was never shown, and for queries without nights that lie ahead.
        """
        hours_P = np.full(len(query_P), np.nan)
        at = np.flatnonzero(self.is_dated_Q[query_P])
        if self.seen is not None and len(at):
            query = query_P[at]
            stay = (self.checkin_Q[query], self.checkout_Q[query])
            second = self.seen.last_shown(listing_P[at], *stay)
            hours_P[at] = np.where(
                second >= 0, (self.morning_s - second) / _SECONDS_PER_HOUR, np.nan
            )
        return hours_P


def day_availability(
    before: pl.LazyFrame,
    source: CandidateSource,
    day: int,
    model: AvailabilityModel | None,
    *,
    seed: int,
) -> DayAvailability:
    """Of the queries of ``source`` on the morning of ``day``; ``before`` is the log until then."""
    queries = source.queries
    checkin, checkout = (_days(queries, name) for name in ("checkin_day", "checkout_day"))
    is_dateless = (checkin < 0) | (checkout <= checkin)
    is_dated = ~is_dateless & (checkin >= day)
    seen, prior = None, np.full(source.catalogue.height, np.nan)
    if model is not None and has_stays(before):
        log, listings = read_stay_log(before, source.catalogue), listings_of(source.catalogue)
        last = max(int(checkout.max(initial=day)), int(log.searches.checkout_S.max(initial=day)))
        seen = NightEvidence.of(
            log.before(day * DAY_S),
            listings,
            first_night=day,
            nights=min(MOST_NIGHTS, last - day + 1),
        )
        markets = int(listings.market_L.max(initial=0)) + 1
        prior = model.of_typical_stays(seen, typical_stays(log.searches, markets, day, seed=seed))
    return DayAvailability(
        morning_s=day * DAY_S,
        checkin_Q=checkin,
        checkout_Q=checkout,
        is_dated_Q=is_dated,
        is_dateless_Q=is_dateless,
        model=model,
        seen=seen,
        prior_L=prior,
    )


def _days(queries: pl.DataFrame, name: str) -> Codes:
    if name not in queries.columns:
        return np.full(queries.height, -1)
    return queries[name].cast(pl.Int64).fill_null(-1).to_numpy()
