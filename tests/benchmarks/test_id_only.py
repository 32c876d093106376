"""Ids alone: metrics by hand, the files that are read, and a log whose answer is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def id_only(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("id_only")


def test_recall_and_ndcg_are_means_over_the_users_of_the_test(id_only: ModuleType) -> None:
    """User 0 wants 1 and 4 and gets 4 first; users 2 and 3 want 5 and do not get it.

    The empty second place of user 3 is no hit of the last item of user 2.
    """
    test = id_only.Pairs(np.array([0, 0, 2, 3]), np.array([1, 4, 5, 5]))
    recommended = {0: [4, 2], 2: [0, 1], 3: [3, -1]}
    recall, ndcg = id_only.recall_and_ndcg(
        lambda users: np.array([recommended[user] for user in users.tolist()]), test, items=6, k=2
    )
    assert recall == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert ndcg == pytest.approx((1 / (1 + 1 / np.log2(3)) + 0 + 0) / 3)


def test_popularity_counts_the_takers_and_leaves_out_what_was_taken(id_only: ModuleType) -> None:
    """Item 0 is taken by three users, item 2 by two, item 1 by one."""
    train = id_only.Pairs(np.array([0, 1, 2, 1, 2, 2]), np.array([0, 0, 0, 2, 2, 1]))
    recommend = id_only.popularity(train, users=3, items=3, k=3)
    assert recommend(np.array([0, 1, 2])).tolist() == [[2, 1, -1], [1, -1, -1], [-1, -1, -1]]


def test_both_file_formats_are_read_as_pairs(id_only: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("7 1 2\n\n8\n9 3\n")
    (tmp_path / "ratings.txt").write_text("user item stars\n7 1 5\n9 3 1\n")
    lines = id_only.read_lines(tmp_path / "lines.txt")
    ratings = id_only.read_ratings(tmp_path / "ratings.txt")
    assert (lines.user.tolist(), lines.item.tolist()) == ([7, 7, 9], [1, 2, 3])
    assert (ratings.user.tolist(), ratings.item.tolist()) == ([7, 9], [1, 3])


def test_a_fifth_of_the_pairs_is_cut_off_and_none_is_in_both_parts(id_only: ModuleType) -> None:
    numbers = np.arange(10_000)
    early, late = id_only.cut(id_only.Pairs(numbers, numbers), np.random.default_rng(0))
    assert sorted([*early.item, *late.item]) == numbers.tolist()
    assert len(late.item) == pytest.approx(2_000, abs=150)


def test_the_trial_of_highest_recall_is_chosen_whatever_its_ndcg(id_only: ModuleType) -> None:
    trials = id_only.ALS_TRIALS[:3]
    figures = dict(zip(trials, [(0.1, 0.9), (0.3, 0.1), (0.2, 0.5)], strict=True))
    assert id_only.best_of(trials, figures.__getitem__) is trials[1]


@pytest.mark.slow
def test_the_rest_of_a_taste_is_found_by_all_that_learn_and_not_by_popularity(
    tmp_path: Path, run_benchmark: Callable[..., str]
) -> None:
    """Sixty users of three tastes took 15 of the 20 items of theirs; the other 5 are to be found.

    By taste exactly the right five are left; by popularity the tastes are alike.
    """
    chance = np.random.default_rng(0)
    orders = [chance.permutation(20) + 20 * (user % 3) for user in range(60)]
    for name, part in (("train.txt", slice(15)), ("test.txt", slice(15, 20))):
        lines = [" ".join(map(str, [user, *items[part]])) for user, items in enumerate(orders)]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    files = (str(tmp_path / "train.txt"), str(tmp_path / "test.txt"))
    printed = run_benchmark("id_only.py", *files, "--epochs", "8", "--threads", "1", "--k", "5")
    assert printed.startswith("900 interactions to learn from, 300 to find\n")
    rows = re.findall(r"^(\w+) +recall@5 ([\d.]+)  ndcg@5 ([\d.]+)", printed, re.MULTILINE)
    figures = {model: (float(recall), float(ndcg)) for model, recall, ndcg in rows}
    assert list(figures) == ["popularity", "als", "bpr", "two_tower"]
    assert max(figures.pop("popularity")) < 0.2
    for model, (recall, ndcg) in figures.items():
        assert min(recall, ndcg) > 0.95, model


def test_users_are_drawn_until_their_interactions_are_enough(id_only: ModuleType) -> None:
    """Users of 1, 2, 3 and 4 interactions: drawn whole, and one beyond the limit at most."""
    user = np.repeat(np.arange(4), [1, 2, 3, 4])
    pairs = id_only.Pairs(user, np.arange(10))
    for seed in range(20):
        drawn = id_only.some_users(pairs, 5, np.random.default_rng(seed))
        counts = (drawn + 1).tolist()
        assert sum(counts) >= 5 > sum(counts[:-1])
    assert sorted(id_only.some_users(pairs, 100, np.random.default_rng(0))) == [0, 1, 2, 3]


def test_made_up_check_ins_are_pairs_once_and_mostly_of_three_cities(id_only: ModuleType) -> None:
    pairs = id_only.made_up(np.random.default_rng(0), users=60)
    places = round(1.37 * 60)
    assert set(pairs.user.tolist()) == set(range(60))
    assert 0 <= pairs.item.min() <= pairs.item.max() < places
    assert len({*zip(pairs.user.tolist(), pairs.item.tolist(), strict=True)}) == len(pairs.user)
