"""Null shares of the log's columns, and what was quarantined, per market and day."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

from data.readers.words import KnownWords, market_slug
from pipelines.monitoring.config import MonitoringConfig
from pipelines.monitoring.funnel_rates import GUEST, per_guest_and_day, rate_measures
from pipelines.monitoring.measures import Measure

__all__ = ["null_shares", "quarantined_rows"]

UNKNOWN = "unknown"
COLUMNS = ("query_", "listing_", "x_")


def null_shares(
    impressions: pl.LazyFrame, last_training: date, config: MonitoringConfig
) -> Iterator[Measure]:
    """Share of nulls of every optional column that has any, beside the earlier days.

    The mean over guests, each of whom counts once.
    """
    names = [c for c in impressions.collect_schema().names() if c.startswith(COLUMNS)]
    nulls = impressions.select(pl.col(names).is_null().any()).collect(engine="streaming")
    names = [name for name in names if nulls[name][0]]
    sums = {name: pl.col(name).is_null().mean() for name in names}
    for days, parts in per_guest_and_day(impressions, sums, last_training, config):
        for name in names:
            shares = [(p[GUEST], p[name].to_numpy(), np.ones(p.height)) for p in parts]
            yield from rate_measures(days, "null_share", name, shares, least=config.null_shift)


def quarantined_rows(
    quarantine: pl.DataFrame, rows_per_day: dict[tuple[str, date], int], config: MonitoringConfig
) -> Iterator[Measure]:
    """Quarantined rows by reason; day and market as far as the row itself can tell.

    A row that names neither counts for the day of its ingest and the market ``unknown``.
    """
    counts: Counter[tuple[str, date, str]] = Counter()
    markets = KnownWords((market, market) for market, _ in rows_per_day)
    for text, reasons, ingested in quarantine.select("row", "reasons", "ds_ingested").iter_rows():
        raw = json.loads(text)
        place = _market_of(raw, markets), _day_of(raw, ingested)
        for reason in reasons.split(","):
            counts[(*place, reason)] += 1
    for (market, day, reason), count in sorted(counts.items()):
        rows = rows_per_day.get((market, day), 0)
        limit = config.quarantine_share * rows
        yield Measure(
            market=market,
            ds=day,
            kind="quarantine",
            name=reason,
            value=float(count),
            high=limit,
            is_flagged=count > limit,
        )


def _market_of(raw: dict[str, object], markets: KnownWords[str]) -> str:
    word = str(raw.get("query_market") or "")
    # a market that no mapping lists is named by a slug that its own word alone gives
    return markets.meaning(market_slug(word) or "") or markets.meaning(word) or UNKNOWN


def _day_of(raw: dict[str, str | None], ingested: date) -> date:
    for name in ("ds_search", "ts_search"):
        try:
            return date.fromisoformat(str(raw.get(name))[:10])
        except ValueError:
            continue
    return ingested
