"""Rates of the places and fitted rewards of a randomised log."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.off_policy.reward_model import fitted_rewards, position_rates


def test_rates_that_follow_a_power_law_are_kept():
    # 1000 rows a place, of which 1000 / place were clicked
    position = np.repeat([1, 2, 4, 5], 1_000)
    rewards = np.concatenate([np.arange(1_000) < 1_000 // place for place in (1, 2, 4, 5)])
    rates = position_rates(rewards.astype(float), position)
    assert rates[[1, 2, 4, 5]] == pytest.approx([1.0, 0.5, 0.25, 0.2])
    # no row stood in place 3: it gets the law's rate
    assert rates[3] == pytest.approx(1 / 3)


def test_rarely_shown_place_is_drawn_towards_the_law():
    position = np.concatenate([np.repeat([1, 2], 5_000), [3] * 2])
    rewards = np.concatenate([np.arange(5_000) < 2_000, np.arange(5_000) < 1_000, [1, 1]])
    rates = position_rates(rewards.astype(float), position)
    assert rates[1:3] == pytest.approx([0.4, 0.2], rel=0.01)
    # both of its two rows were clicked; 50 pseudo-rows of about 0.4 / 3 stand against them
    assert rates[3] == pytest.approx((2 + 50 * 0.4 / 3) / 52, rel=0.01)


def test_log_without_rewards_examines_all_places_alike():
    assert position_rates(np.zeros(3), np.array([1, 2, 3])).tolist() == [1, 1, 1, 1]


def test_fitted_reward_is_the_rate_of_the_place_times_the_lift_of_the_bin():
    """Only rows that the model ranks first are clicked, twice as often in place 1 as in 2."""
    searches = 400
    search = np.repeat(np.arange(searches), 2)
    rows = pa.table(
        {
            "id_search": [f"s{i}" for i in search],
            "id_listing": [f"l{i}" for i in range(2 * searches)],
            "id_user": [f"u{i}" for i in search],
            "stage": np.zeros(2 * searches, dtype=np.int8),
        }
    )
    arranged = arrange_rows(rows)
    ranks = np.tile([1, 2], searches)
    # within each half of the guests: a quarter of the searches in either order, clicked or not
    part = np.repeat((np.arange(searches) // 2) % 8, 2)
    position = np.where(part < 4, ranks, 3 - ranks)
    clicked = (ranks == 1) & np.isin(part, [0, 1, 2, 3, 4, 5])
    assert (arranged.cluster == np.arange(searches)).all()
    in_new, in_old = fitted_rewards(
        arranged, rewards=clicked.astype(float), position=position, ranks=ranks, bins=2
    )
    # the top bin is clicked always in place 1 and half the time in place 2, the other never
    assert in_new == pytest.approx(np.where(ranks == 1, 1.0, 0.0), abs=1e-6)
    assert in_old == pytest.approx(
        np.select([ranks == 2, position == 1], [0.0, 1.0], 0.5), abs=1e-6
    )
