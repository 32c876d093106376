"""Two orders on one page, compared by the clicks of guests with known probabilities."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.off_policy.interleaving import InterleavingConfig, interleave, team_draft

QUICK = InterleavingConfig(k=6, replicates=200)


@pytest.fixture
def clicking_guests(worlds, rng):
    world = worlds(rng, searches=1_500, sizes=(3, 12))
    arranged = arrange_rows(world.rows)
    appeal = arranged.arrange(np.minimum(world.chance * 3, 1))
    examined = np.arange(1, QUICK.k + 1) ** -0.7

    def clicks(rows):
        return rng.random(rows.shape) < examined * np.where(rows >= 0, appeal[rows], 0.0)

    return world, arranged, clicks


def _ranks(arranged, scores):
    return arranged.ranks(scores, model="any")


def test_better_order_wins(clicking_guests, rng):
    world, arranged, clicks = clicking_guests
    good, bad = _ranks(arranged, world.chance), _ranks(arranged, rng.random(world.rows.num_rows))
    won = interleave(arranged, (good, bad), clicks, rng=rng, config=QUICK)
    assert won.share.low > 0
    assert won.wins_first > won.wins_second
    lost = interleave(arranged, (bad, good), clicks, rng=rng, config=QUICK)
    assert lost.share.high < 0


def test_equal_orders_win_about_five_times_in_a_hundred(clicking_guests, rng):
    world, arranged, clicks = clicking_guests
    same = _ranks(arranged, world.chance)
    shares = [
        interleave(arranged, (same, same), clicks, rng=rng, config=QUICK).share for _ in range(60)
    ]
    won = sum(not share.low <= 0 <= share.high for share in shares)
    low, high = binom.interval(0.998, 60, 0.05)
    assert low <= won <= high


def test_page_holds_each_listing_once_and_shares_the_places(rng):
    orders = np.argsort(rng.random((200, 9)), axis=1), np.argsort(rng.random((200, 9)), axis=1)
    page, team = team_draft(*orders, k=9, rng=rng)
    assert (np.sort(page, axis=1) == np.arange(9)).all()
    assert set(team[:, :8].sum(axis=1)) == {4}
    assert 0.35 < team[:, 0].mean() < 0.65


def test_each_side_adds_its_best_free_listing():
    first, second = np.array([[0, 1, 2, 3]]), np.array([[3, 2, 1, 0]])
    page, team = team_draft(first, second, k=4, rng=np.random.default_rng(1))
    # whoever begins a round: the first adds 0, then 1, the second adds 3, then 2
    assert page[0][team[0] == 0].tolist() == [0, 1]
    assert page[0][team[0] == 1].tolist() == [3, 2]
    assert sorted(team[0, :2]) == sorted(team[0, 2:]) == [0, 1]


def test_short_search_leaves_the_rest_of_the_page_empty():
    order = np.array([[1, 0, -1], [2, 1, 0]])
    page, _ = team_draft(order, order, k=3, rng=np.random.default_rng(0))
    assert page.tolist() == [[1, 0, -1], [2, 1, 0]]


def test_share_counts_wins_and_half_the_ties_of_the_searches_with_a_click(rng):
    rows = pa.table(
        {"id_search": np.repeat(list("stuv"), 2), "id_listing": ["a", "b"] * 4, "stage": [0] * 8}
    )
    arranged = arrange_rows(rows)
    prefers_a = np.tile([1.0, 0.0], 4)
    orders = _ranks(arranged, prefers_a), _ranks(arranged, 1 - prefers_a)
    # with two places either side adds its favourite: a click on a is one for the first
    clicked_a, clicked_b = (
        arranged.arrange(np.array(clicks, float)) == 1
        for clicks in ([1, 0, 1, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0, 0])
    )
    won = interleave(
        arranged,
        orders,
        lambda page: (clicked_a | clicked_b)[page],
        rng=rng,
        config=InterleavingConfig(k=2, replicates=50),
    )
    assert (won.wins_first, won.wins_second, won.ties, won.searches) == (2, 0, 1, 4)
    assert won.share.value == pytest.approx(2.5 / 3 - 1 / 2)


def test_no_click_gives_no_preference(clicking_guests, rng):
    world, arranged, _ = clicking_guests
    ranks = _ranks(arranged, world.chance)
    silent = interleave(
        arranged, (ranks, ranks), lambda rows: np.zeros(rows.shape, bool), rng=rng, config=QUICK
    )
    assert np.isnan(silent.share.value)
    assert silent.wins_first == silent.wins_second == silent.ties == 0
