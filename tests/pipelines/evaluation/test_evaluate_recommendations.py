"""What guests are given, measured on a small home: by the truth, by the rivals, by a replay."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from data.schema.tables import IMPRESSIONS
from models.evaluation.recommended_lists import Lists
from models.evaluation.scorecard import Score
from pipelines.evaluation.evaluate_recommendations import evaluate_recommendations, truth_scores
from pipelines.evaluation.list_truth import ListTruth, open_truth
from pipelines.evaluation.recommendations_view import (
    bookings_line,
    read_recommendation_scores,
    replay_rows,
    truth_rows,
)
from pipelines.evaluation.replay import replay
from pipelines.evaluation.rival_lists import OURS, RIVALS, lists_by, rival_lists
from pipelines.recommendation.recommend import recommended_on
from pipelines.recommendation.recommended import Recommended
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record


@pytest.fixture(scope="module")
def made(finished: tuple[RunContext, str]) -> Recommended:
    context, run = finished
    days = context.lake.scan(IMPRESSIONS.name).select(pl.col("search_day").max()).collect()
    return recommended_on(context, run, int(days.item()) + 1)


@pytest.fixture(scope="module")
def scores(finished: tuple[RunContext, str], made: Recommended) -> tuple[Score, ...]:
    return evaluate_recommendations(finished[0], finished[1], made)


def value(scores: tuple[Score, ...], model: str, metric: str) -> float:
    (score,) = (s for s in scores if (s.model, s.metric) == (model, metric))
    return score.value


def test_lists_by_score_break_ties_by_the_listing_and_keep_twenty() -> None:
    query = np.repeat([0, 3], [2, 25])
    listing = np.r_[8, 5, np.arange(25)]
    lists = lists_by("m", query, listing, np.r_[0.5, 0.5, np.arange(25.0)])
    assert lists.listing_R[:2].tolist() == [5, 8]
    assert lists.listing_R[2:5].tolist() == [24, 23, 22]
    assert np.bincount(lists.query_R).tolist() == [2, 0, 0, 20]


def test_rivals_are_made_for_the_same_guests_from_the_same_morning(
    finished: tuple[RunContext, str], made: Recommended
) -> None:
    log = finished[0].lake.scan(IMPRESSIONS.name)
    lists = rival_lists(made, log, seed=1)
    assert set(lists) == {OURS, *RIVALS}
    popular = lists["popularity"]
    clicks = log.filter(pl.col("stage") > 0).group_by("id_listing").len().collect()
    count = dict(clicks.iter_rows())
    ids = made.source.catalogue["id_listing"]
    first = popular.query_R == popular.query_R[0]
    counted = [count.get(ids[int(row)], 0) for row in popular.listing_R[first]]
    assert counted == sorted(counted, reverse=True)
    seen = lists["shown_before"]
    for query, listing in zip(seen.query_R[:200], seen.listing_R[:200], strict=True):
        assert listing in made.seen[query]


def test_the_oracle_is_one_and_nothing_is_above_it(scores: tuple[Score, ...]) -> None:
    assert value(scores, "oracle_taste", "catalogue_g_taste_at_10") == pytest.approx(1)
    assert abs(value(scores, "random", "catalogue_g_taste_at_10")) < 0.1
    for metric in ("catalogue_g_taste_at_10", "catalogue_g_observables_at_10"):
        assert all(s.value <= 1 + 1e-9 for s in scores if s.metric == metric)


def test_known_nights_are_free_and_collisions_only_cost(scores: tuple[Score, ...]) -> None:
    assert value(scores, "free_known", "catalogue_free_at_10") == 1
    for model in (OURS, *RIVALS, "oracle_taste"):
        lost = value(scores, model, "catalogue_lost_to_collisions")
        assert 0 <= lost < 1
    # by truth, our lists are free more often than popular ones even on a tiny log
    ours, popular = (value(scores, m, "catalogue_free_at_10") for m in (OURS, "popularity"))
    assert ours > popular


def test_the_best_lists_by_truth_are_worth_the_bounds(
    finished: tuple[RunContext, str], made: Recommended
) -> None:
    sample = open_truth(finished[0], made)
    assert sample is not None
    truth = ListTruth(made, sample)
    worst = Lists(
        model="first only",
        query_R=truth.oracle.query_R[truth.oracle.place_R == 1],
        place_R=truth.oracle.place_R[truth.oracle.place_R == 1],
        listing_R=truth.oracle.listing_R[truth.oracle.place_R == 1],
    )
    g = {m.metric: m for m in truth.metrics(worst)}["catalogue_g_taste_at_10"]
    share = g.numerator.sum() / g.denominator.sum()
    assert 0.1 < share < 0.9


def test_pairs_of_the_truth_are_free_or_not_and_predicted(
    finished: tuple[RunContext, str], made: Recommended
) -> None:
    sample = open_truth(finished[0], made)
    assert sample is not None
    free, predicted = ListTruth(made, sample).availability_pairs(made, guests=50)
    assert 0.2 < free.mean() < 1
    assert predicted[free].mean() > predicted[~free].mean() + 0.1


def test_a_log_without_a_world_has_no_truth(
    finished: tuple[RunContext, str], made: Recommended
) -> None:
    context, _ = finished
    world = context.home.simulated_world
    saved = world.read_text()
    try:
        world.unlink()
        assert truth_scores(context, made) == ()
        world.write_text(json.dumps(json.loads(saved) | {"searches": 40}))
        assert truth_scores(context, made) == ()  # another world: its guests are not these
    finally:
        world.write_text(saved)


def test_the_replay_counts_what_guests_took_the_next_day(
    finished: tuple[RunContext, str], scores: tuple[Score, ...]
) -> None:
    context, run = finished
    replayed = tuple(s for s in scores if s.split == "replay")
    assert {s.model for s in replayed} == {OURS, *RIVALS, "retrieved"}
    day = read_record(context.home, run).windows["test"][0]
    log = context.lake.scan(IMPRESSIONS.name)
    before = log.filter(pl.col("search_day") < day).select("id_user").unique()
    taken = log.filter(pl.col("search_day") == day, pl.col("stage") > 0)
    pairs = taken.join(before, on="id_user", how="semi").select("id_user", "id_listing").unique()
    (score,) = (s for s in replayed if (s.model, s.metric) == (OURS, "replay_hit_click_at_20"))
    assert score.positives == pairs.collect().height
    assert value(replayed, OURS, "replay_hit_click_at_20") > value(
        replayed, "random", "replay_hit_click_at_20"
    )


def test_the_replay_does_not_know_its_own_day(finished: tuple[RunContext, str]) -> None:
    """Other outcomes on the day change what is hit, and not one list."""
    context, run = finished
    day = read_record(context.home, run).windows["test"][0]
    log = context.lake.scan(IMPRESSIONS.name)
    guests = log.filter(pl.col("search_day") == day).select("id_user").unique().collect()["id_user"]
    first = recommended_on(context, run, day, guests=guests.sort())
    assert first.source.queries["search_day"].max() == day
    shown = first.source.shown.join(
        log.filter(pl.col("search_day") >= day).select("id_search").collect(), on="id_search"
    )
    assert shown.is_empty()
    assert first.availability.seen is not None
    assert int(first.availability.seen.last_shown_LH.max()) < day * 86_400


def test_a_log_without_guests_has_no_replay(
    finished: tuple[RunContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, run = finished
    bare = context.lake.scan(IMPRESSIONS.name).drop("id_user")
    monkeypatch.setattr(type(context.lake), "scan", lambda _lake, _name: bare)
    assert replay(context, run) == ()


def test_figures_are_written_shown_and_logged(
    finished: tuple[RunContext, str], scores: tuple[Score, ...]
) -> None:
    context, run = finished
    assert read_recommendation_scores(context.home) == scores
    assert [row[0] for row in truth_rows(scores)][-1] == "oracle"
    assert len(replay_rows(scores)) == 7
    together = value(scores, OURS, "catalogue_bookings_together_per_1000")
    assert f"{together:.1f}, beside" in bookings_line(scores)
    assert "SIMULATED" in bookings_line(scores)
    parent = read_record(context.home, run).parent
    logged = context.tracking.client.get_run(parent).data.metrics
    assert logged["simulated_truth.recommendations.catalogue_g_taste_at_10"] == pytest.approx(
        value(scores, OURS, "catalogue_g_taste_at_10")
    )


def test_without_scores_nothing_is_said() -> None:
    assert bookings_line(()) == ""
    assert truth_rows(()) == []
