"""Sessions of a guest, within a block and handed on from block to block."""

from __future__ import annotations

import polars as pl
import pytest

from features.history.keyed_events import NEVER, PointInTimeQuery
from features.history.packed_keys import Rows
from features.history.sessions import OpenSessions

GAP_S = 1_800


def before(sessions: OpenSessions, *searches: tuple[int | None, int]) -> list[tuple[int, int]]:
    """Start and searches of the session before each search of a guest; then they are added."""
    frame = pl.DataFrame(
        searches, schema={"id_user": pl.UInt32, "search_s": pl.Int64}, orient="row"
    )
    rows = Rows(frame)
    query = PointInTimeQuery(rows.keys(["id_user"]), rows.integers("search_s"))
    started, counts = sessions.before(query, rows)
    return list(zip(started.tolist(), counts.tolist(), strict=True))


NONE = (NEVER, NEVER)


def test_a_pause_longer_than_the_gap_begins_another_session() -> None:
    found = before(OpenSessions(GAP_S), (7, 0), (7, 600), (7, 2_400), (7, 4_201))
    assert found == [NONE, (0, 1), (0, 2), NONE]


def test_searches_of_one_second_do_not_know_each_other_and_both_count_afterwards() -> None:
    assert before(OpenSessions(GAP_S), (7, 5), (7, 5), (7, 6)) == [NONE, NONE, (5, 2)]


def test_guests_have_sessions_of_their_own_and_searches_without_a_guest_have_none() -> None:
    found = before(OpenSessions(GAP_S), (7, 5), (None, 6), (8, 7), (7, 8))
    assert found == [NONE, NONE, (5, 1)]  # of the three searches with a guest


@pytest.mark.parametrize(("second", "session"), [(2_400, (0, 2)), (2_401, NONE), (1_000_000, NONE)])
def test_a_session_goes_on_in_the_next_block_unless_it_is_over(
    second: int, session: tuple[int, int]
) -> None:
    sessions = OpenSessions(GAP_S)
    before(sessions, (7, 0), (7, 600), (8, 0))
    assert before(sessions, (7, second)) == [session]


def test_a_session_that_went_on_in_a_block_without_its_guest_is_kept_while_it_may_go_on() -> None:
    sessions = OpenSessions(GAP_S)
    before(sessions, (7, 0))
    before(sessions, (8, 1_000))
    assert before(sessions, (7, 1_500), (8, 2_900)) == [(0, 1), NONE]


def test_blocks_without_searches_change_nothing() -> None:
    sessions = OpenSessions(GAP_S)
    assert before(sessions) == []
    before(sessions, (7, 0))
    assert before(sessions) == []
    assert before(sessions, (7, 10)) == [(0, 1)]
