"""The condition of a day, from its rows in the lake and the files that came."""

from __future__ import annotations

import pytest

from pipelines.batch.inbox import Arrival, Condition


def arrival(
    rows: int, *, usual: float | None = 1_000.0, empty: bool = False, refused: bool = False
) -> Arrival:
    return Arrival(
        rows=rows,
        usual=usual,
        empty=("empty.csv",) if empty else (),
        refused={"broken.csv": "broken.csv: not a log"} if refused else {},
        taken={},
    )


@pytest.mark.parametrize(
    ("day", "condition"),
    [
        (arrival(500), "sound"),
        (arrival(499), "small"),
        (arrival(1, usual=None), "sound"),
        (arrival(900, empty=True, refused=True), "sound"),
        (arrival(0, empty=True, refused=True), "rejected"),
        (arrival(0, empty=True), "empty"),
        (arrival(0), "missing"),
    ],
)
def test_a_day_has_the_first_condition_that_fits(day: Arrival, condition: Condition) -> None:
    assert day.condition(small_share=0.5) == condition


def test_the_sentence_on_a_day_names_every_bad_file() -> None:
    assert arrival(0, empty=True, refused=True).in_words("2026-01-19") == (
        "the log of 2026-01-19 has 0 impressions (usually 1,000); empty.csv has no row; "
        "refused broken.csv: not a log"
    )
