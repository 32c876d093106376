"""What was shown, recommended and most clicked, beside each other."""

from __future__ import annotations

import polars as pl

from data.schema.time import DAY_S
from pipelines.candidates.queries import latest_queries
from pipelines.look_up.side_by_side import (
    most_clicked,
    orders_of_results,
    shown_by,
    side_by_side,
    side_frame,
)
from tests.pipelines.look_up.logs import MONDAY, log_of, shown

LOG = log_of(
    shown("s0", "b", 0, id_user="bob", stage=1),
    shown("s1", "b", 0, id_user="cy", stage=1),
    shown("s1", "c", 0, id_user="cy", stage=2, contact_day=MONDAY),
    shown("s2", "c", 1, stage=1),
    shown("s2", "a", 1),
    # After ann's search: no click that it could know.
    *(shown(f"s{n}", "a", 2, id_user="dan", stage=1) for n in range(3, 7)),
)
END = (MONDAY + 9) * DAY_S


def test_results_stand_as_they_were_shown() -> None:
    lines = LOG.with_columns(source_line=pl.Series([1, 2, 3, 9, 8, 11, 12, 13, 14]))
    assert shown_by(lines, "s2", END)["id_listing"].to_list() == ["a", "c"]
    placed = lines.with_columns(position=pl.when(id_listing="c").then(1).otherwise(2))
    told = shown_by(placed, "s2", END)
    assert told.select("place", "id_listing", "known_stage").rows() == [(1, "c", 1), (2, "a", 0)]


def test_popular_is_what_was_clicked_before_the_search() -> None:
    catalogue = pl.DataFrame({"market": ["rio_de_janeiro"] * 3, "id_listing": ["a", "b", "c"]})
    query = latest_queries(LOG.filter(pl.col("id_search") == "s2"), MONDAY + 1)
    assert most_clicked(LOG, query, catalogue) == ["b", "c", "a"]
    tomorrow = latest_queries(LOG.filter(pl.col("id_search") == "s2"), MONDAY + 3)
    assert most_clicked(LOG, tomorrow, catalogue) == ["a", "b", "c"]


def test_lists_of_other_lengths_stand_side_by_side_with_what_the_guest_did() -> None:
    results = shown_by(LOG.with_columns(source_line=1), "s2", END)
    lists = {"shown": ["a", "c"], "recommended": ["c", "z", "y"]}
    section = side_by_side("Side by side", lists, results, most=2)
    assert section.header == ("place", "shown", "recommended")
    assert section.rows == (("1", "a", "c (clicked)"), ("2", "c (clicked)", "z"))
    assert section.sentences == ("1 of the first 2 recommended: shown too.",)
    assert side_frame(lists).rows() == [(1, "a", "c"), (2, "c", "z"), (3, None, "y")]
    none = side_by_side("Side by side", {"shown": ["a"], "recommended": []}, results, most=2)
    assert none.rows == (("1", "a", ""),)
    assert none.sentences == ()
    more = side_by_side("Side by side", lists | {"clicked": ["z", "a"]}, results, most=2)
    assert more.rows[1] == ("2", "c (clicked)", "z", "a (shown)")
    assert more.sentences[1:] == (
        "1 of the first 2 clicked: shown too.",
        "In common of these, recommended and clicked: 1.",
    )


def test_orders_of_one_search_say_where_each_puts_what_the_guest_went_further_with() -> None:
    results = shown_by(LOG.with_columns(source_line=1), "s2", END)
    lists = {"as shown": ["a", "c"], "by the ranker": ["c", "a"]}
    section = orders_of_results("Orders", lists, results, most=1)
    assert section.rows == (("1", "a", "c (clicked)"),)
    assert section.sentences == ("c (clicked) stands at 2 as shown, 1 by the ranker.",)
    idle = orders_of_results("Orders", lists, results.with_columns(known_stage=0), most=1)
    assert idle.sentences == ("The guest went further with none of them.",)
