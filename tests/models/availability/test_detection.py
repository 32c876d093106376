"""How often free listings are shown, learnt from pairs that are known to be free."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from models.availability.config import AvailabilityConfig
from models.availability.detection import (
    DetectionRows,
    detection_probabilities,
    known_pairs_factor,
)
from tests.models.availability.made_up_world import CONFIG, rows, world

SHAPES = AvailabilityConfig(
    rounds=20, min_rows_per_leaf=100, shapes=(2.0, 8.0, 1e9), fewest_shown=100, threads=1
)


def anchors(shape: float | None, *, size: int = 6_000, weight: float = 1.0) -> DetectionRows:
    """Free pairs whose listings are shown by a factor of their own, gamma with this shape.

    ``None``: all alike. Other searches should have shown each some times, and did as often as
    the same factor makes them.
    """
    rng = np.random.default_rng(7)
    rate = rng.choice([0.1, 0.3], size)
    factor = np.ones(size) if shape is None else rng.gamma(shape, 1 / shape, size)
    expected = rng.uniform(0.5, 6, size)
    was_shown = rng.random(size) < np.minimum(rate * factor, 0.99)
    return DetectionRows(
        inputs_PD=np.column_stack([np.log(rate), np.full(size, np.nan)]),
        search_P=np.arange(size) // 5,
        was_shown_P=was_shown,
        weight_P=np.where(was_shown, 1.0, weight),
        is_anchor_P=np.ones(size, dtype=bool),
        expected_P=expected,
        seen_P=rng.poisson(factor * expected).astype(float),
    )


@cache
def of_the_world(threads: int = 1) -> tuple[list[float], float]:
    chance, shape = detection_probabilities(rows().detection, replace(CONFIG, threads=threads))
    return chance.tolist(), shape


def test_the_factor_draws_the_never_seen_down() -> None:
    factor = known_pairs_factor(4.0, np.array([0.0, 0.0, 8.0]), np.array([0.0, 4.0, 4.0]))
    assert factor.tolist() == [1.0, 0.5, 1.5]
    alike = known_pairs_factor(1e9, np.array([0.0, 8.0]), np.array([4.0, 4.0]))
    assert np.allclose(alike, 1)


def test_less_than_nothing_counts_as_nothing() -> None:
    factor = known_pairs_factor(4.0, np.array([-1.0]), np.array([-2.0]))
    assert factor.tolist() == [1.0]


@pytest.mark.parametrize(("made_with", "chosen"), [(2.0, 2.0), (None, 1e9)])
def test_the_shape_tells_whether_never_seen_listings_are_shown_less(
    made_with: float | None, chosen: float
) -> None:
    _, shape = detection_probabilities(anchors(made_with), SHAPES)
    assert shape == chosen


def test_pairs_that_other_searches_see_all_the_time_do_not_choose_the_shape() -> None:
    """These look alike whatever other searches saw; the rare never-seen ones are shown a third."""
    size = 6_000
    rng = np.random.default_rng(3)
    kind = rng.choice(3, size, p=[0.4, 0.4, 0.2])
    made = replace(
        anchors(None, size=size),
        inputs_PD=np.full((size, 1), np.nan),
        expected_P=np.array([4.0, 8.0, 4.0])[kind],
        seen_P=np.array([8.0, 4.0, 0.0])[kind],
        was_shown_P=rng.random(size) < np.array([0.2, 0.2, 0.06])[kind],
    )
    assert detection_probabilities(made, SHAPES)[1] == 2.0


def test_where_no_pair_tells_listings_are_taken_to_be_alike() -> None:
    made = anchors(2.0)
    seen_often = replace(made, seen_P=made.seen_P + 2)
    assert detection_probabilities(seen_often, SHAPES)[1] == 1e9


def test_with_few_anchors_listings_are_taken_to_be_alike() -> None:
    few = replace(SHAPES, fewest_shown=4_000)  # each half has 3,000
    assert detection_probabilities(anchors(2.0), few)[1] == 1e9


def test_the_chance_follows_what_the_search_asks_for_and_what_other_searches_showed() -> None:
    made = anchors(2.0)
    chance, _ = detection_probabilities(made, SHAPES)
    assert chance.min() > 0
    assert chance.max() < 1
    often = made.inputs_PD[:, 0] > np.log(0.2)
    for part in (often, ~often):
        never, oft = (made.seen_P[part] == 0), (made.seen_P[part] > made.expected_P[part])
        shown = made.was_shown_P[part]
        assert abs(chance[part].mean() - shown.mean()) < 0.02
        assert abs(chance[part][never].mean() - shown[never].mean()) < 0.04
        assert chance[part][never].mean() < 0.7 * chance[part][oft].mean()


def test_a_sampled_pair_stands_for_as_many_as_it_weighs() -> None:
    one, three = (
        detection_probabilities(anchors(None, weight=w), SHAPES)[0].mean() for w in (1.0, 3.0)
    )
    shown = anchors(None).was_shown_P.mean()
    assert abs(one - shown) < 0.01
    assert abs(three - shown / (shown + 3 * (1 - shown))) < 0.01


def test_pairs_that_are_no_anchors_get_a_chance_and_teach_nothing() -> None:
    made = anchors(None)
    is_anchor = np.arange(len(made.search_P)) % 3 > 0
    some = replace(made, is_anchor_P=is_anchor)
    others_unlike = replace(some, was_shown_P=made.was_shown_P & is_anchor)
    one = detection_probabilities(some, SHAPES)[0]
    two = detection_probabilities(others_unlike, SHAPES)[0]
    assert len(one) == len(is_anchor)
    # the mean rate, where trees start, is that of all pairs: trees of 20 rounds find the rest
    assert np.abs(one - two).max() < 0.02


@pytest.mark.parametrize("case", ["no anchor", "all shown", "none shown"])
def test_without_shown_and_unshown_anchors_nothing_is_learnt(case: str) -> None:
    made = anchors(None, size=500)
    is_anchor = {
        "no anchor": np.zeros(500, dtype=bool),
        "all shown": made.was_shown_P,
        "none shown": ~made.was_shown_P,
    }[case]
    with pytest.raises(ValueError, match="known to be free"):
        detection_probabilities(replace(made, is_anchor_P=is_anchor), SHAPES)


def test_free_pairs_that_no_search_proves_free_are_inferred() -> None:
    chance, detection, free = np.array(of_the_world()[0]), rows().detection, world().is_free()
    shown, anchor = detection.was_shown_P, detection.is_anchor_P
    assert abs(chance[anchor].mean() - shown[anchor].mean()) < 0.01
    assert (free & ~anchor).sum() > 0.15 * free.sum()
    assert abs(chance[free].mean() / shown[free].mean() - 1) < 0.1


def test_threads_change_no_bit() -> None:
    assert of_the_world(threads=2) == of_the_world()
