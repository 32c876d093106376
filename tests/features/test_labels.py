from __future__ import annotations

import polars as pl
import pyarrow as pa

from features.labels import credit_journeys, lower_labels
from tests.features.worlds import FIRST_DAY, impression, typed


def lowered(day: int, **row: object) -> int:
    log = typed([impression(at=0, **row)])  # type: ignore[arg-type]
    return int(lower_labels(log, day)["stage"][0])


def test_booking_not_yet_known_counts_as_contacted_if_the_contact_is() -> None:
    row = {"stage": 3, "contact_day": FIRST_DAY, "book_day": FIRST_DAY + 3}
    assert [lowered(FIRST_DAY + n, **row) for n in range(5)] == [1, 2, 2, 2, 3]


def test_booking_without_contact_counts_as_clicked_until_it_is_known() -> None:
    row = {"stage": 3, "book_day": FIRST_DAY + 1}
    assert [lowered(FIRST_DAY + n, **row) for n in range(3)] == [1, 1, 3]


def test_clicks_and_impressions_stay_what_they_are() -> None:
    assert lowered(FIRST_DAY, stage=1) == 1
    assert lowered(FIRST_DAY, stage=0) == 0


def test_log_without_booking_days_takes_the_day_of_the_search() -> None:
    log = typed([impression(stage=3)]).drop("book_day", "contact_day")
    assert lower_labels(log, FIRST_DAY)["stage"].to_list() == [1]
    assert lower_labels(log, FIRST_DAY + 1)["stage"].to_list() == [3]
    assert lower_labels(log, FIRST_DAY + 1).columns == log.columns


def test_arrow_tables_come_back_as_arrow_tables() -> None:
    table = typed([impression(stage=3, book_day=FIRST_DAY)]).to_arrow()
    out = lower_labels(table, FIRST_DAY)
    assert isinstance(out, pa.Table)
    assert out["stage"].to_pylist() == [1]
    assert out["stage"].type == pa.int8()


def test_booking_credits_earlier_impressions_of_the_same_guest_and_listing_only() -> None:
    log = typed(
        [
            impression("s1", "l1", at=10),
            impression("s1", "l2", at=10),
            impression("s2", "l1", at=20, stage=3, book_day=FIRST_DAY),
            impression("s3", "l1", at=30, stage=1),
            impression("s4", "l1", at=5, user="u2"),
            impression("s5", "l1", at=5, user=None),
        ]
    )
    credited = credit_journeys(log).sort("id_search", "id_listing")
    assert credited["journey_stage"].to_list() == [3, 0, 3, 1, 0, 0]
    assert credited.schema["journey_stage"] == pl.Int8
