"""The funnel: impressed → clicked → contacted → booked, and when each stage becomes known.

One integer rule decides visibility everywhere: an event is known to a search at
``search_s`` if and only if ``known_s < search_s``. An impression and a click are known
at the second of their search, so strictly later searches know them; a contact and a
booking have a day but no time of day, so they are known from the day after.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw

from data.contract import BOOKED, CLICKED, CONTACTED, IMPRESSED, Stage

__all__ = [
    "DAY_S",
    "UTILITY",
    "credit_journeys",
    "is_event_of",
    "known_s",
    "lower_labels",
    "stage_as_known_on",
]

DAY_S = 86_400

UTILITY: dict[Stage, float] = {IMPRESSED: 0.0, CLICKED: 0.01, CONTACTED: 0.25, BOOKED: 1.0}
"""Worth of each stage relative to a booking (Grbovic & Cheng, KDD 2018)."""

_DAY_OF = {CONTACTED: "contact_day", BOOKED: "book_day"}


def known_s(stage: Stage) -> nw.Expr:
    """The second after which an impression's event of this stage is known.

    Null where the row has no such event. Reads ``search_s``, ``contact_day``, ``book_day``.
    """
    if stage in _DAY_OF:
        return (nw.col(_DAY_OF[stage]).cast(nw.Int64) + 1) * DAY_S - 1
    return nw.col("search_s").cast(nw.Int64)


def is_event_of(stage: Stage) -> nw.Expr:
    """Whether the row has an event of this stage: a boolean, never null.

    A row at a further stage was clicked as well; a booking without a ``contact_day`` had
    no contact.
    """
    if stage in _DAY_OF:
        return ~nw.col(_DAY_OF[stage]).is_null()
    return nw.col("stage") >= int(stage)


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
