"""Training labels: the stage that was known on a day, and the stage a journey ended at.

Labels look at outcomes on purpose, so nothing here is ever a feature.

Example: a listing shown on day 0, its host contacted on day 1, booked on day 3. An outcome is
known from the day after it, so on days 0 to 4 the label is clicked (1), clicked, contacted (2),
contacted, booked (3):

>>> import polars as pl
>>> row = {"search_day": [0], "stage": [3], "contact_day": [1], "book_day": [3]}
>>> [lower_labels(pl.DataFrame(row), day)["stage"].item() for day in range(5)]
[1, 1, 2, 2, 3]
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
    if not absent:
        return frame.with_columns(stage_as_known_on(day)).to_native()
    lowered = frame.with_columns(**stand_ins).with_columns(stage_as_known_on(day))
    return lowered.drop(*absent).to_native()


def credit_journeys(rows: Any) -> Any:
    """``rows`` with ``journey_stage``: a booking credits the guest's earlier impressions.

    ``journey_stage`` (int8, never null) is the furthest stage that the guest reached on
    this listing in this search *or a later one*; without ``id_user`` it equals ``stage``.
    It looks ahead on purpose: a training label, never a feature.

    >>> import polars as pl
    >>> log = {"id_user": ["g"] * 3, "id_listing": ["A", "B", "A"], "search_s": [10, 10, 20]}
    >>> rows = pl.DataFrame({**log, "stage": [0, 1, 3]})  # A is booked in the second search
    >>> credit_journeys(rows).sort("search_s", "id_listing")["journey_stage"].to_list()
    [3, 1, 3]
    """
    frame = nw.from_native(rows)
    if "id_user" not in frame.collect_schema().names():
        return frame.with_columns(journey_stage=nw.col("stage").cast(nw.Int8)).to_native()
    key = ["id_user", "id_listing", "search_s"]
    by_time = frame.filter(~nw.col("id_user").is_null()).group_by(*key)
    # The running maximum from the latest search backwards: the furthest stage from there on.
    stages = by_time.agg(_stage=nw.col("stage").max()).with_columns(_backwards=-nw.col("search_s"))
    furthest = nw.col("_stage").cum_max().over("id_user", "id_listing", order_by="_backwards")
    journeys = stages.with_columns(_journey=furthest).select(*key, "_journey")
    joined = frame.join(journeys, on=key, how="left")
    credited = nw.coalesce(nw.col("_journey"), nw.col("stage")).cast(nw.Int8)
    return joined.with_columns(journey_stage=credited).drop("_journey").to_native()
