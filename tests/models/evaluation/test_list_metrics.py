"""Exposure, diversity and calibration of the whole list."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from data.schema.geo import EARTH_RADIUS_KM
from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.calibration_metrics import calibration_figures
from models.evaluation.config import EvaluationConfig
from models.evaluation.diversity_metrics import mean_pairwise, unit_vectors
from models.evaluation.exposure_metrics import (
    concentration_figures,
    coverage,
    gini,
    new_listing_measures,
)

CONFIG = EvaluationConfig(list_k=3)


def test_gini_agrees_with_its_definition(rng):
    seen = rng.poisson(3.0, 50).astype(float)
    differences = np.abs(seen[:, None] - seen[None, :]).sum()
    assert gini(seen) == pytest.approx(differences / (2 * 50**2 * seen.mean()))
    assert gini(np.full(7, 2.0)) == pytest.approx(0)
    assert np.isnan(gini(np.zeros(4)))


def test_coverage_counts_listings_that_no_search_ranks_high(world):
    judged = arrange_rows(world.rows)
    ranks = judged.ranks(np.zeros(world.rows.num_rows), model="any")
    figures = concentration_figures(judged, ranks, {"": judged.listing}, CONFIG)
    covered = next(f for f in figures if f.metric == "coverage_at_3")
    in_top = set(judged.listing[ranks <= 3])
    assert covered.interval.value == pytest.approx(len(in_top) / len(set(judged.listing)))
    assert covered.interval.low < covered.interval.value < covered.interval.high
    assert coverage(np.array([1.0])) == 1


def test_new_listing_exposure_is_the_share_of_places(world):
    judged = arrange_rows(world.rows)
    ranks = judged.ranks(np.zeros(world.rows.num_rows), model="any")
    is_new = np.asarray(world.rows["listing_is_new"].to_pylist(), float)[judged.order]
    exposure, bookings = new_listing_measures(judged, ranks, is_new, CONFIG)
    top = ranks <= 3
    assert exposure.numerator.sum() / exposure.denominator.sum() == is_new[top].mean()
    booked = top & (judged.stage == 3)
    assert bookings.numerator.sum() / bookings.denominator.sum() == is_new[booked].mean()


def test_diversity_is_the_mean_over_pairs_and_skips_the_unknown(rng):
    points = rng.normal(size=(1, 6, 3))
    assert mean_pairwise(points)[0] == pytest.approx(pdist(points[0]).mean())
    holed = points.copy()
    holed[0, 2] = np.nan
    kept = np.delete(points[0], 2, axis=0)
    assert mean_pairwise(holed)[0] == pytest.approx(pdist(kept).mean())
    assert np.isnan(mean_pairwise(points[:, :1]))[0]


def test_chord_is_the_arc_within_a_city():
    copacabana, centro = (-22.9711, -43.1822), (-22.9068, -43.1729)
    ends = unit_vectors(*np.array([copacabana, centro]).T)
    chord = np.linalg.norm(ends[0] - ends[1]) * EARTH_RADIUS_KM
    assert chord == pytest.approx(7.21, abs=0.03)


def test_calibration_error_is_near_zero_for_the_true_chance_and_not_for_twice_it(worlds, rng):
    world = worlds(rng, searches=2_000)
    judged = arrange_rows(world.rows)
    chance = judged.arrange(world.chance)
    for factor, low, high in ((1.0, 0.0, 0.01), (2.0, 0.04, 0.08)):
        predicted = {"book": np.minimum(chance * factor, 1.0)}
        bins, (overall,) = calibration_figures(judged, predicted, CONFIG)
        assert low <= overall.interval.value <= high
        assert len(bins) == 10
        promised_too_much = [m.numerator.sum() / m.denominator.sum() for m in bins]
        assert promised_too_much[-1] == pytest.approx(
            (factor - 1) * np.sort(chance)[-len(chance) // 10 :].mean(), abs=0.03
        )
