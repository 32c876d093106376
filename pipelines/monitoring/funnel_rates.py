"""Rates of each day with control limits: of the funnel, and how many searches there were.

A rate is Σ y / Σ x over guests; its standard error is that of a ratio of sums over
independent guests (Cochran 1977, ch. 6), so that a guest who clicks on everything does
not make the limits narrow. Contacts and bookings are counted where they came on the day
of the search: those of yesterday's searches are as complete as those of last week's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import polars as pl

from models.evaluation.arrays import Floats
from pipelines.monitoring.config import MonitoringConfig
from pipelines.monitoring.measures import MarketDays, Measure

__all__ = ["GUEST", "funnel_rates", "per_guest_and_day", "rate_measures", "searches_per_day"]

GUEST = "_guest"
# rate → what is counted, and of what
RATES = {
    "click per impression": ("clicks", "impressions"),
    "contact per click, same day": ("contacts", "clicks"),
    "booking per click, same day": ("bookings", "clicks"),
}
# per day: the guests, and of each what is counted and of how many
Sums = Sequence[tuple[pl.Series, Floats, Floats]]


def funnel_rates(
    impressions: pl.LazyFrame, last_training: date, config: MonitoringConfig
) -> Iterator[Measure]:
    """The rates of every market and day, each beside the earlier training days."""
    present = impressions.collect_schema().names()
    sums = {"impressions": pl.len(), "clicks": (pl.col("stage") >= 1).sum()}
    for name, column in (("contacts", "contact_day"), ("bookings", "book_day")):
        if column in present:
            sums[name] = (pl.col(column) == pl.col("search_day")).sum()
    for days, parts in per_guest_and_day(impressions, sums, last_training, config):
        for name, (counted, base) in RATES.items():
            if counted in sums:
                sums_D = [(p[GUEST], p[counted].to_numpy(), p[base].to_numpy()) for p in parts]
                yield from rate_measures(days, "rate", name, sums_D, least_share=config.rate_shift)


def per_guest_and_day(
    impressions: pl.LazyFrame,
    sums: dict[str, pl.Expr],
    last_training: date,
    config: MonitoringConfig,
) -> Iterator[tuple[MarketDays, list[pl.DataFrame]]]:
    """Each market with a frame per day, whose rows are guests with these sums."""
    present = impressions.collect_schema().names()
    guest = pl.coalesce([c for c in ("id_user", "id_search") if c in present])
    grouped = impressions.group_by("market", "ds_search", guest.alias(GUEST)).agg(**sums)
    whole = grouped.sort("market", "ds_search", GUEST).collect(engine="streaming")
    for (market,), here in whole.group_by("market", maintain_order=True):
        days = MarketDays(
            market=str(market),
            days=here["ds_search"].unique().sort().to_list(),
            last_training=last_training,
            config=config,
        )
        yield days, here.partition_by("ds_search", maintain_order=True)


def rate_measures(
    days: MarketDays,
    kind: str,
    name: str,
    sums: Sums,
    *,
    least: float = 0.0,
    least_share: float = 0.0,
) -> Iterator[Measure]:
    """Σ y / Σ x, between 0 and 1, of every day with its control limits.

    The spread is the reference's, as control charts have it: a day with few events would
    understate its own. The limits lie evenly on the scale of arcsin √rate, where a rate
    near 0 or 1 varies as one in the middle does; never closer than
    ``least``, nor than ``least_share`` of the reference.
    """
    limits: dict[int, tuple[float, float, float]] = {}

    def is_odd(place: int, earlier: list[int]) -> bool | None:
        y, x = _by_guest([sums[e] for e in earlier])
        _, own_y, own_x = sums[place]
        if not x.sum() or not own_x.sum():
            return None
        centre = float(y.sum() / x.sum())
        low, high = _limits(centre, (y, x), own_x, days.config.rate_sigmas)
        reach = max(least, least_share * centre)
        limits[place] = centre, min(low, centre - reach), max(high, centre + reach)
        value = float(own_y.sum() / own_x.sum())
        return not limits[place][1] <= value <= limits[place][2]

    for place, is_flagged in days.flagged(is_odd):
        _, y, x = sums[place]
        if x.sum() == 0:
            continue
        reference, low, high = limits.get(place, (None, None, None))
        yield days.measure(
            place,
            kind=kind,
            name=name,
            value=float(y.sum() / x.sum()),
            reference=reference,
            low=None if low is None else max(0.0, low),
            high=None if high is None else min(1.0, high),
            is_flagged=is_flagged,
        )


def _by_guest(days: Sums) -> tuple[Floats, Floats]:
    """The sums over several days, a guest of many days once."""
    guests = pl.concat([guest for guest, _, _ in days])
    code = guests.rank("dense").cast(pl.Int64).to_numpy() - 1
    y, x = (np.concatenate([day[side] for day in days]) for side in (1, 2))
    sums = (np.bincount(code, weights=values).astype(np.float64) for values in (y, x))
    return next(sums), next(sums)


def _limits(
    centre: float, reference: tuple[Floats, Floats], own_x: Floats, sigmas: float
) -> tuple[float, float]:
    """Control limits of a day with these bases, around the reference's rate."""
    y, x = reference
    variance = float(np.sum((y - centre * x) ** 2)) / float(x.sum()) ** 2
    # As many independent draws as would vary this much; guests, where nothing varies.
    draws = centre * (1 - centre) / variance if variance > 0 else float(len(x))
    own_draws = draws * _effective(own_x) / _effective(x)
    middle = float(np.arcsin(np.sqrt(centre)))
    reach = sigmas * 0.5 * float(np.sqrt(1 / draws + 1 / own_draws))
    ends = np.clip([middle - reach, middle + reach], 0, np.pi / 2)
    low, high = np.sin(ends) ** 2
    # Counts are whole: one event less or more is no sign, which few events would make it.
    return float(low - 1 / own_draws), float(high + 1 / own_draws)


def searches_per_day(
    impressions: pl.LazyFrame, last_training: date, config: MonitoringConfig
) -> Iterator[Measure]:
    """Searches and impressions of every market and day."""
    counted = (
        impressions.group_by("market", "ds_search")
        .agg(searches=pl.col("id_search").n_unique(), impressions=pl.len())
        .sort("market", "ds_search")
        .collect(engine="streaming")
    )
    for (market,), here in counted.group_by("market", maintain_order=True):
        days = MarketDays(
            market=str(market),
            days=here["ds_search"].to_list(),
            last_training=last_training,
            config=config,
        )
        for name in ("searches", "impressions"):
            yield from _counts(days, name, here[name].to_numpy().astype(np.float64))


def _counts(days: MarketDays, name: str, values: Floats) -> Iterator[Measure]:
    usual: dict[int, float] = {}
    least = days.config.day_share

    def is_odd(place: int, earlier: list[int]) -> bool | None:
        usual[place] = float(values[earlier].mean())
        share = values[place] / usual[place]
        return bool(share < least or share > 1 / least)

    for place, is_flagged in days.flagged(is_odd):
        reference = usual.get(place)
        yield days.measure(
            place,
            kind="rows",
            name=name,
            value=float(values[place]),
            reference=reference,
            low=None if reference is None else reference * least,
            high=None if reference is None else reference / least,
            is_flagged=is_flagged,
        )


def _effective(x: Floats) -> float:
    """How many equally large guests would tell as much (Kish 1965)."""
    return float(x.sum() ** 2 / max(float(np.sum(x**2)), 1e-12))
