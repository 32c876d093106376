"""Logs that say little or nothing: what is no evidence has no figure, or no interval."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation import EvaluationConfig, EvaluationInputs, evaluate
from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.orderable_searches import in_orderable_searches

IMPRESSED, CLICKED, BOOKED = 0, 1, 3
CONFIG = EvaluationConfig(ks=(2, 10), replicates=100, threads=1)
# of these, only NDCG and the two means look at the places within the first ten
PLACES = ("ndcg_at_10", "mrr", "map")


def log_of(*searches, guests=None):
    """Rows of searches, each given by the stages of its results; by default a guest each."""
    guests = guests or [f"u{i}" for i in range(len(searches))]
    rows = [
        (f"s{i}", f"l{place}", guests[i], stage)
        for i, stages in enumerate(searches)
        for place, stage in enumerate(stages)
    ]
    search, listing, guest, stage = zip(*rows, strict=True)
    return pa.table(
        {
            "id_search": search,
            "id_listing": listing,
            "id_user": guest,
            "market": ["rio_de_janeiro"] * len(rows),
            "stage": pa.array(stage, pa.int8()),
            "listing_is_new": [place == "l0" for place in listing],
        }
    )


def card_of(rows, *, reference=None, model=None, truth=None):
    """The scorecard of two models, by default in the log's order and in the reverse one."""
    forward = np.arange(rows.num_rows, dtype=float)
    scores = {
        "popularity": forward if reference is None else reference,
        "ranker": -forward if model is None else model,
    }
    return evaluate(rows, scores, split="test", reference="popularity", config=CONFIG, truth=truth)


def ranked_by(card):
    """The metrics of the whole split that order a search's results."""
    words = ("ndcg", "mrr", "map", "recall", "hit_rate", "precision", "search_auc")
    return {s.metric for s in card.scores if s.metric.startswith(words)}


NOTHING_TO_RANK = {
    "one result each": (
        log_of([BOOKED], [BOOKED], [CLICKED], [IMPRESSED]),
        "nothing can be ranked: 4 searches with one result",
    ),
    "every result booked": (
        log_of([BOOKED] * 3, [BOOKED] * 2),
        "nothing can be ranked: 2 searches with the same action on every result",
    ),
    "no click at all": (
        log_of([IMPRESSED] * 3, [IMPRESSED] * 2, [IMPRESSED]),
        "nothing can be ranked: 1 search with one result, 2 searches without any action",
    ),
    "one search of one result": (
        log_of([BOOKED]),
        "nothing can be ranked: 1 search with one result",
    ),
}


@pytest.mark.parametrize(("rows", "sentence"), NOTHING_TO_RANK.values(), ids=NOTHING_TO_RANK)
def test_log_in_which_nothing_can_be_ranked_says_so_and_has_no_figure(rows, sentence):
    card = card_of(rows)
    assert card.honesty.nothing_ranked == sentence
    assert ("Warning", sentence) in card.honesty.facts()
    assert ranked_by(card) == set()
    assert all(score.difference is None for score in card.scores)


@pytest.mark.parametrize(
    "rows",
    [
        *(rows for rows, _ in NOTHING_TO_RANK.values()),
        log_of([IMPRESSED, BOOKED, IMPRESSED]),
        log_of([CLICKED, IMPRESSED], [IMPRESSED, CLICKED]),
        log_of([BOOKED, IMPRESSED], [BOOKED, IMPRESSED, CLICKED], guests=["u", "u"]),
        log_of(*[[BOOKED, IMPRESSED, IMPRESSED]] * 20),
    ],
)
def test_no_interval_has_zero_width_and_no_number_is_nan(rows):
    truth = {"p_book_taste": np.linspace(0.1, 0.3, rows.num_rows)}
    card = card_of(rows, truth=truth)
    for score in card.scores:
        assert (score.low is None) == (score.high is None)
        assert score.low is None or score.low < score.high, score
        if score.difference:
            assert score.difference_low is None or score.difference_low < score.difference_high
        assert score.searches > 0
    json.dumps(card.to_records(), allow_nan=False)


def test_searches_that_no_order_improves_are_left_out_and_counted():
    useful = [[IMPRESSED, BOOKED, IMPRESSED]] * 3
    useless = [[BOOKED], [IMPRESSED], [BOOKED, BOOKED], [CLICKED, CLICKED], [IMPRESSED] * 4]
    card, clean = card_of(log_of(*useful, *useless)), card_of(log_of(*useful))
    for metric in (*PLACES, "graded_ndcg_at_10", "recall_at_2"):
        figure, same = card.find("ranker", metric), clean.find("ranker", metric)
        assert (figure.value, figure.searches) == (pytest.approx(same.value), 3)
    assert {reason: n for reason, n in card.honesty.left_out.items() if n} == {
        "with one result, from every ranking metric": 2,
        "without a booking, from the booking metrics": 2,
        "whose results cannot be ordered better or worse (all booked), from the booking metrics": 1,
        "without any action, from graded NDCG": 1,
        "whose results cannot be ordered better or worse (all acted on alike), from graded NDCG": 2,
        "with a booking among at most 10 results, from recall, hit rate and precision at 10": 3,
    }
    by_bookings = [n for r, n in card.honesty.left_out.items() if r.endswith("booking metrics")]
    assert card.honesty.searches == card.honesty.searches_scored + sum(by_bookings) + 2


def test_recall_needs_more_results_than_places_and_ndcg_does_not():
    card = card_of(log_of([IMPRESSED, BOOKED, IMPRESSED], [BOOKED, IMPRESSED]))
    whole = [s for s in card.scores if (s.model, s.segment) == ("ranker", "all")]
    searches = {s.metric: s.searches for s in whole}
    assert {searches[metric] for metric in PLACES} == {2}
    assert {searches[f"{name}_at_2"] for name in ("recall", "hit_rate", "precision")} == {1}
    assert "recall_at_10" not in searches


def test_clicked_search_with_one_booking_can_be_ordered_by_gains():
    rows = log_of([CLICKED, BOOKED])
    arranged = arrange_rows(rows)
    acted = np.array([0, 1])
    assert in_orderable_searches(arranged, acted, np.array([0.01, 1.0])).tolist() == [0, 1]
    assert in_orderable_searches(arranged, acted, np.ones(2)).tolist() == []
    assert in_orderable_searches(arranged, acted[:1], np.ones(1)).tolist() == [0]


def test_one_guest_has_values_and_a_difference_but_no_interval_and_no_p():
    searches = [[IMPRESSED] * place + [BOOKED] + [IMPRESSED] * 12 for place in range(1, 13)]
    card = card_of(log_of(*searches, guests=["anna"] * 12))
    for score in card.scores:
        assert (score.low, score.high, score.difference_low, score.p) == (None,) * 4
        assert score.clusters == 1
    ranker = card.find("ranker", "ndcg_at_10")
    assert ranker.difference > 0
    assert ranker.searches == 12


def test_guest_without_a_scored_search_is_not_behind_the_figure():
    searches = [[IMPRESSED, BOOKED], [BOOKED, IMPRESSED], [IMPRESSED, IMPRESSED], [CLICKED]]
    card = card_of(log_of(*searches, guests=["anna", "anna", "ben", "carla"]))
    assert card.find("ranker", "ndcg_at_10").clusters == 1
    assert card.find("ranker", "new_listing_exposure_at_10").clusters == 3


def test_guests_who_all_differ_alike_give_a_difference_without_an_interval():
    card = card_of(log_of(*[[BOOKED, IMPRESSED, IMPRESSED]] * 20))
    ranker = card.find("ranker", "mrr")
    assert ranker.difference == pytest.approx(1 - 1 / 3)
    assert (ranker.difference_low, ranker.difference_high, ranker.p) == (None, None, None)
    assert (ranker.low, ranker.high) == (None, None)


def test_two_models_that_tie_everything_are_alike_from_0_to_0():
    rows = log_of(*[[IMPRESSED] * place + [BOOKED, IMPRESSED] for place in range(4)] * 5)
    alike = np.zeros(rows.num_rows)
    ranker = card_of(rows, reference=alike, model=alike).find("ranker", "ndcg_at_10")
    assert (ranker.difference, ranker.difference_low, ranker.difference_high) == (0, 0, 0)
    assert ranker.p == 1
    # of one guest not even that can be said
    alone = rows.set_column(2, "id_user", pa.array(["anna"] * rows.num_rows))
    ranker = card_of(alone, reference=alike, model=alike).find("ranker", "ndcg_at_10")
    assert (ranker.difference, ranker.difference_low, ranker.p) == (0, None, None)


def test_value_of_clicks_counts_clicks_and_has_figures_of_listings_too():
    rows = log_of(*[[IMPRESSED, CLICKED, CLICKED]] * 10, *[[CLICKED, IMPRESSED]] * 2)
    clicked = np.asarray(rows["stage"]) > 0
    inputs = EvaluationInputs(worth=np.where(clicked, 0.05, 0.0))
    scores = {"popularity": -np.arange(rows.num_rows, dtype=float)}
    config = replace(CONFIG, compared=())
    card = evaluate(
        rows, scores, split="test", reference="popularity", config=config, context=inputs
    )
    whole = card.find("popularity", "value_dcg_at_10")
    assert whole.positives == 22
    # of the first listing only two clicks, both in first place
    new = card.find("popularity", "value_dcg_at_10", segment="listing=new")
    assert new.positives == 2
    assert new.value * 12 == pytest.approx(2 * 0.05)


def test_g_is_absent_where_every_search_shows_one_result():
    rows = log_of([BOOKED], [IMPRESSED], [CLICKED])
    card = card_of(rows, truth={"p_book_taste": np.array([0.2, 0.7, 0.1])})
    assert not any(score.metric.startswith("g_") for score in card.scores)


def test_figure_of_fewer_than_ten_searches_is_too_few():
    rows = log_of(*[[IMPRESSED, BOOKED, IMPRESSED]] * 9, *[[CLICKED, IMPRESSED]] * 3)
    card = card_of(rows)
    assert card.find("ranker", "ndcg_at_10").is_too_few
    assert not card.find("ranker", "graded_ndcg_at_10").is_too_few
