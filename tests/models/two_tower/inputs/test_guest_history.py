"""The guest's past: exactly what was known before each search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models.two_tower.config import TowerConfig
from models.two_tower.inputs.encoder import Encoder, one_per, sorted_rows
from models.two_tower.inputs.guest_history import GuestEvents, events_of
from models.two_tower.inputs.vocabulary import Vocabulary

DAY_S = 86_400


def events(*rows: tuple[str | None, str, int, int, int | None, int | None]) -> pa.Table:
    """Impressions: guest, listing, second, stage, contact day, booking day."""
    names = ("id_user", "id_listing", "search_s", "stage", "contact_day", "book_day")
    types = (pa.string(), pa.string(), pa.int64(), pa.int8(), pa.int32(), pa.int32())
    return pa.table(
        {
            name: pa.array([row[i] for row in rows], type=kind)
            for i, (name, kind) in enumerate(zip(names, types, strict=True))
        }
    )


LISTINGS = Vocabulary.from_list(["a", "b", "c"])


def seen(log: pa.Table, guest: str | None, second: int) -> list[tuple[int, int]]:
    past = GuestEvents.of(events_of(log), LISTINGS)
    history = past.before(pa.array([guest], type=pa.string()), [second], 4)
    pairs = zip(history.listing_SH[0].tolist(), history.stage_SH[0].tolist(), strict=True)
    return [pair for pair in pairs if pair[0]]


def test_a_click_is_known_strictly_after_its_search() -> None:
    log = events(("g", "a", 600, 1, None, None))
    assert seen(log, "g", 600) == []
    assert seen(log, "g", 601) == [(1, 1)]


def test_contact_and_booking_are_known_from_the_day_after() -> None:
    log = events(("g", "b", 600, 3, 0, 2))
    assert seen(log, "g", DAY_S - 1) == [(2, 1)]
    assert seen(log, "g", DAY_S) == [(2, 2), (2, 1)]
    assert seen(log, "g", 3 * DAY_S - 1) == [(2, 2), (2, 1)]
    assert seen(log, "g", 3 * DAY_S) == [(2, 3), (2, 2), (2, 1)]


def test_the_latest_events_come_first_and_the_slots_are_limited() -> None:
    log = events(*(("g", name, second, 1, None, None) for second, name in enumerate("abcabc")))
    assert [listing for listing, _ in seen(log, "g", 100)] == [3, 2, 1, 3]


def test_other_guests_and_guests_without_id_have_no_part() -> None:
    log = events(("g", "a", 1, 1, None, None), (None, "b", 1, 1, None, None))
    assert seen(log, "h", 100) == []
    assert seen(log, None, 100) == []


def test_an_empty_past_gives_empty_slots() -> None:
    assert seen(events(), "g", 5) == []


def test_ties_in_time_do_not_depend_on_the_row_order() -> None:
    rows = [("g", name, 60, 1, None, None) for name in "cab"]
    assert seen(events(*rows), "g", 61) == seen(events(*rows[::-1]), "g", 61)


@pytest.mark.parametrize("cut_day", [1, 2, 3])
def test_changing_the_future_changes_no_history(
    world: Callable[..., pa.Table], cut_day: int
) -> None:
    """Rows from a time on, and outcomes dated from its day on, are altered or deleted."""
    log = sorted_rows(world())
    encoder = Encoder.fit(log, TowerConfig(history_length=4), guest_ids=False)
    cut_s = cut_day * DAY_S
    searches = one_per(log, "id_search")
    searches = searches.filter(pc.less_equal(searches["search_s"], cut_s))
    before = encoder.queries(searches, GuestEvents.of(events_of(log), encoder.listings))

    is_late = pc.greater_equal(log["search_s"], cut_s)
    late = log.filter(is_late)
    reversed_ids = late["id_listing"].take(pa.array(np.arange(late.num_rows)[::-1]))
    late = late.set_column(late.column_names.index("id_listing"), "id_listing", reversed_ids)
    altered = pa.concat_tables([log.filter(pc.invert(is_late)), late.slice(late.num_rows // 2)])
    for name in ("contact_day", "book_day"):
        future = pc.greater_equal(altered[name], cut_day)
        moved = pc.if_else(future, pa.scalar(None, pa.int32()), altered[name])
        altered = altered.set_column(altered.column_names.index(name), name, moved)

    after = encoder.queries(searches, GuestEvents.of(events_of(altered), encoder.listings))
    np.testing.assert_array_equal(after.history_SH, before.history_SH)
    np.testing.assert_array_equal(after.history_stage_SH, before.history_stage_SH)
    assert (before.history_SH > 0).any()


def test_an_outcome_is_known_when_the_log_says_and_else_when_its_day_is_over() -> None:
    rows = {
        "id_user": ["g"],
        "id_listing": ["a"],
        "search_s": [10],
        "stage": [3],
        "contact_day": pa.array([None], pa.int32()),
        "book_day": [0],
    }
    by_day = events_of(pa.table(rows))
    told = events_of(pa.table({**rows, "book_known_s": [97_199]}))
    assert by_day["known_s"].to_pylist() == [10, 86_399]
    assert told["known_s"].to_pylist() == [10, 97_199]
