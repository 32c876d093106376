"""A guest's sessions: searches that follow one another without a long pause."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from features.history.lazy_aggregates import NEVER, Frame, without_null_keys

__all__ = ["open_sessions", "sessions"]

_GUEST = "id_user"


def sessions(past: Frame, gap_s: int, open_before: Frame | None = None) -> Frame:
    """One row per guest and time of a search, with the session that it belongs to.

    A session ends when the guest does not search for more than ``gap_s`` seconds.
    ``open_before`` are the latest rows of sessions that began before ``past`` did, as
    :func:`open_sessions` gave them. Columns: ``id_user``, ``search_s``,
    ``session_start_s`` and ``session_searches``, the searches up to this time.
    """
    searches = nw.col("id_search").n_unique().cast(nw.Int64)
    known = without_null_keys(past, (_GUEST,))
    times = known.group_by(_GUEST, "search_s").agg(searches.alias("_searches"))
    times = times.with_columns(_begun=nw.lit(None, dtype=nw.Int64))
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
        nw.col("session_start_s").alias("_begun"),
    )


def _numbered(times: Frame, gap_s: int) -> Frame:
    window: dict[str, Any] = {"order_by": "search_s"}
    before = times.with_columns(_before=nw.col("search_s").shift(1).over(_GUEST, **window))
    goes_on = (nw.col("search_s") - nw.col("_before") <= gap_s).fill_null(value=False)
    begun = nw.when(goes_on).then(NEVER).otherwise(nw.col("search_s"))
    starts = before.with_columns(_start=nw.coalesce(nw.col("_begun"), begun))
    placed = starts.with_columns(session_start_s=nw.col("_start").cum_max().over(_GUEST, **window))
    return placed.with_columns(
        session_searches=nw.col("_searches").cum_sum().over(_GUEST, "session_start_s", **window)
    )
