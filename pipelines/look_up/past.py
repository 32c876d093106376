"""A guest's past as a search could know it: what came before it, and never what came after.

An outcome counts from the moment that the features count it (:mod:`data.schema.event_visibility`):
a click with its search, a contact or booking from the day after.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from data.counted import counted
from data.schema.event_visibility import OUTCOME_DAY, OUTCOME_KNOWN, known_s_of_day
from data.schema.market_names import market_in_words
from data.schema.types import BOOKED, CLICKED, CONTACTED, IMPRESSED, Stage
from pipelines.look_up.found import Section
from pipelines.look_up.searches import Search

__all__ = ["KNOWN", "guest_past", "known_stage", "past_section", "touched_in_words"]

KNOWN = "known_stage"
"""The furthest action that was known by then, in the numbers of ``stage``."""

_LATEST = 5
_WORDS = {
    IMPRESSED: "",
    CLICKED: "clicked",
    CONTACTED: "contacted",
    BOOKED: "booked",
}


def known_stage(names: Collection[str], second: int) -> pl.Expr:
    """The furthest action on an impression that a search at this second knows of.

    ``names``: the log's columns. A contact or booking without a day is never known: as for the
    features.
    """
    known = pl.when(pl.col("stage") >= int(CLICKED)).then(int(CLICKED)).otherwise(int(IMPRESSED))
    for stage in (CONTACTED, BOOKED):
        at = _known_s(names, stage)
        if at is not None:
            reached = (pl.col("stage") >= int(stage)) & (at < second)
            known = pl.when(reached.fill_null(value=False)).then(int(stage)).otherwise(known)
    return known.cast(pl.Int8).alias(KNOWN)


def _known_s(names: Collection[str], stage: Stage) -> pl.Expr | None:
    day, instant = OUTCOME_DAY[stage], OUTCOME_KNOWN[stage]
    if instant in names:
        return pl.col(instant)
    return known_s_of_day(pl.col(day).cast(pl.Int64)) if day in names else None


def guest_past(impressions: pl.LazyFrame, id_user: str, second: int) -> pl.DataFrame:
    """One row per listing shown to the guest before this second, the newest search first.

    The impressions' columns, and ``known_stage``.
    """
    names = impressions.collect_schema().names()
    rows = impressions.filter(pl.col("id_user") == id_user, pl.col("search_s") < second)
    return (
        rows.with_columns(known_stage(names, second))
        .sort("search_s", "id_search", "id_listing", descending=[True, True, False])
        .collect(engine="streaming")
    )


def past_section(past: pl.DataFrame, heading: str) -> Section:
    """The past in words: how much of it, then the latest searches one by one."""
    if past.is_empty():
        return Section(heading=heading, sentences=("Nothing: it is the guest's first search.",))
    searches = past.partition_by("id_search", maintain_order=True)
    latest = [Search.of(rows.row(0, named=True)) for rows in searches[:_LATEST]]
    rows = [
        (f"{search.searched_at:%a %d %b %H:%M}", search.in_short(), touched_in_words(shown))
        for search, shown in zip(latest, searches, strict=False)
    ]
    return Section(
        heading=heading,
        sentences=(_sentence(past, len(searches)), *_left_out(len(searches))),
        header=("searched", "for", "shown, and what the guest did"),
        rows=tuple(rows),
    )


def touched_in_words(shown: pl.DataFrame) -> str:
    """How many were shown, and each listing that the guest went further with."""
    said = [counted(shown.height, "listing")]
    for stage in (BOOKED, CONTACTED, CLICKED):
        ids = shown.filter(pl.col(KNOWN) == int(stage))["id_listing"].to_list()
        if ids:
            more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
            said.append(f"{_WORDS[stage]} {', '.join(ids[:3])}{more}")
    return "; ".join(said)


def _sentence(past: pl.DataFrame, searches: int) -> str:
    markets = past["market"].unique().sort()
    where = " and ".join(market_in_words(market) for market in markets)
    reached = {stage: int((past[KNOWN] >= int(stage)).sum()) for stage in _WORDS}
    actions = [
        f"{_WORDS[stage]} {reached[stage] or 'none'}" for stage in (CLICKED, CONTACTED, BOOKED)
    ]
    return (
        f"{counted(searches, 'search')} in {where}: shown {counted(past.height, 'listing')}, "
        f"{', '.join(actions)}."
    )


def _left_out(searches: int) -> list[str]:
    return [f"The latest {_LATEST} of them:"] if searches > _LATEST else []
