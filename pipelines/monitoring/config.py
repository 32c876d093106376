"""The limits beyond which a day is flagged: section ``[monitoring]`` of ``stayrank.toml``."""

from __future__ import annotations

from dataclasses import dataclass

from data.ranges import ABOVE_0, AT_LEAST_1, Range, refuse_outside
from pipelines.config.settings import Settings
from pipelines.run_context import config_of

__all__ = ["MonitoringConfig", "monitoring_config"]


@dataclass(frozen=True, kw_only=True)
class MonitoringConfig:
    """Limits of :mod:`pipelines.monitoring`.

    A day is compared with the days of the training window that lie before it and were not
    flagged themselves, so that a shock is flagged when it comes and never becomes the norm.

    Attributes:
        bins: of a number, at the quantiles of the training window.
        categories: of a category, the most frequent ones; the rest is one bin.
        psi: population stability index from which a shift matters (0.1 is the usual
            border of a moderate one), …
        psi_of_queries: the same for what guests ask, which weekends, seasons and feasts move
            without anything being wrong (0.2 is the usual border of a large shift), …
        confidence: … where chance, drawing as many guests, stays below it this surely.
        rate_sigmas: standard errors from the reference to a rate's control limits.
        rate_shift: change of a rate, as a share of the reference, that matters: with very
            many guests an ordinary weekend lies outside any control limit.
        null_shift: change of a column's null share that matters.
        day_share: a day with less than this share of the usual searches is odd, as is one
            with more than its reciprocal.
        quarantine_share: share of a day's rows in quarantine that matters.
        rows_per_day: whole searches are sampled to about these many rows of a market's
            day before features are compared.
    """

    bins: int = 10
    categories: int = 20
    psi: float = 0.1
    psi_of_queries: float = 0.2
    confidence: float = 0.9999999
    rate_sigmas: float = 4.0
    rate_shift: float = 0.6
    null_shift: float = 0.1
    day_share: float = 0.5
    quarantine_share: float = 0.02
    rows_per_day: int = 20_000

    def __post_init__(self) -> None:
        counts = dict.fromkeys(("bins", "categories", "rows_per_day"), AT_LEAST_1)
        limits = ("psi", "psi_of_queries", "rate_sigmas", "rate_shift", "null_shift")
        shares = ("confidence", "day_share", "quarantine_share")
        inside = dict.fromkeys(shares, Range(above=0, below=1))
        refuse_outside(self, {**counts, **dict.fromkeys(limits, ABOVE_0), **inside})


def monitoring_config(settings: Settings) -> MonitoringConfig:
    """The limits that the settings say; raises ``SettingsError`` naming what is unsound."""
    return config_of(MonitoringConfig, "monitoring", dict(settings.monitoring), settings.written)
