"""Training labels: the stage that was known on a day, and the stage a journey ended at.

Labels look at outcomes on purpose, so nothing here is ever a feature.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw

from data.schema.tables import BOOKED, CLICKED, CONTACTED

__all__ = ["credit_journeys", "lower_labels", "stage_as_known_on"]


def stage_as_known_on(day: int) -> nw.Expr:
    """The stage that somebody knows at the first second of ``day`` (days since 1970).

    A booking with ``book_day >= day`` counts as contacted if ``contact_day < day``, else
    as clicked; a contact with ``contact_day >= day`` counts as clicked. Reads ``stage``,
    ``contact_day`` and ``book_day``; int8.
    """
    contacted = (nw.col("stage") >= int(CONTACTED)) & (nw.col("contact_day") < day)
    booked = (nw.col("stage") == int(BOOKED)) & (nw.col("book_day") < day)
    known = (
        nw.when(booked.fill_null(value=False))
        .then(nw.lit(int(BOOKED)))
        .when(contacted.fill_null(value=False))
        .then(nw.lit(int(CONTACTED)))
        .when(nw.col("stage") >= int(CLICKED))
        .then(nw.lit(int(CLICKED)))
        .otherwise(nw.col("stage"))
    )
    return known.cast(nw.Int8).alias("stage")


def lower_labels(rows: Any, day: int) -> Any:
    """``rows`` with ``stage`` lowered to what is known on ``day``.

    ``rows`` is any table that Narwhals knows (Arrow, Polars, pandas, Spark), and the same
    kind comes back. In a log without ``contact_day`` or ``book_day`` that stage counts as
    reached on ``search_day``.
    """
    frame = nw.from_native(rows)
    present = frame.collect_schema().names()
    absent = [name for name in ("contact_day", "book_day") if name not in present]
    stand_ins = {name: nw.col("search_day") for name in absent}
    lowered = frame.with_columns(**stand_ins).with_columns(stage_as_known_on(day))
    return lowered.drop(*absent).to_native()


def credit_journeys(rows: Any) -> Any:
    """``rows`` with ``journey_stage``: a booking credits the guest's earlier impressions.

    ``journey_stage`` (int8, never null) is the furthest stage that the guest reached on
    this listing in this search *or a later one*; without ``id_user`` it equals ``stage``.
    It looks ahead on purpose: a training label, never a feature.
    """
    frame = nw.from_native(rows)
    if "id_user" not in frame.collect_schema().names():
        return frame.with_columns(journey_stage=nw.col("stage").cast(nw.Int8)).to_native()
    reached = frame.filter(~nw.col("id_user").is_null()).group_by(
        "id_user", "id_listing", "search_s"
    )
    times = reached.agg(_at_time=nw.col("stage").max()).with_columns(_later=-nw.col("search_s"))
    later = times.with_columns(
        _journey=nw.col("_at_time").cum_max().over("id_user", "id_listing", order_by="_later")
    ).select("id_user", "id_listing", "search_s", "_journey")
    joined = frame.join(later, on=["id_user", "id_listing", "search_s"], how="left")
    credited = nw.coalesce(nw.col("_journey"), nw.col("stage")).cast(nw.Int8)
    return joined.with_columns(journey_stage=credited).drop("_journey").to_native()
