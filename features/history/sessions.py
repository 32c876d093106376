"""A guest's sessions: searches that follow one another without a long pause.

Example, a pause of more than 1,800 seconds ends a session. One guest searches four times:

========  ===============  ======================================
search_s  session_start_s  session_searches
========  ===============  ======================================
0         0                1
600       0                2
2,400     0                3: a pause of just 1,800 s does not end it
4,201     4,201            1: 1,801 s after the last
========  ===============  ======================================

A build block by block hands on the last row of each session that may continue
(:func:`open_sessions`), so that a session goes on across blocks as if there were one.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw

from features.history.lazy_aggregates import NEVER, Frame, without_null_keys

__all__ = ["open_sessions", "sessions"]

_GUEST = "id_user"


def sessions(events: Frame, gap_s: int, open_before: Frame | None = None) -> Frame:
    """One row per guest and time of a search, with the session that it belongs to.

    A session ends when the guest does not search for more than ``gap_s`` seconds.
    ``open_before`` are the latest rows of sessions that began before ``events`` did, as
    :func:`open_sessions` gave them. Columns: ``id_user``, ``search_s``,
    ``session_start_s`` and ``session_searches``, the searches up to this time.
    """
    searches = nw.col("id_search").n_unique().cast(nw.Int64)
    of_guests = without_null_keys(events, (_GUEST,))
    times = of_guests.group_by(_GUEST, "search_s").agg(searches.alias("_searches"))
    times = times.with_columns(_open_since=nw.lit(None, dtype=nw.Int64))
    if open_before is not None:
        times = nw.concat([times, _as_times(open_before)], how="vertical")
    counted = _numbered(times, gap_s)
    return counted.select(_GUEST, "search_s", "session_start_s", "session_searches")


def open_sessions(placed: Frame, until_s: int, gap_s: int) -> Frame:
    """The last row of each session that may go on after ``until_s``."""
    recent = placed.filter(nw.col("search_s") >= until_s - gap_s)
    last = recent.group_by(_GUEST).agg(nw.col("search_s").max())
    return recent.join(last, on=[_GUEST, "search_s"], how="semi")


def _as_times(open_before: Frame) -> Frame:
    return open_before.select(
        _GUEST,
        "search_s",
        nw.col("session_searches").alias("_searches"),
        nw.col("session_start_s").alias("_open_since"),
    )


def _numbered(times: Frame, gap_s: int) -> Frame:
    window: dict[str, Any] = {"order_by": "search_s"}
    before = times.with_columns(_before=nw.col("search_s").shift(1).over(_GUEST, **window))
    goes_on = (nw.col("search_s") - nw.col("_before") <= gap_s).fill_null(value=False)
    begun = nw.when(goes_on).then(NEVER).otherwise(nw.col("search_s"))
    # A search that goes on has NEVER as its start, so that the running maximum of the starts is
    # that of its session. An open session of an earlier block brings its start along.
    starts = before.with_columns(_start=nw.coalesce(nw.col("_open_since"), begun))
    placed = starts.with_columns(session_start_s=nw.col("_start").cum_max().over(_GUEST, **window))
    return placed.with_columns(
        session_searches=nw.col("_searches").cum_sum().over(_GUEST, "session_start_s", **window)
    )
