"""Tables of the search log."""

from __future__ import annotations

import polars as pl

from pipelines.analysis.search_log import lead_times


def searches(lead: int | None, count: int) -> pl.DataFrame:
    """So many searches of so many days ahead, the first of which ended in a booking."""
    checkin = None if lead is None else 100 + lead
    return pl.DataFrame(
        {
            "market": ["rio"] * count,
            "id_search": [f"{lead}-{n}" for n in range(count)],
            "search_day": [100] * count,
            "checkin_day": pl.Series([checkin] * count, dtype=pl.Int32),
            "stage": [3] + [0] * (count - 1),
        }
    )


def test_lead_times_stand_in_the_order_of_their_days() -> None:
    log = pl.concat([searches(lead, 20) for lead in (None, 90, 2, 30, 7)])
    table = lead_times(log.lazy())
    assert table["lead_time"].to_list() == [
        "0-3 days",
        "4-14 days",
        "15-60 days",
        "61+ days",
        "dateless",
    ]
    assert table["booked"].to_list() == [0.05] * 5


def test_a_band_of_too_few_searches_has_no_rate() -> None:
    log = pl.concat([searches(2, 20), searches(30, 2)])
    table = lead_times(log.lazy())
    assert table["searches"].to_list() == [20, 2]
    assert table["booked"].to_list() == [0.05, None]
    assert table["clicked"].to_list() == [0.05, None]
