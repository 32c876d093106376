"""What becomes of guests and logs that are unlike the others, end to end."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import DataError
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from data.schema.time import DAY_S
from pipelines.candidates.candidate_rows import candidate_source
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.feature_table.build_table import build_features_table
from pipelines.recommendation.recommend import recommend, recommended_on
from pipelines.recommendation.recommended import Recommended
from pipelines.run_context import RunContext
from pipelines.training.train import train
from tests.pipelines.recommendation.worlds import (
    NOON_S,
    RIO,
    Trained,
    Unlike,
    features_of,
    table_of,
    with_recommendation,
)

TOP = 5


@pytest.fixture(scope="module")
def made(unlike: Unlike) -> Recommended:
    return unlike.made


@pytest.fixture(scope="module")
def table(unlike: Unlike) -> pl.DataFrame:
    return table_of(unlike.made)


def list_of(table: pl.DataFrame, guest: str) -> pl.DataFrame:
    return table.filter(pl.col("id_search") == guest)


def query_of(made: Recommended, guest: str) -> int:
    (row,) = made.source.queries.with_row_index("at").filter(id_search=guest)["at"]
    return int(row)


def test_a_guest_who_has_arrived_keeps_the_own_time_and_still_gets_a_list(
    made: Recommended, table: pl.DataFrame, trained: Trained
) -> None:
    rows, at = list_of(table, "has arrived"), query_of(made, "has arrived")
    assert made.source.queries["search_s"][at] == (trained.morning - 1) * DAY_S + NOON_S
    assert rows["rank"].to_list() == [1, 2, 3, 4, 5]
    assert rows["availability"].null_count() == TOP
    assert rows["hours_since_shown_free"].null_count() == TOP
    # By the score alone, as nothing is known of nights that have begun.
    assert rows["score"].is_sorted(descending=True)
    # Asked at its own second, it does not know itself; one that was moved to the day does.
    contenders = made.scored.candidates.at(np.flatnonzero(made.scored.contender_C))
    past = features_of(made, contenders).select("id_search", "guest_past_searches")
    searches = past.group_by("id_search").agg(pl.col("guest_past_searches").unique())
    known = dict(searches.rows())
    assert (known["has arrived"], known["dated"]) == ([0], [1])


def test_a_dateless_search_gets_the_prior_of_each_listing_and_no_hours(
    made: Recommended, table: pl.DataFrame
) -> None:
    rows, other = list_of(table, "dateless"), list_of(table, "saw the castle")
    assert rows.height == TOP
    assert rows["hours_since_shown_free"].null_count() == TOP
    prior = dict(zip(made.source.catalogue["id_listing"], made.availability.prior_L, strict=True))
    assert rows["availability"].to_list() == [prior[listing] for listing in rows["id_listing"]]
    # It is of the listing, whoever asks, and listings differ.
    common = rows.join(other, on="id_listing")
    assert common.height > 0
    assert common["availability"].equals(common["availability_right"].alias("availability"))
    assert rows["availability"].n_unique() > 1


def test_a_guest_for_whom_one_listing_is_eligible_gets_it(table: pl.DataFrame) -> None:
    (row,) = list_of(table, "only the castle").to_dicts()
    assert (row["rank"], row["id_listing"], row["placed_by"]) == (1, "castle", "score")
    assert row["value_kept"] == 1.0
    assert row["was_shown"] is False


def test_a_listing_never_shown_with_dates_has_a_probability_and_no_hours(
    made: Recommended, table: pl.DataFrame
) -> None:
    (row,) = list_of(table, "only the castle").to_dicts()
    assert row["hours_since_shown_free"] is None
    # One that was shown for these nights on the day before is known to be free.
    candidates, at = made.scored.candidates, query_of(made, "dated")
    shown = made.source.shown.filter(id_search="dated")["id_listing"]
    listing = made.source.catalogue["id_listing"].gather(candidates.listing_C)
    is_shown = (candidates.query_C == at) & listing.is_in(shown.implode()).to_numpy()
    assert is_shown.sum() == len(shown)
    assert 0 < row["availability"] < candidates.availability_C[is_shown].min()


def test_a_guest_for_whom_none_is_eligible_gets_no_row_and_the_others_theirs(
    made: Recommended, table: pl.DataFrame
) -> None:
    others = set(made.source.queries["id_search"]) - {"too many"}
    assert set(table["id_search"]) == others


def test_where_no_guest_has_an_eligible_listing_the_error_says_so(
    unlike: Unlike, trained: Trained
) -> None:
    with pytest.raises(DataError, match="no search allows any listing of its market"):
        recommended_on(unlike.context, trained.run, trained.morning, guests=pl.Series(["too many"]))


def test_before_the_first_search_the_error_says_so(trained: Trained) -> None:
    first = int(trained.impressions["search_day"].min())
    with pytest.raises(DataError, match="no search lies before the day"):
        recommended_on(trained.context, trained.run, first)


def test_an_empty_log_is_told_as_one(trained: Trained, tmp_path: Path) -> None:
    context = trained.with_log(tmp_path / "home", trained.impressions.head(0))
    with pytest.raises(DataError, match="no search lies before the day"):
        recommend(context, trained.run)


def test_a_market_with_no_dated_search_recommends_without_availability(
    table: pl.DataFrame,
) -> None:
    rows = table.filter(pl.col("market") == "paraty")
    assert rows.height == 3 * TOP
    assert rows["availability"].null_count() == rows.height
    assert list_of(table, "of paraty 0")["score"].is_sorted(descending=True)


def test_where_all_nights_are_taken_availability_is_low_and_the_list_is_given(
    table: pl.DataFrame,
) -> None:
    late, early = list_of(table, "too late"), list_of(table, "in time")
    assert late.height == early.height == TOP
    assert late["availability"].max() < 0.5 < early["availability"].min()


def test_a_stay_of_28_nights_gets_listings_that_take_it_at_their_monthly_price(
    made: Recommended, table: pl.DataFrame, trained: Trained
) -> None:
    catalogue = made.source.catalogue.filter(market=RIO)
    takes = pl.col("listing_maximum_nights").fill_null(28) >= 28
    assert 0 < catalogue.filter(takes).height < catalogue.height
    rows = list_of(table, "a month").join(catalogue, on="id_listing")
    assert rows.height == TOP
    assert rows.filter(takes).height == TOP
    assert rows["availability"].is_between(0, 1).all()
    # Every night is held to be free: no more likely than a part of the nights.
    candidates = made.scored.candidates
    month, few = (candidates.query_C == query_of(made, g) for g in ("a month", "dated"))
    of_month = dict(zip(candidates.listing_C[month], candidates.availability_C[month], strict=True))
    of_few = dict(zip(candidates.listing_C[few], candidates.availability_C[few], strict=True))
    both = of_month.keys() & of_few.keys()
    assert len(both) > TOP
    assert np.mean([of_month[at] for at in both]) < np.mean([of_few[at] for at in both])
    # 28 nights, less the monthly discount, cost many times what three do.
    dear = rows.join(list_of(table, "dated"), on="id_listing", suffix="_of_three")
    ratio = dear["estimated_total_price"] / dear["estimated_total_price_of_three"]
    assert ratio.is_between(3, 28 / 3 * 1.5).all()


LACKING = {
    "dates": ("checkin_day", "checkout_day", "query_checkin", "query_checkout"),
    "prices": ("listing_total_price", "query_price_min", "query_price_max"),
    "guests": ("id_user",),
}


@pytest.fixture(scope="module", params=LACKING)
def lacking(
    request: pytest.FixtureRequest, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, RunContext, pl.DataFrame]:
    """What the log lacks, a home whose models learnt without it, and what it recommends."""
    root = Path(tmp_path_factory.mktemp("lacking")) / "home"
    root.mkdir()
    # Made once: the migrations of an empty one take seconds.
    shutil.copy(trained.context.home.mlflow_database, root / "mlflow.db")
    settings = with_recommendation(trained.context.settings, exposure=False)
    context = RunContext(home=Home(root), settings=settings, console=Console())
    context.lake.replace_all(IMPRESSIONS.name, trained.impressions.drop(LACKING[request.param]))
    build_features_table(context)
    recommend(context, train(context, ("two_tower", "ranker")))
    return request.param, context, context.lake.scan(RECOMMENDATIONS.name).collect()


def test_a_log_that_lacks_something_recommends_without_it(
    lacking: tuple[str, RunContext, pl.DataFrame], trained: Trained
) -> None:
    what, context, table = lacking
    nulls = {name for name in table.columns if table[name].null_count() == table.height}
    assert (
        nulls
        == {
            "dates": {
                *("availability", "hours_since_shown_free"),
                *("query_checkin", "query_nights"),
            },
            "prices": {"estimated_total_price"},
            "guests": {"id_user"},
        }[what]
    )
    # Without guests every search is a guest of its own.
    source = candidate_source(context.lake.scan(IMPRESSIONS.name), trained.morning)
    asking = "id_search" if what == "guests" else "id_user"
    assert source.queries.height == trained.impressions[asking].n_unique()
    without_list = source.queries.join(table, on="id_search", how="anti")
    # All but a few whose price filter excludes the nights that they are now asked for.
    if what != "prices":
        without_list = without_list.filter(pl.col("query_price_max").is_null())
    assert without_list.is_empty()
    assert table.group_by("id_search").len()["len"].max() == TOP
