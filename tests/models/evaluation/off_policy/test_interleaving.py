"""Two orders on one page, judged by guests whose taste is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.off_policy.interleaving import InterleavingConfig, interleave, team_draft

QUICK = InterleavingConfig(k=6, replicates=200)


@pytest.fixture
def field(worlds, rng):
    world = worlds(rng, searches=1_500, sizes=(3, 12))
    judged = arrange_rows(world.rows)
    appeal = judged.arrange(np.minimum(world.chance * 3, 1))
    examined = np.arange(1, QUICK.k + 1) ** -0.7

    def clicks(rows):
        return rng.random(rows.shape) < examined * np.where(rows >= 0, appeal[rows], 0.0)

    return world, judged, clicks


def _ranks(judged, scores):
    return judged.ranks(scores, model="any")


def test_better_order_wins(field, rng):
    world, judged, clicks = field
    good, bad = _ranks(judged, world.chance), _ranks(judged, rng.random(world.rows.num_rows))
    won = interleave(judged, (good, bad), clicks, rng=rng, config=QUICK)
    assert won.share.low > 0
    assert won.wins_first > won.wins_second
    lost = interleave(judged, (bad, good), clicks, rng=rng, config=QUICK)
    assert lost.share.high < 0


def test_equal_orders_win_about_five_times_in_a_hundred(field, rng):
    world, judged, clicks = field
    same = _ranks(judged, world.chance)
    shares = [
        interleave(judged, (same, same), clicks, rng=rng, config=QUICK).share for _ in range(60)
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
    wanted = [0, 1] if team[0, 0] == 0 else [3, 2]
    assert page[0, [0]] == wanted[0]
    assert set(page[0, :2]) == {0, 3}
    assert set(page[0, 2:]) == {1, 2}


def test_short_search_leaves_the_rest_of_the_page_empty():
    order = np.array([[1, 0, -1], [2, 1, 0]])
    page, _ = team_draft(order, order, k=3, rng=np.random.default_rng(0))
    assert page.tolist() == [[1, 0, -1], [2, 1, 0]]


def test_no_click_gives_no_preference(field, rng):
    world, judged, _ = field
    ranks = _ranks(judged, world.chance)
    silent = interleave(
        judged, (ranks, ranks), lambda rows: np.zeros(rows.shape, bool), rng=rng, config=QUICK
    )
    assert np.isnan(silent.share.value)
    assert silent.wins_first == silent.wins_second == silent.ties == 0
