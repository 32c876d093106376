"""The report's examples: whose search, for which nights, party and market."""

from __future__ import annotations

import polars as pl
import pytest

import pipelines.reporting.run_section
from data.schema.market_names import market_in_words
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from pipelines.look_up.searches import searches_by_id
from pipelines.reporting.run_section import recommended_of, searches_of
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record


def test_a_recommended_list_names_guest_search_nights_party_and_market(
    recommended: RunContext,
) -> None:
    log = recommended.lake.scan(IMPRESSIONS.name)
    table = recommended.lake.scan(RECOMMENDATIONS.name).collect()
    examples = recommended_of(recommended)
    assert len(examples) == 2
    for example in examples:
        rows = table.filter(pl.col("id_listing") == example["rows"][0][1], pl.col("rank") == 1)
        (guest,) = [g for g in rows["id_user"].unique() if f"to guest {g}," in example["title"]]
        row = rows.filter(pl.col("id_user") == guest).row(0, named=True)
        assert market_in_words(row["market"]) in example["title"]
        asked = searches_by_id(log, pl.Series([row["id_search"]]))[row["id_search"]]
        assert example["note"].startswith(f"Search {row['id_search']}: {asked.in_words()}. ")
        assert f"by guest {guest}" in example["note"]
        assert f"for {row['query_num_guests']} guest" in example["note"]


def test_a_search_of_the_test_window_does_too_and_an_erased_one_only_its_id(
    recommended: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = recommended.lake.scan(IMPRESSIONS.name).collect()
    search = log["id_search"].sort()[0]
    kept = log.filter(id_search=search).with_row_index("rank", offset=1)
    example = kept.select(
        "rank", "id_search", "market", "id_listing", "stage", shown="rank", reasons=pl.lit("cheap")
    ).with_columns(shown_by=pl.lit("source_line"))
    erased = example.with_columns(id_search=pl.lit("erased"))
    monkeypatch.setattr(
        pipelines.reporting.run_section,
        "read_diagnostic",
        lambda *_: pl.concat([example, erased]),
    )
    record = read_record(recommended.home, recommended.home.latest_run().name)
    found, gone = searches_of(recommended, record)
    asked = searches_by_id(log.lazy(), pl.Series([search]))[search]
    assert found["title"].startswith(f"Search {search}, {market_in_words(asked.market)}: ")
    assert asked.in_words() in found["note"]
    assert f"by guest {asked.id_user}" in found["note"]
    assert gone["title"].startswith("Search erased, ")
    assert gone["note"].startswith("The booked listing")
