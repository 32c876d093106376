"""The sentences under the notebooks' sections: figures to check by hand, and odd homes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from models.evaluation.provenance import Honesty
from models.evaluation.scorecard import Score, Scorecard
from pipelines.analysis.conclusions import Conclusion
from pipelines.analysis.conclusions.features import about_ablation, about_leak, about_power
from pipelines.analysis.conclusions.log import (
    about_funnel,
    about_lead_times,
    about_quality,
    about_rows,
    about_seasons,
)
from pipelines.analysis.conclusions.marketplace import (
    about_bookings,
    about_exposure,
    about_newness,
    about_prices,
    about_recruits,
    about_unmet,
)
from pipelines.analysis.conclusions.ranker import (
    about_calibration,
    about_ceiling,
    about_champion,
    about_example,
    about_segments,
)
from pipelines.analysis.conclusions.retrieval import about_cold_listings, about_neighbours
from pipelines.analysis.example_search import example_search
from pipelines.analysis.figures import figures, of_orders
from pipelines.analysis.new_listings import exposure_policies
from tests.pipelines.evaluation.made_up_scorecard import made_up_scorecard

HERE = {"market": "lisbon", "area_lat": 38.71, "area_lng": -9.14}


def score(model: str, segment: str, value: float, searches: int = 100, **rest: Any) -> Score:
    given: dict[str, Any] = {"metric": "ndcg_at_10", "low": value - 0.1, "high": value + 0.1}
    counts: dict[str, Any] = {"searches": searches, "positives": searches}
    return Score(
        model=model, split="test", segment=segment, value=value, k=10, **counts, **(given | rest)
    )


def card(honesty: Honesty, *scores: Score) -> Scorecard:
    return Scorecard(scores=scores, honesty=honesty)


def test_names_of_the_log_are_not_read_as_markdown() -> None:
    assert Conclusion("a_b <i>*")._repr_markdown_() == r"**a\_b \<i\>\***"


def test_funnel_tells_shares_and_the_range_of_the_days() -> None:
    days = pl.DataFrame(
        {
            "market": "lisbon",
            "ds_search": [date(2026, 1, 1), date(2026, 1, 2)],
            "searches": [50, 50],
            "impressions": [500, 500],
            "clicks": [20, 30],
            "bookings": [1, 1],
        }
    )
    assert about_funnel(days) == (
        "Of 1,000 results shown in 100 searches, 5.0% were clicked and 0.20% booked: one booking "
        "in 50 searches. By day the share clicked runs from 4.0% (Lisbon, 01 Jan) to 6.0% (Lisbon, "
        "02 Jan)."
    )
    assert about_funnel(days.head(0)) == "The log has no search."
    assert "one booking" not in about_funnel(days.with_columns(bookings=0))


def test_lead_times_leave_out_bands_of_too_few_searches() -> None:
    bands = pl.DataFrame(
        {
            "market": "lisbon",
            "lead_time": ["0-3 days", "4-14 days", "dateless"],
            "searches": [60, 38, 2],
            "booked": [0.02, 0.05, None],
        }
    )
    assert about_lead_times(bands) == (
        "In Lisbon most searches (60%) are 0-3 days before the stay, those 4-14 days before the "
        "stay are booked most often (5.00%), those 0-3 days before the stay least (2.00%)."
    )


def test_carnival_is_held_against_the_same_weekdays_around_it() -> None:
    days = [date(2026, 1, 25) + timedelta(days=n) for n in range(45)]
    carnival = {date(2026, 2, 14) + timedelta(days=n) for n in range(4)}
    season = pl.DataFrame(
        {
            "market": "rio_de_janeiro",
            "query_checkin": days,
            "searches": [30 if day in carnival else 10 for day in days],
            "nightly_price": [150.0 if day in carnival else 100.0 for day in days],
        }
    )
    told = about_seasons(season)
    assert "Carnival's nights get 3.0 times the searches of the same weekdays" in told
    assert "at prices 50% higher" in told
    assert "Carnival" not in about_seasons(season.with_columns(market=pl.lit("lisbon")))
    assert about_seasons(season.head(0)) == "The log has nothing to show here."


def test_rows_that_do_not_add_up_are_told() -> None:
    files = pl.DataFrame({"rows_in": [5], "rows_accepted": [3], "rows_quarantined": [2]})
    assert about_rows(files) == (
        "5 rows read = 3 accepted + 2 quarantined, in 1 file: every row is accounted for."
    )
    assert "do not add up" in about_rows(files.with_columns(rows_in=6))


def test_quality_counts_what_was_checked_alone() -> None:
    quality = pl.DataFrame(
        {
            "market": "lisbon",
            "ds": date(2026, 1, 2),
            "name": ["a", "b", "c"],
            "is_flagged": [True, False, None],
        }
    )
    assert about_quality(quality) == (
        "1 of the 2 checked measures is outside the limits: a in Lisbon on 02 Jan."
    )
    assert about_quality(quality.filter(pl.col("is_flagged").is_null())).startswith("Nothing could")


def test_a_feature_that_is_low_where_clicked_is_told_as_such() -> None:
    power = pl.DataFrame(
        {"feature": ["fee", "noise"], "meaning": ["cleaning fee", "x"], "power": [0.3, 0.51],
         "clicks": [50, 50]}
    )  # fmt: skip
    told = about_power(power)
    assert "a clicked listing has a lower value than 70% of the other results" in told
    assert "1 of the 2 features say next to nothing" in told
    assert "too few (n = 3)" in about_power(power.with_columns(clicks=3))


def test_a_leak_that_does_not_show_is_not_claimed() -> None:
    counts = pl.DataFrame({"power": [0.6, 0.8], "clicks": [50, 50]})
    assert "looks better by 0.20" in about_leak(counts)
    assert "does not show" in about_leak(counts.reverse())


def test_groups_within_chance_are_named() -> None:
    ablation = pl.DataFrame(
        {
            "group": ["a", "b"],
            "metric": ["value_dcg_at_10"] * 2,
            "difference": [-0.005, -0.001],
            "low": [-0.006, -0.002],
            "high": [-0.004, 0.001],
            "searches": [100, 100],
        }
    )
    assert about_ablation(ablation) == (
        "Without the values of a the ranker loses most: 5.00 bookings' worth of clicks per 1,000 "
        "searches, 95% interval 4.00 to 6.00; what it loses without b cannot be told from nothing."
    )


def test_a_segment_of_two_searches_is_too_few_and_not_the_weakest(honesty: Honesty) -> None:
    compared: dict[str, Any] = {
        "versus": "popularity",
        "difference_low": 0.01,
        "difference_high": 0.2,
    }
    evaluation = card(
        honesty,
        score("ranker", "all", 0.5, difference=0.1, **compared),
        score("ranker", "party=5+", 0.4, difference=0.05, **compared),
        score("ranker", "market=lisbon", 0.5, difference=0.1, **compared),
        score("ranker", "listing=new", 0.1, searches=2),
    )
    told = about_segments(evaluation)
    assert "ahead of popularity in 2 of 2 segments, and behind in none" in told
    assert "least is gained for party 5+ (+14.3%" in told
    assert told.endswith("Too few to say: new listings: too few (n = 2).")
    table = figures(evaluation, {"ndcg_at_10": "NDCG"}, evaluation.segments, weakest_first=True)
    assert table["segment"].tolist()[0] == "party=5+"
    assert table.iloc[-1]["NDCG"] == "too few (n = 2)"


def test_orders_by_the_truth_stand_beside_no_logged_outcome(honesty: Honesty) -> None:
    oracle = score("oracle_taste", "all", 0.4)
    evaluation = card(honesty, score("ranker", "all", 0.5), oracle)
    assert [s.model for s in of_orders(evaluation.scores)] == ["ranker"]
    assert figures(evaluation, {"ndcg_at_10": "NDCG"})["model"].tolist() == ["ranker"]
    assert about_ceiling(evaluation).startswith("Nobody knows")
    known = score("ranker", "all", 0.78, metric="g_observables_at_10")
    assert "wins 78% of what one who made the best of what the log shows" in about_ceiling(
        card(honesty, known)
    )


def test_a_run_that_was_not_judged_says_so() -> None:
    assert about_champion(None) == "The gate has not judged this run."


def test_example_shows_the_best_and_whatever_was_clicked() -> None:
    examples = pl.DataFrame(
        {
            "id_search": ["s"] * 12,
            "rank": range(1, 13),
            "shown": [6, *range(20, 30), 1],
            "id_listing": [f"l{n}" for n in range(12)],
            "stage": [3, *[0] * 10, 1],
            "reasons": "",
        }
    )
    table = example_search(examples)
    assert table["rank"].to_list() == [*range(1, 11), 12]
    assert table["outcome"].to_list()[::10] == ["booked", "clicked"]
    assert about_example(table) == (
        "Of these 11 results 2 were clicked or more: the ranker moves the booked one from place 6 "
        "to 1 and the clicked one from place 1 to 12, 1 of 2 upwards. One search shows how, not "
        "how well."
    )


def test_calibration_without_enough_rows_or_bookings_says_so() -> None:
    bins = pl.DataFrame(
        {
            "stage": ["click", "book"],
            "market": "lisbon",
            "decile": 0,
            "predicted": [0.05, 0.001],
            "actual": [0.06, 0.002],
            "rows": [1_000, 1_000],
        }
    )
    assert about_calibration(bins) == (
        "Promised and come, of all results: clicked 5.0% and 6.0% in Lisbon; booked 2 in Lisbon "
        "(too few to hold a promise against)."
    )
    for empty in (None, bins.head(0), bins.with_columns(rows=3)):
        assert about_calibration(empty).startswith("Too few rows")


@pytest.mark.parametrize(
    ("prices", "alike", "unlike"),
    [(100.0, "place and price", "kind"), (300.0, "place", "kind and price")],
)
def test_neighbours_are_alike_in_what_the_table_shows(
    prices: float, alike: str, unlike: str
) -> None:
    def rows(count: int, lat: float, room: str, price: float) -> pl.DataFrame:
        return pl.DataFrame(
            {"listing_lat": [lat] * count, "listing_lng": 0.0, "listing_room_type": room,
             "listing_nightly_price": price}
        )  # fmt: skip

    itself = rows(1, 0.0, "flat", 100.0)
    near = rows(10, 0.001, "room", prices)
    market = pl.concat([itself, near, rows(20, 0.5, "flat", 100.0)])
    told = about_neighbours(pl.concat([itself, near]), market)
    names = [
        part.split(" (")[0] for part in told.split(" in ")[1].split("), and not")[0].split(") and ")
    ]
    assert " and ".join(names) == alike
    assert all(word in told.split("and not in ")[1] for word in unlike.split(" and "))


def test_cold_listings_of_too_few_searches_have_no_figure(honesty: Honesty) -> None:
    recall: dict[str, Any] = {"metric": "catalogue_recall_at_100"}
    whole = score("two_tower", "all", 0.5, **recall)
    few = card(honesty, whole, score("two_tower", "listing=new", 0.5, searches=2, **recall))
    assert "too few (n = 2)" in about_cold_listings(few)
    new = score("two_tower", "listing=new", 0.2, **recall)
    other = score("popularity", "listing=new", 0.25, **recall)
    assert "and the intervals overlap" in about_cold_listings(card(honesty, whole, new, other))


def test_new_listings_that_stand_no_lower_are_told_so() -> None:
    ranks = pl.DataFrame(
        {
            "market": "lisbon",
            "listing_is_new": [False, True],
            "rows": [100, 50],
            "mean_place": [0.5, 0.4],
            "top_share": [0.5, 0.6],
            "click_rate": [0.05, 0.02],
        }
    )
    assert "stand no lower than known ones" in about_newness(ranks)
    few = ranks.with_columns(rows=pl.Series([100, 2]))
    assert about_newness(few) == "Lisbon: new listings are too few (n = 2)."


def test_two_booked_new_listings_are_too_few_to_say_what_exposure_brings() -> None:
    curve = pl.DataFrame(
        {
            "bonus": [0.0, 0.5, 1.0],
            "exposure_change": [0.0, 0.5, 1.0],
            "value_change": [0.0, -0.0005, -0.01],
            "bookings": [2.0, 2.0, 2.0],
            "most_loss": [0.001] * 3,
        }
    )
    told = about_exposure(curve)
    assert "A bonus of 0.5 is the largest within the 0.1% of value" in told
    assert "too few (n = 2)" in told
    table = exposure_policies(curve)
    assert table["booked new listings"].tolist() == ["too few (n = 2)"] * 3
    assert table["within what it may cost"].tolist() == [True, True, False]
    assert "Every bonus costs more" in about_exposure(curve.with_columns(value_change=-0.5))


def test_marketplace_without_enough_searches_names_no_area() -> None:
    unmet = pl.DataFrame(
        [{**HERE, "week": date(2026, 2, 2), "unmet": 5.0, "searches": 50, "market_rate": 0.5}]
    )
    assert about_unmet(unmet) == (
        "Most demand goes unmet around 38.71, -9.14, Lisbon for check-ins from 02 Feb: 5 of 50 "
        "searches without a click above what the market's own 50% would leave, 100% of all such "
        "searches."
    )
    assert about_unmet(unmet.with_columns(searches=2)).startswith("No area")
    wanted = pl.DataFrame([{**HERE, "capacity": "3-4", "wanted": 7.0, "searches": 50}])
    assert "7 for 3-4 guests around 38.71, -9.14, Lisbon" in about_recruits(wanted)
    assert about_recruits(wanted.with_columns(wanted=0.0)).startswith("No area")


def test_dear_listings_that_are_clicked_more_are_told_so() -> None:
    guidance = pl.DataFrame(
        {"price_ratio": [2.0] * 10, "click_rate": 0.08, "comparable_click_rate": 0.04}
    )
    told = about_prices(guidance)
    assert told.startswith(
        "10 listings at least 1.25 times the median of comparable ones are clicked"
    )
    assert "in 8.0% of their results, comparable ones in 4.0%" in told
    assert told.endswith("those below 0.8 times the median of comparable ones are too few (n = 0).")


def test_bookings_still_to_come_need_enough_that_are_in() -> None:
    days = pl.DataFrame(
        {"ds_search": [date(2026, 1, 2)], "observed": [90], "expected": [100.0],
         "completeness": [0.9]}
    )  # fmt: skip
    assert about_bookings(days) == (
        "90 bookings are in and about 10 more are expected; of the last day, 02 Jan, the log holds "
        "90.0% of what it will hold in the end."
    )
    assert "too few (n = 0)" in about_bookings(pl.DataFrame())


@pytest.fixture
def honesty() -> Honesty:
    return made_up_scorecard(["ndcg_at_10"]).honesty
