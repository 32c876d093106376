"""Books brought forward block by block answer what the past answers at once."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from features.history.aggregation import Latest, Ledger, Tally
from features.history.event_times import DAY_S
from features.history.packed_keys import Rows
from features.history.point_in_time import Past
from features.history.streaming_aggregates import Books
from tests.features.worlds import FIRST_DAY, differences, impression, typed

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["l1", "l2", None]),
        st.sampled_from(["u1", "u2", None]),
        st.integers(0, 12),
        st.integers(0, 3),
        st.none() | st.integers(0, 2),
        st.none() | st.integers(0, 2),
    ),
    min_size=1,
    max_size=25,
)
LEDGER = Ledger(
    key=("id_listing",),
    tallies=(
        Tally(name="seen"),
        Tally(name="guests_of_party", of="query_num_guests"),
        Tally(name="guests", stage=CLICKED, distinct="id_user"),
        Tally(name="contacts", stage=CONTACTED),
        Tally(name="books", stage=BOOKED),
    ),
    latest=(
        Latest(name="last_search"),
        Latest(name="last_click", stage=CLICKED),
        Latest(name="last_booking", stage=BOOKED),
    ),
)
WINDOW = Ledger(
    key=("id_listing",),
    tallies=(Tally(name="seen", within_s=DAY_S), Tally(name="clicks", stage=CLICKED)),
    every_s=6 * 3_600,
)
PAIR = Ledger(
    key=("id_user", "id_listing"), tallies=(Tally(name="seen"),), every_s=1, is_sparse=True
)
HOURLY = Ledger(key=("id_listing",), tallies=LEDGER.tallies, latest=LEDGER.latest, every_s=7_200)
DAILY = Ledger(key=("id_listing", "query_num_guests"), tallies=LEDGER.tallies, every_s=DAY_S)


def log_of(events: list[Any]) -> pl.DataFrame:
    return typed(
        [
            impression(
                f"s{n}", listing, user=user, at=quarter * 6 * 3_600, stage=stage,
                contact_day=None if c is None else FIRST_DAY + quarter // 4 + c,
                book_day=None if b is None else FIRST_DAY + quarter // 4 + b,
                query_num_guests=1 + n % 3,
            )
            for n, (listing, user, quarter, stage, c, b) in enumerate(events)
        ]
    )  # fmt: skip


def at_once(log: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    asked = nw.from_native(log.lazy())
    joined = Past(asked, asked=asked, is_asked_by_itself=True).join(asked, ledger)
    found: pl.DataFrame = joined.collect().to_native()
    return found.sort("id_search").select("id_search", *ledger.names)


def in_blocks(log: pl.DataFrame, ledger: Ledger, size: int, built: int) -> pl.DataFrame:
    """Blocks of ``size`` times each; those before the ``built``-th are only posted."""
    times = log["search_s"].unique().sort()
    books, found = Books(), []
    books.answer(ledger, none := Rows(log.head(0)), none)
    for number, first in enumerate(range(0, len(times), size)):
        block = log.filter(pl.col("search_s").is_in(times[first : first + size].implode()))
        if number < built:
            books.post(block, int(times[min(size * built, len(times) - 1)]))
            continue
        rows = Rows(block)
        found.append(block.select("id_search").hstack(books.answer(ledger, rows, rows)))
    return pl.concat(found).sort("id_search") if found else pl.DataFrame()


@pytest.mark.parametrize("ledger", [LEDGER, WINDOW, PAIR, HOURLY, DAILY])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(events=EVENTS, size=st.integers(1, 6), built=st.integers(0, 3))
def test_blocks_of_any_size_give_the_sums_of_all_at_once(
    ledger: Ledger, events: list[Any], size: int, built: int
) -> None:
    log = log_of(events)
    found = in_blocks(log, ledger, size, built)
    if found.height:
        whole = at_once(log, ledger)
        expected = whole.filter(pl.col("id_search").is_in(found["id_search"].implode()))
        assert differences(found, expected) == []


def test_a_value_too_long_for_a_packed_key_is_refused() -> None:
    rows = Rows(pl.DataFrame({"a": [1], "b": [2], "c": [1 << 20]}))
    with pytest.raises(ValueError, match="column c holds a value of more than 16 bits"):
        rows.keys(("a", "b", "c"))


def test_negative_parts_of_a_packed_key_stay_apart() -> None:
    rows = Rows(pl.DataFrame({"a": [1, 1, 1], "b": [-1, 1, -2]}))
    assert len(set(rows.packed(("a", "b")).tolist())) == 3
