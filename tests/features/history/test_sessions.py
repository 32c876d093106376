"""Sessions of a guest, whole and handed on from block to block."""

from __future__ import annotations

import narwhals as nw
import polars as pl

from features.history.sessions import open_sessions, sessions

GAP_S = 1_800


def log(*rows: tuple[str | None, str, int]) -> nw.LazyFrame[pl.LazyFrame]:
    frame = pl.DataFrame(
        rows,
        schema={"id_user": pl.String, "id_search": pl.String, "search_s": pl.Int64},
        orient="row",
    )
    return nw.from_native(frame.lazy())


def placed(frame: nw.LazyFrame[pl.LazyFrame]) -> list[tuple[str, int, int, int]]:
    return frame.to_native().collect().sort("id_user", "search_s").rows()


def test_a_pause_longer_than_the_gap_begins_another_session() -> None:
    searches = log(("g", "a", 0), ("g", "b", 600), ("g", "c", 2_400), ("g", "d", 4_201))
    assert placed(sessions(searches, GAP_S)) == [
        ("g", 0, 0, 1),
        ("g", 600, 0, 2),
        ("g", 2_400, 0, 3),
        ("g", 4_201, 4_201, 1),
    ]


def test_rows_of_one_search_count_once_and_rows_without_a_guest_not_at_all() -> None:
    searches = log(("g", "a", 5), ("g", "a", 5), ("h", "b", 5), (None, "c", 5))
    assert placed(sessions(searches, GAP_S)) == [("g", 5, 5, 1), ("h", 5, 5, 1)]


def test_a_session_goes_on_in_the_next_block() -> None:
    first = sessions(log(("g", "a", 0), ("g", "b", 600), ("h", "x", 0)), GAP_S)
    still_open = open_sessions(first, 2_000, GAP_S)
    assert placed(still_open) == [("g", 600, 0, 2)]
    second = sessions(log(("g", "c", 2_000), ("h", "y", 2_000)), GAP_S, still_open)
    assert placed(second)[-2:] == [("g", 2_000, 0, 3), ("h", 2_000, 2_000, 1)]
