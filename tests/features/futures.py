"""Logs that go on differently after a time: what a leak would show."""

from __future__ import annotations

from collections.abc import Collection

import hypothesis.strategies as st
import polars as pl
from hypothesis import HealthCheck, settings

from tests.features.worlds import (
    DAY_S,
    local_days,
    on_clocks,
    random_impressions,
    with_known_s,
)

__all__ = ["KINDS", "LENIENT", "SOME_KINDS", "with_another_future"]

KINDS = ("altered", "deleted", "added", "outcomes", "dates", "alone", "shuffled")
SOME_KINDS = st.sets(st.sampled_from(KINDS), min_size=1)
LENIENT = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def with_another_future(
    log: pl.DataFrame, t: int, seed: int, kinds: Collection[str] = KINDS
) -> pl.DataFrame:
    """The log as it may have gone on from ``t``: what was known before ``t`` is the same.

    ``altered``, ``deleted``, ``added``: rows of searches after ``t``. ``outcomes``: those of
    searches at ``t`` and after. ``dates``: contacts and bookings of earlier searches that
    were not known before ``t``. ``alone``: of the searches at ``t`` one alone is left.
    ``shuffled``: the rows come in another order.
    """
    before, now = log.filter(pl.col("search_s") < t), log.filter(pl.col("search_s") == t)
    after = log.filter(pl.col("search_s") > t)
    if "deleted" in kinds:
        after = after.sample(fraction=0.6, seed=seed)
    if "altered" in kinds:
        after = _other_attributes(after)
    if "outcomes" in kinds:
        now, after = (_other_outcomes(rows, seed) for rows in (now, after))
    if "dates" in kinds:
        before = _other_late_outcomes(before, t, seed)
    if "alone" in kinds:
        now = now.filter(pl.col("id_search") == now["id_search"].sort()[-1])
    frames = [before, now, after, *([_added(log, t, seed)] if "added" in kinds else [])]
    together = pl.concat(frame.select(log.columns) for frame in frames)
    is_shuffled = "shuffled" in kinds
    return together.sample(fraction=1, shuffle=True, seed=seed) if is_shuffled else together


def _added(log: pl.DataFrame, t: int, seed: int) -> pl.DataFrame:
    known_days = log["search_day"].unique().to_list()
    days = max(known_days) - min(known_days) + 3
    later = random_impressions(seed=1_000 + seed, searches=15, results=6, days=days)
    if "local_s" in log.columns:
        later = on_clocks(later, min(known_days))
    later = later.filter(pl.col("search_s") > t).select(log.columns)
    return later.with_columns(pl.concat_str(pl.lit("new"), "id_search").alias("id_search"))


def _other_attributes(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        (pl.col("listing_total_price") * 7).alias("listing_total_price"),
        (pl.col("listing_lat") + 0.5).alias("listing_lat"),
        pl.lit("shared_room").alias("listing_room_type"),
    )


def _other_outcomes(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    stage = pl.lit(seed % 4).cast(pl.Int8)
    return _with_ends(
        rows.with_columns(
            stage.alias("stage"),
            pl.when(stage >= 2).then("search_day").cast(pl.Int32).alias("contact_day"),
            pl.when(stage == 3).then("search_day").cast(pl.Int32).alias("book_day"),
        )
    )


def _with_ends(rows: pl.DataFrame) -> pl.DataFrame:
    """With the ends of outcomes' days, where the log tells instants."""
    return with_known_s(rows) if "local_s" in rows.columns else rows


def _other_late_outcomes(rows: pl.DataFrame, t: int, seed: int) -> pl.DataFrame:
    """Contacts and bookings dated on or after the day of ``t`` move, vanish, or appear."""
    today = local_days(rows, t) if "local_s" in rows.columns else pl.lit(t // DAY_S)
    rows = rows.with_columns(_today=today)
    day = pl.col("_today")
    shift = pl.lit(seed % 3).cast(pl.Int32)
    rows = rows.with_columns(
        *(
            pl.when(pl.col(name) >= day)
            .then(None if seed % 2 else pl.col(name) + shift)
            .otherwise(pl.col(name))
            .cast(pl.Int32)
            .alias(name)
            for name in ("contact_day", "book_day")
        )
    )
    lucky = (pl.col("stage") == 1) & (pl.col("id_listing").str.ends_with(str(seed % 10)))
    rows = rows.with_columns(
        pl.when(lucky).then(day).otherwise("book_day").cast(pl.Int32).alias("book_day")
    )
    known = pl.when(pl.col("book_day").is_not_null()).then(3)
    contacted = known.when(pl.col("contact_day").is_not_null()).then(2)
    clicked = contacted.when(pl.col("stage") >= 1).then(1)
    rows = rows.with_columns(clicked.otherwise(0).cast(pl.Int8).alias("stage"))
    return _with_ends(rows.drop("_today"))
