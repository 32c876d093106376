"""Coverage, Gini and the share of new listings in the top places."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.config import EvaluationConfig
from models.evaluation.exposure_metrics import (
    concentration_metrics,
    coverage,
    gini,
    new_listing_metrics,
)

CONFIG = EvaluationConfig(list_k=3)


def test_gini_agrees_with_its_definition(rng):
    seen = rng.poisson(3.0, 50).astype(float)
    differences = np.abs(seen[:, None] - seen[None, :]).sum()
    assert gini(seen) == pytest.approx(differences / (2 * 50**2 * seen.mean()))
    assert gini(np.full(7, 2.0)) == pytest.approx(0)
    assert np.isnan(gini(np.zeros(4)))


def test_coverage_counts_listings_that_no_search_ranks_high(world):
    arranged = arrange_rows(world.rows)
    ranks = arranged.ranks(np.zeros(world.rows.num_rows), model="any")
    figures = concentration_metrics(arranged, ranks, {"": arranged.listing}, CONFIG)
    covered = next(f for f in figures if f.metric == "coverage_at_3")
    in_top = set(arranged.listing[ranks <= 3])
    assert covered.interval.value == pytest.approx(len(in_top) / len(set(arranged.listing)))
    assert covered.interval.low < covered.interval.value < covered.interval.high
    assert coverage(np.array([1.0])) == 1


def test_new_listing_exposure_is_the_share_of_places(world):
    arranged = arrange_rows(world.rows)
    ranks = arranged.ranks(np.zeros(world.rows.num_rows), model="any")
    is_new = np.asarray(world.rows["listing_is_new"].to_pylist(), float)[arranged.order]
    exposure, bookings = new_listing_metrics(arranged, ranks, is_new, CONFIG)
    top = ranks <= 3
    assert exposure.numerator.sum() / exposure.denominator.sum() == is_new[top].mean()
    booked = top & (arranged.stage == 3)
    assert bookings.numerator.sum() / bookings.denominator.sum() == is_new[booked].mean()


def test_hosts_are_counted_by_hand_and_unknown_ones_left_out():
    rows = pa.table(
        {
            "id_search": ["s", "s", "s", "t", "t"],
            "id_listing": ["a", "b", "c", "a", "b"],
            "id_user": ["anna", "anna", "anna", "ben", "ben"],
            "stage": [0, 0, 0, 0, 0],
        }
    )
    arranged = arrange_rows(rows)
    # a and b are of host 0, c of host 1; in the second search the host of b is not known
    hosts = np.array([0, 0, 1, 0, -1])[arranged.order]
    ranks = arranged.ranks(np.array([3.0, 2.0, 1.0, 3.0, 2.0]), model="any")
    config = EvaluationConfig(list_k=2, jackknife_groups=2)
    covered, unequal = concentration_metrics(arranged, ranks, {"host_": hosts}, config)
    assert (covered.metric, covered.interval.value) == ("host_coverage_at_2", 0.5)
    # host 0 has the three places whose host is known, host 1 none: Gini 1/2
    assert (unequal.metric, unequal.interval.value) == ("host_exposure_gini_at_2", 0.5)


def test_listings_of_unknown_age_are_left_out_of_new_listing_exposure():
    rows = pa.table({"id_search": ["s"] * 3, "id_listing": ["a", "b", "c"], "stage": [3, 3, 0]})
    arranged = arrange_rows(rows)
    is_new = arranged.arrange(np.array([1.0, 0.0, np.nan]))
    exposure, bookings = new_listing_metrics(arranged, np.array([1, 2, 3]), is_new, CONFIG)
    assert (exposure.numerator.tolist(), exposure.denominator.tolist()) == ([1.0], [2.0])
    assert (bookings.numerator.tolist(), bookings.denominator.tolist()) == ([1.0], [2.0])
