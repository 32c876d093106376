"""The rows of ``recommendations``."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

import pipelines.recommendation.scores
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from models.explanations.reasons import MARK_BETWEEN
from pipelines.candidates.candidate_rows import candidate_rows
from pipelines.recommendation.lists import EXPOSURE, PLACED_BY, SPREAD
from pipelines.recommendation.recommended import Recommended
from pipelines.recommendation.table import OF_POLICY, recommendation_rows
from tests.pipelines.recommendation.worlds import NOON_S, Trained, Unlike, features_of, table_of

KEY = ["id_search", "id_listing"]


@pytest.fixture(scope="module")
def made(unlike: Unlike) -> Recommended:
    return unlike.made


@pytest.fixture(scope="module")
def table(unlike: Unlike) -> pl.DataFrame:
    return table_of(unlike.made)


def test_columns_are_those_of_the_contract_in_their_order_and_types(table: pl.DataFrame) -> None:
    expected = pl.DataFrame(RECOMMENDATIONS.schema.empty_table()).schema
    assert list(table.schema.items()) == list(expected.items())


def test_null_stands_only_where_the_contract_says_what_it_means(table: pl.DataFrame) -> None:
    never = [c.name for c in RECOMMENDATIONS.columns if c.null is None]
    assert {name: table[name].null_count() for name in never} == dict.fromkeys(never, 0)
    bounded = [c for c in RECOMMENDATIONS.columns if c.low is not None or c.high is not None]
    assert {c.name for c in bounded} >= {"score", "availability", "value_kept"}
    for column in bounded:
        values = table[column.name].drop_nulls()
        assert len(values) > 0
        assert column.low is None or values.min() >= column.low, column.name
        assert column.high is None or values.max() <= column.high, column.name
    assert set(table["placed_by"]) <= set(PLACED_BY)


def test_places_count_from_one_and_a_listing_stands_once(table: pl.DataFrame) -> None:
    lists = table.group_by("id_search").agg("rank", pl.col("id_listing").n_unique().alias("n"))
    for ranks, listings in lists.select("rank", "n").iter_rows():
        assert ranks == list(range(1, listings + 1))


def test_each_row_tells_the_candidate_that_it_is(made: Recommended, table: pl.DataFrame) -> None:
    candidates = made.scored.candidates
    known = pl.DataFrame(
        {
            "id_search": made.source.queries["id_search"].gather(candidates.query_C),
            "id_listing": made.source.catalogue["id_listing"].gather(candidates.listing_C),
            "market": made.source.catalogue["market"].gather(candidates.listing_C),
            "score": made.scored.score_C,
            "availability": pl.Series(candidates.availability_C, nan_to_null=True),
            "retrieval_score": candidates.cut_C,
        }
    )
    told = table.select(known.columns).sort(KEY)
    joined = table.select(KEY).join(known, on=KEY, how="left").select(known.columns).sort(KEY)
    assert told.equals(joined)
    guests = dict(made.source.queries.select("id_search", "id_user").iter_rows())
    assert table["id_user"].to_list() == [guests[search] for search in table["id_search"]]


def test_price_is_that_of_the_asked_nights(made: Recommended, table: pl.DataFrame) -> None:
    rows = candidate_rows(made.source, table.select(KEY))
    assert table["estimated_total_price"].equals(
        rows["listing_total_price"].alias("estimated_total_price")
    )
    assert table["estimated_total_price"].min() > 0


def test_each_row_says_which_nights_and_party_it_is_for(
    unlike: Unlike, table: pl.DataFrame
) -> None:
    asked = ["query_checkin", "query_nights", "query_num_guests"]
    log = unlike.context.lake.scan(IMPRESSIONS.name)
    stay = pl.col("checkout_day") - pl.col("checkin_day")
    searches = log.select(
        "id_search",
        "query_num_guests",
        query_checkin=pl.col("checkin_day").cast(pl.Date),
        query_nights=stay,
    ).unique()
    expected = table.select("id_search").join(
        searches.collect(), on="id_search", how="left", maintain_order="left", validate="m:1"
    )
    assert table.select(asked).equals(expected.select(asked))
    dateless = table.filter(id_search="dateless")
    assert dateless.height > 0
    assert dateless["query_checkin"].null_count() == dateless.height
    assert dateless["query_nights"].null_count() == dateless.height
    assert set(table.filter(id_search="a month")["query_nights"]) == {28}


def test_was_shown_is_about_the_guests_last_search_alone(
    unlike: Unlike, table: pl.DataFrame
) -> None:
    log = unlike.context.lake.scan(IMPRESSIONS.name).select(KEY).collect()
    shown = set(log.iter_rows())
    assert table["was_shown"].to_list() == [pair in shown for pair in table.select(KEY).iter_rows()]
    # Not all that the guest has ever seen.
    seen = unlike.made.seen
    query = {name: q for q, name in enumerate(unlike.made.source.queries["id_search"])}
    ids = unlike.made.source.catalogue["id_listing"]
    seen_ids = [set(ids.gather(seen[query[s]])) for s in table["id_search"]]
    was_seen = [at in of for at, of in zip(table["id_listing"], seen_ids, strict=True)]
    assert 0 < table["was_shown"].sum() < sum(was_seen) < table.height


def test_hours_are_counted_from_the_morning(table: pl.DataFrame) -> None:
    # The guest's own search of yesterday noon showed them; no later one did.
    own = table.filter(pl.col("id_search").is_in(["dated", "a month"]), pl.col("was_shown"))
    assert own.height > 0
    assert (own["hours_since_shown_free"] <= (86_400 - NOON_S) / 3600).all()
    assert (own.filter(id_search="a month")["hours_since_shown_free"] == 12.0).all()
    nights = pl.col("hours_since_shown_free").is_not_null()
    assert table.filter(nights)["availability"].null_count() == 0


def test_day_and_versions_are_the_same_in_all_rows(
    made: Recommended, table: pl.DataFrame, trained: Trained
) -> None:
    assert set(table["ds"]) == {date(1970, 1, 1) + timedelta(days=trained.morning)}
    # This home shares the models but has no registry: the run's name stands for the version.
    assert set(table["ranker_version"]) == {trained.run}
    assert set(table["retriever_version"]) == {made.serving.retriever_version} == {trained.run}


def test_reasons_are_sentences_about_the_row_and_the_same_in_parts_of_any_size(
    made: Recommended, table: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert table["reasons"].null_count() < 0.5 * table.height
    for text in table["reasons"].drop_nulls():
        reasons = text.split(MARK_BETWEEN)
        assert 1 <= len(reasons) <= 3
        assert all(len(reason) <= 90 for reason in reasons)
        assert "_" not in text
        assert "ratio" not in text
    monkeypatch.setattr(pipelines.recommendation.scores, "_ROWS_AT_ONCE", 7)
    assert table_of(made).equals(table)


def test_a_listing_that_is_said_to_be_cheaper_is_cheaper_than_most_of_its_list(
    made: Recommended, table: pl.DataFrame
) -> None:
    listed = table.join(prices_of(made), on=KEY)
    cheaper = pl.col("reasons").str.contains("(cheaper than|the price of) the other stays")
    # Half of the others, or more, cost more: a listing is at most the middle one of its list.
    rank = pl.col("price").rank().over("id_search")
    known = pl.col("price").count().over("id_search")
    said = listed.with_columns(share=(rank - 1) / (known - 1)).filter(cheaper)
    assert said.height > 0
    assert said["share"].max() <= 0.5


def prices_of(made: Recommended) -> pl.DataFrame:
    """The nightly price of each contender, as the model was told it."""
    contenders = made.scored.candidates.at(np.flatnonzero(made.scored.contender_C))
    told = features_of(made, contenders).select(*KEY, "listing_nightly_price")
    return told.rename({"listing_nightly_price": "price"})


def test_reasons_are_given_in_the_language_of_the_settings(
    made: Recommended, table: pl.DataFrame
) -> None:
    same = ["reasons"]
    portuguese = recommendation_rows(made, "pt").sort("id_search", "rank")
    assert portuguese.drop(same).equals(table.drop(same))
    told = portuguese["reasons"].is_not_null()
    assert told.equals(table["reasons"].is_not_null())
    assert (portuguese["reasons"] != table["reasons"]).filter(told).all()
    assert portuguese["reasons"].str.contains("opções|avaliações|você|reservada").sum() > 0


@pytest.mark.parametrize("policy", [EXPOSURE, SPREAD])
def test_a_policy_that_placed_a_listing_is_the_reason(
    made: Recommended, table: pl.DataFrame, policy: str
) -> None:
    placed_by = made.lists.placed_by_R.copy()
    placed_by[::2] = PLACED_BY.index(policy)
    moved = replace(made, lists=replace(made.lists, placed_by_R=placed_by))
    rows = recommendation_rows(moved)
    by_policy = rows.filter(placed_by=policy)
    assert by_policy.height == len(placed_by[::2])
    assert set(by_policy["reasons"]) == {OF_POLICY[policy].en}
    others = rows.filter(placed_by="score")["reasons"].drop_nulls()
    assert len(others) > 0
    assert not others.str.contains(OF_POLICY[policy].en, literal=True).any()


@pytest.mark.parametrize("policy", PLACED_BY)
def test_each_policy_has_short_words_and_the_score_gives_reasons(policy: str) -> None:
    assert (policy in OF_POLICY) == (policy != "score")
    if policy in OF_POLICY:
        told = OF_POLICY[policy]
        assert all(0 < len(text) <= 90 for text in (told.text("en"), told.text("pt")))


def test_a_list_keeps_its_value_where_no_policy_moved_it(
    made: Recommended, table: pl.DataFrame
) -> None:
    kept = table.group_by("id_search").agg(pl.col("value_kept").unique())
    assert kept["value_kept"].list.len().max() == 1
    values = np.concatenate(kept["value_kept"].to_list())
    assert values.max() <= 1 + 1e-12
    # "paraty" has no dated search, so that no night of it has a price.
    untouched = table.filter(pl.col("market") == "paraty")
    assert set(untouched["value_kept"]) == {1.0}
