"""Guests, listings and searches of a trained home, looked up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data.counted import counted
from data.errors import DataError
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from data.schema.time import date_of, day_number
from pipelines.look_up import AskingError, look_up_guest, look_up_listing, look_up_search
from pipelines.look_up.found import Found
from pipelines.run_context import RunContext
from tests.pipelines.recommendation.worlds import Trained

REASON = "why: "


@pytest.fixture(scope="module")
def table(recommended: RunContext) -> pl.DataFrame:
    return recommended.lake.scan(RECOMMENDATIONS.name).collect().sort("id_search", "rank")


@pytest.fixture(scope="module")
def log(recommended: RunContext) -> pl.DataFrame:
    return recommended.lake.scan(IMPRESSIONS.name).collect()


@pytest.fixture(scope="module")
def guest(table: pl.DataFrame, log: pl.DataFrame, trained: Trained) -> str:
    """One with earlier searches, and a last one for nights that lie ahead."""
    searches = log.group_by("id_user").agg(n=pl.col("id_search").n_unique())
    ahead = table.filter(pl.col("query_checkin") > date_of(trained.morning + 5))
    found = ahead.join(searches.filter(pl.col("n") > 2), on="id_user", how="semi")
    return str(found["id_user"].sort()[0])


def section(found: Found, heading: str) -> str:
    """The text of the section whose heading begins so, not broken into lines."""
    (part,) = [part for part in found.sections if part.heading.startswith(heading)]
    return "\n".join([part.heading, *part.sentences, *(" ".join(row) for row in part.rows)])


def test_a_guest_s_list_is_that_of_the_table_with_price_freedom_reasons_and_who(
    recommended: RunContext, table: pl.DataFrame, guest: str
) -> None:
    found = look_up_guest(recommended, guest, top=5)
    rows = table.filter(id_user=guest)
    assert found.title == f"Guest {guest} · SIMULATED DATA"
    assert found.frame("recommended")["id_listing"].tolist() == rows["id_listing"].to_list()
    text = section(found, "Recommended for ")
    for row in rows.iter_rows(named=True):
        assert row["id_listing"] in text
        assert f"{row['estimated_total_price']:,.0f} for the" in text
    assert text.count("free on these nights with a chance of") == rows.height
    assert text.count(REASON) == rows["reasons"].count() > 0
    assert "Recommended by " in text
    sides = found.frame("side_by_side")
    assert list(sides.columns) == ["place", "shown", "recommended", "most clicked (popularity)"]
    assert sides["recommended"].dropna().tolist() == rows["id_listing"].to_list()
    assert "_" not in text


def test_the_past_ends_before_the_search(
    recommended: RunContext, log: pl.DataFrame, guest: str
) -> None:
    found = look_up_guest(recommended, guest)
    past, search = found.frame("past"), found.frame("search")
    own = log.filter(id_user=guest).sort("search_s")
    assert search["id_search"].unique().tolist() == [own["id_search"][-1]]
    assert past["search_s"].max() < search["search_s"].min()
    assert len(past) == own.height - len(search)
    # What came of its bookings on the day of the search or later, it could not know.
    assert (past["known_stage"] <= past["stage"]).all()


def test_a_what_if_is_the_list_for_what_is_asked_and_no_table_changes(
    recommended: RunContext, guest: str, trained: Trained
) -> None:
    versions = {t: recommended.version(t) for t in (IMPRESSIONS.name, RECOMMENDATIONS.name)}
    checkin = date_of(trained.morning + 20)
    found = look_up_guest(recommended, guest, checkin=checkin, nights=3, guests=2, top=5)
    asked = found.frame("asked")
    assert {night.date() for night in asked["query_checkin"]} == {checkin}
    assert (set(asked["query_nights"]), set(asked["query_num_guests"])) == ({3}, {2})
    assert len(asked) == 5
    text = section(found, "What is asked instead")
    assert "(3 nights" in text
    assert "for 2 guests" in text
    assert "Recommended by " in text
    assert "for the 3 nights" in section(found, "Recommended for what is asked")
    assert {table: recommended.version(table) for table in versions} == versions


def test_a_what_if_of_the_own_search_is_the_list_of_the_table(
    recommended: RunContext, table: pl.DataFrame, guest: str
) -> None:
    row = table.filter(id_user=guest).row(0, named=True)
    found = look_up_guest(
        recommended, guest, checkin=row["query_checkin"], nights=row["query_nights"]
    )
    own, asked = found.frame("recommended"), found.frame("asked")
    assert asked["id_listing"].tolist() == own["id_listing"].tolist()
    assert asked["reasons"].tolist() == own["reasons"].tolist()


def test_a_search_is_told_in_three_orders_with_the_window_it_lies_in(
    recommended: RunContext, log: pl.DataFrame, trained: Trained, table: pl.DataFrame
) -> None:
    last = log.filter(pl.col("search_day") == trained.morning - 1)["id_search"].sort()[0]
    found = look_up_search(recommended, last, top=3)
    rows = found.frame("search")
    assert sorted(rows["id_listing"]) == sorted(log.filter(id_search=last)["id_listing"])
    assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
    assert rows["score"].is_monotonic_decreasing
    text = section(found, "As the ranker orders its results")
    assert "Ranked by " in text
    assert "it lies in the test window" in text
    early = log.filter(pl.col("search_day") == log["search_day"].min())["id_search"].sort()[0]
    assert "has learnt from this search" in str(look_up_search(recommended, early))
    own = table["id_search"][0]
    assert section(look_up_search(recommended, own), "Recommended for ").count("placed") > 0


def test_a_listing_tells_how_it_does_and_to_whom_it_is_recommended(
    recommended: RunContext, log: pl.DataFrame, table: pl.DataFrame
) -> None:
    listing = table["id_listing"].mode().sort()[0]
    found = look_up_listing(recommended, listing, top=2)
    shown = log.filter(id_listing=listing)
    assert found.frame("days")["impressions"].sum() == shown.height
    assert f"Shown {counted(shown.height, 'time')}" in section(found, "How it does")
    assert f"clicks {(shown['stage'] >= 1).sum()} (" in section(found, "How it does")
    rows = table.filter(id_listing=listing)
    text = section(found, "To whom it is recommended")
    assert f"in {rows.height:,} of the" in text
    assert f"{counted((rows['rank'] == 1).sum(), 'time')} at the top" in text
    unlisted = log.filter(~pl.col("id_listing").is_in(table["id_listing"].implode()))
    nobody = look_up_listing(recommended, unlisted["id_listing"].sort()[0])
    assert "To nobody on" in section(nobody, "To whom it is recommended")


def answers(context: RunContext, guest: str, listing: str, **asked: Any) -> str:
    return section(look_up_listing(context, listing, guest=guest, **asked), "Is it recommended to")


def test_why_not_names_the_first_stage_that_the_listing_did_not_pass(
    recommended: RunContext, log: pl.DataFrame, table: pl.DataFrame, guest: str, trained: Trained
) -> None:
    mine = table.filter(id_user=guest)
    market = mine["market"][0]
    assert "Yes: it stands at place 2 of 5" in answers(recommended, guest, mine["id_listing"][1])
    elsewhere = log.filter(pl.col("market") != market)["id_listing"].sort()[0]
    assert re.search(r"No: it lies in .* made in ", answers(recommended, guest, elsewhere))
    here = log.filter(pl.col("market") == market).unique("id_listing").sort("id_listing")
    small = here.filter(pl.col("listing_person_capacity") < 9)["id_listing"][0]
    crowd = answers(recommended, guest, small, guests=9)
    assert "the search does not allow it: it takes" in crowd
    assert "and 9 travel" in crowd
    stay = {"checkin": date_of(trained.morning + 9), "nights": 300}
    most = here.filter(pl.col("listing_maximum_nights") < 300)["id_listing"][0]
    assert "300 nights are asked for" in answers(recommended, guest, most, **stay)


def test_a_dateless_search_has_no_nights_to_be_free_on(
    recommended: RunContext, log: pl.DataFrame, table: pl.DataFrame
) -> None:
    dateless = table.filter(pl.col("query_checkin").is_null(), pl.col("query_num_guests") > 0)
    guest = dateless["id_user"].sort()[0]
    found = look_up_guest(recommended, guest)
    assert "without dates" in section(found, "The latest search")
    text = section(found, "Recommended for ")
    assert "of the stays that guests of this market ask for" in text
    assert " a night; free for" in text
    mine = table.filter(id_user=guest)
    here = log.filter(
        pl.col("market") == mine["market"][0],
        ~pl.col("id_listing").is_in(mine["id_listing"].implode()),
    )
    other = here.sort("listing_person_capacity", descending=True)["id_listing"][0]
    assert "these nights" not in answers(recommended, guest, other)


def test_every_listing_of_the_market_has_an_answer_that_agrees_with_the_list(
    recommended: RunContext, table: pl.DataFrame, guest: str
) -> None:
    from pipelines.look_up.asking import Asking
    from pipelines.look_up.what_if import ask_again
    from pipelines.look_up.why_not import why

    rows = recommended.lake.scan(IMPRESSIONS.name).filter(pl.col("id_user") == guest)
    mine = table.filter(id_user=guest)
    day = day_number(mine["ds"][0])
    answer = ask_again(recommended, rows, Asking.of(), day)
    made = answer.query.made
    looked_at = set(made.source.catalogue["id_listing"].gather(made.scored.candidates.listing_C))
    kinds = {"Yes": "Yes: it stands", "cut": "first cut", "out": "it is outranked"}
    found: dict[str, set[str]] = {kind: set() for kind in kinds}
    for listing in made.source.catalogue.filter(market=mine["market"][0])["id_listing"]:
        first = why(answer, listing, recommended.settings.recommendation)[0]
        for kind, words in kinds.items():
            if words in first:
                found[kind].add(listing)
    assert found["Yes"] == set(mine["id_listing"])
    assert found["out"] == looked_at - found["Yes"]
    assert found["cut"]
    assert not found["cut"] & looked_at


def test_what_cannot_be_asked_is_refused(recommended: RunContext, guest: str) -> None:
    listing = recommended.lake.scan(IMPRESSIONS.name).head(1).collect()["id_listing"][0]
    with pytest.raises(AskingError, match="say for whom"):
        look_up_listing(recommended, listing, nights=3)
    with pytest.raises(AskingError, match="not both"):
        look_up_listing(recommended, listing, guest=guest, search="s")
    with pytest.raises(DataError, match="no guest"):
        look_up_listing(recommended, listing, guest="nobody at all")


def test_before_anything_is_trained_or_recommended_the_log_is_told(
    trained: Trained, tmp_path: Path, log: pl.DataFrame, guest: str
) -> None:
    context = trained.with_log(tmp_path / "home", trained.impressions)
    assert "Nothing is recommended in this home yet" in str(look_up_guest(context, guest))
    (context.home.root / "runs").unlink()
    search = log["id_search"].sort()[0]
    text = str(look_up_search(context, search))
    assert "Its results, in several orders" in text
    assert "As the ranker orders" not in text
    with pytest.raises(DataError, match="Train them first"):
        look_up_guest(context, guest, guests=1)
