"""How far each feature's distribution has moved: the population stability index.

    PSI = Σ over bins of (p − q) · ln(p / q)

with p the day's share of a bin and q the reference's (Siddiqi 2006; twice the symmetrised
Kullback–Leibler divergence). Every guest of a day counts once, whether with two rows or
two hundred: a single busy guest is no drift.

To second order it is Σ (p − q)² / q, so what chance alone makes of it follows from the
covariance of the shares over guests; the sum of weighted chi-squares is matched by a scaled
one (Rao & Scott 1981). A feature of the query, the same in all rows of a guest, so gets a
wider limit than one of the listings. Bins with hardly a guest are pooled: there the
approximation fails.

Worked example, two bins: on training days 100 guests have shares (0.5, 0.5), today 100 guests
have (0.7, 0.3). PSI = 0.2 · ln(0.7 / 0.5) − 0.2 · ln(0.3 / 0.5) = 0.067 + 0.102 = 0.17: above the
usual 0.1, so it is asked whether chance alone could make it of 100 guests.

Legend: D days, B bins, G guests, C cells (a guest on a day).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from scipy.stats import chi2

from data.schema.feature_set import Feature, FeatureSet
from models.evaluation.arrays import Floats, Integers, Mask
from pipelines.monitoring.config import MonitoringConfig
from pipelines.monitoring.measures import MarketDays, Measure

__all__ = ["feature_drift", "psi"]

# A share of 0 would make the logarithm infinite; half a guest stands in its place.
HALF_A_GUEST = 0.5
FEWEST_GUESTS = 5.0


def psi(day_B: Floats, reference_B: Floats) -> float:
    """The index of two rows of counts.

    99 and 1 against 1 and 99: about 2 · 0.98 · ln 99, a little less for the half ones.

    >>> round(psi(np.array([99.0, 1.0]), np.array([1.0, 99.0])), 2)
    8.14
    """
    p = (day_B + HALF_A_GUEST) / (day_B + HALF_A_GUEST).sum()
    q = (reference_B + HALF_A_GUEST) / (reference_B + HALF_A_GUEST).sum()
    return float(np.sum((p - q) * np.log(p / q)))


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """The rows of a market by guest and day.

    Attributes:
        of_row: cell of each row; shape (N,).
        day, guest: of each cell; shape (C,).
        days, guests: how many there are.
    """

    of_row: Integers
    day: Integers
    guest: Integers
    days: int
    guests: int

    @classmethod
    def of(cls, rows: pl.DataFrame) -> _Cells:
        own = [c for c in ("id_user", "id_search") if c in rows.columns]
        guest = _codes(rows.select(pl.coalesce(own)).to_series())
        day = _codes(rows["ds_search"])
        guests, days = int(guest.max()) + 1, int(day.max()) + 1
        codes = day * guests + guest
        cells, of_row = np.unique(codes, return_inverse=True)
        return cls(
            of_row=of_row, day=cells // guests, guest=cells % guests, days=days, guests=guests
        )

    def shares(self, bins: Integers) -> Floats:
        """Share of each cell's rows in each bin; shape (C, B), each row adds up to 1."""
        width = int(bins.max()) + 1
        flat = np.bincount(self.of_row * width + bins, minlength=len(self.day) * width)
        counts_CB = flat.reshape(-1, width).astype(np.float64)
        return np.asarray(counts_CB / counts_CB.sum(axis=1, keepdims=True))


def _codes(values: pl.Series) -> Integers:
    """0, 1, … in the order of the values; there are no nulls."""
    return np.asarray(values.rank("dense").cast(pl.Int64).to_numpy() - 1)


def feature_drift(
    rows: pl.DataFrame, features: FeatureSet, last_training: date, config: MonitoringConfig
) -> Iterator[Measure]:
    """PSI of every feature, market by market and day by day.

    ``rows`` have ``market``, ``ds_search``, ``id_search``, the features, and ``id_user``
    where guests are known. No limit is set for features of a past (``is_history``: in a log of
    days they grow with it) and those that only say which day it is.
    """
    for (market,), here in rows.sort("ds_search").group_by("market", maintain_order=True):
        days = MarketDays(
            market=str(market),
            days=here["ds_search"].unique().sort().to_list(),
            last_training=last_training,
            config=config,
        )
        cells = _Cells.of(here)
        training = (here["ds_search"] <= last_training).to_numpy()
        for feature in features:
            bins = _bins(here[feature.name], feature, training, config)
            yield from _drift_of(days, feature, cells, cells.shares(bins))


def _drift_of(
    days: MarketDays, feature: Feature, cells: _Cells, share_CB: Floats
) -> Iterator[Measure]:
    psi_and_limit: dict[int, tuple[float, float | None]] = {}
    guests_DB = np.stack([share_CB[cells.day == d].sum(axis=0) for d in range(cells.days)])
    says_the_day = cells.days > 1 and bool(((guests_DB > 0).sum(axis=1) == 1).all())
    is_one_value = int((guests_DB.sum(axis=0) > 0).sum()) == 1
    has_limit = not feature.is_history and (not says_the_day or is_one_value)
    is_of_query = feature.group == "query"
    border = days.config.psi_of_queries if is_of_query else days.config.psi

    def is_odd(place: int, earlier: list[int]) -> bool | None:
        pooled = _pooling(guests_DB, place, earlier)
        value = psi(guests_DB[place] @ pooled, guests_DB[earlier].sum(axis=0) @ pooled)
        limit = None
        # A shift too small to matter needs no test of chance, which costs a covariance.
        if has_limit:
            limit = border
            if value > limit:
                factor = _chance(cells, share_CB @ pooled, (place, earlier), days.config)
                limit = max(limit, value * factor)
        psi_and_limit[place] = value, limit
        return None if limit is None else value > limit

    for place, is_flagged in days.flagged(is_odd):
        if place in psi_and_limit:
            value, limit = psi_and_limit[place]
            yield days.measure(
                place, kind="psi", name=feature.name, value=value, high=limit, is_flagged=is_flagged
            )


def _pooling(guests_DB: Floats, place: int, earlier: list[int]) -> Floats:
    """Which bin each bin becomes: those with too few guests become one; shape (B, K)."""
    together_B = guests_DB[place] + guests_DB[earlier].sum(axis=0)
    expected_B = together_B / together_B.sum() * guests_DB[place].sum()
    is_kept = expected_B >= FEWEST_GUESTS
    columns = [np.eye(len(is_kept))[:, is_kept]]
    if not is_kept.all():
        columns.append((~is_kept).astype(np.float64)[:, None])
    return np.hstack(columns)


def _chance(
    cells: _Cells, share_CB: Floats, sides: tuple[int, list[int]], config: MonitoringConfig
) -> float:
    """How much of the shift chance could make, at most; above 1 all of it.

    The shift is taken as Σ (p − q)² / mean, which PSI is to second order: where a bin is
    empty the logarithm exaggerates, and chance would have to be measured by it too.
    """
    place, earlier = sides
    day_GB = _by_guest(cells, share_CB, [place])
    reference_GB = _by_guest(cells, share_CB, earlier)
    together_B = reference_GB.sum(axis=0) + day_GB.sum(axis=0)
    used = together_B > 0
    share_B = together_B[used] / together_B.sum()
    day_GB, reference_GB = day_GB[:, used], reference_GB[:, used]
    p, q = (side.sum(axis=0) / side.sum() for side in (day_GB, reference_GB))
    shift = float(np.sum((p - q) ** 2 / share_B))
    covariance = _covariance(day_GB, share_B) + _covariance(reference_GB, share_B)
    scaled = covariance / np.sqrt(np.outer(share_B, share_B))
    trace, square = float(np.trace(scaled)), float(np.sum(scaled**2))
    if trace <= 0 or square <= 0 or shift <= 0:
        return 0.0
    return square / trace * float(chi2.ppf(config.confidence, trace**2 / square)) / shift


def _by_guest(cells: _Cells, share_CB: Floats, days: list[int]) -> Floats:
    """What each guest adds to each bin over some days; shape (G, B)."""
    chosen = np.isin(cells.day, days)
    total_GB = np.zeros((cells.guests, share_CB.shape[1]))
    np.add.at(total_GB, cells.guest[chosen], share_CB[chosen])
    return total_GB


def _covariance(counts_GB: Floats, share_B: Floats) -> Floats:
    """Covariance of the shares of a sample of guests, as a ratio of sums over guests."""
    residual_GB = counts_GB - counts_GB.sum(axis=1, keepdims=True) * share_B
    return np.asarray((residual_GB.T @ residual_GB) / counts_GB.sum() ** 2)


def _bins(
    values: pl.Series, feature: Feature, training: Mask, config: MonitoringConfig
) -> Integers:
    """The bin of each row; null has the last one."""
    if feature.kind == "number":
        return _number_bins(values.cast(pl.Float64).to_numpy(), training, config.bins)
    words = values.cast(pl.String)
    counted = words.filter(pl.Series(training)).drop_nulls().value_counts(sort=True)
    ranked = counted.sort("count", values.name, descending=[True, False])
    frequent = ranked[values.name].head(config.categories).to_list()
    codes = {word: place for place, word in enumerate(frequent)}
    # The bin after the frequent words holds all others, the one after that the nulls.
    coded = words.replace_strict(codes, default=len(frequent), return_dtype=pl.Int64)
    is_null = words.is_null().to_numpy()
    codes_N = coded.fill_null(len(frequent)).to_numpy()
    return np.asarray(np.where(is_null, len(frequent) + 1, codes_N))


def _number_bins(numbers: Floats, training: Mask, bins: int) -> Integers:
    known = np.isfinite(numbers)
    learnt = numbers[known & training] if (known & training).any() else numbers[known]
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    edges = np.unique(np.quantile(learnt, inner)) if len(learnt) else np.empty(0)
    place = np.searchsorted(edges, np.where(known, numbers, 0.0), side="left")
    return np.asarray(np.where(known, place, len(edges) + 1))
