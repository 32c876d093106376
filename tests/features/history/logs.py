"""Small logs for property tests: few guests, listings and seconds, hence ties of all kinds."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import polars as pl

from tests.features.worlds import DAY_S, FIRST_DAY, impression, typed

__all__ = ["EVERY_SECOND", "SEARCHES", "log_of"]

# Seconds of a log of three days: of one session and of different ones, next to each other and to
# the beginning and the end of an hour and of a day.
SECONDS = (0, 1, 1_800, 1_801, 3_599, 3_600, 7_200, 9_001, 86_399, 86_400, 90_000, 172_800, 180_000)
OUTCOME = st.tuples(st.integers(0, 3), st.none() | st.integers(0, 2), st.none() | st.integers(0, 2))
SEARCHES = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u3", None]),
        st.sampled_from(SECONDS),
        st.dictionaries(st.sampled_from(["l1", "l2", "l3"]), OUTCOME, min_size=1),
    ),
    min_size=1,
    max_size=12,
)

# One guest and one listing at every one of the seconds, twice: any two of them meet.
EVERY_SECOND = [("u1", second, {"l1": (3, 0, 1)}) for second in SECONDS for _ in range(2)]


def log_of(searches: list[Any], prefix: str = "s") -> pl.DataFrame:
    """The impressions of (guest, second, listings with stage and days until contact and booking).

    Other columns follow from the number of the search and the listing, some of them null.
    """
    return typed(
        [
            impression(
                f"{prefix}{n}",
                listing,
                user=user,
                at=at,
                market=("rio_de_janeiro", "sao_paulo")[n % 2],
                stage=stage,
                contact_day=_day(at, contact),
                book_day=_day(at, booking),
                checkin_day=None if n % 3 == 0 else FIRST_DAY + n % 2,
                query_num_guests=None if n % 4 == 0 else n % 3,
                listing_room_type=None if listing == "l3" else f"room {n % 2}",
            )
            for n, (user, at, shown) in enumerate(searches)
            for listing, (stage, contact, booking) in shown.items()
        ]
    )


def _day(at: int, later: int | None) -> int | None:
    return None if later is None else FIRST_DAY + at // DAY_S + later
