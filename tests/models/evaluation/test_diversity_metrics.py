"""How much the listings of one list differ."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import pdist

from data.schema.geo import EARTH_RADIUS_KM
from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.diversity_metrics import diversity_metrics, mean_pairwise, unit_vectors
from models.evaluation.evaluation_inputs import list_attributes


def test_diversity_is_the_mean_over_pairs_and_skips_the_unknown(rng):
    points = rng.normal(size=(1, 6, 3))
    assert mean_pairwise(points)[0] == pytest.approx(pdist(points[0]).mean())
    holed = points.copy()
    holed[0, 2] = np.nan
    known = np.delete(points[0], 2, axis=0)
    assert mean_pairwise(holed)[0] == pytest.approx(pdist(known).mean())
    assert np.isnan(mean_pairwise(points[:, :1]))[0]


def test_chord_is_the_arc_within_a_city():
    copacabana, centro = (-22.9711, -43.1822), (-22.9068, -43.1729)
    ends = unit_vectors(*np.array([copacabana, centro]).T)
    chord = np.linalg.norm(ends[0] - ends[1]) * EARTH_RADIUS_KM
    assert chord == pytest.approx(7.21, abs=0.03)


def test_metrics_of_a_list_by_hand():
    rows = pa.table(
        {
            "id_search": ["s", "s", "s"],
            "id_listing": ["a", "b", "c"],
            "stage": [0, 0, 0],
            "listing_lat": [0.0, 0.0, 50.0],
            "listing_lng": [0.0, 0.01, 0.0],
            "listing_total_price": [100.0, 200.0, None],
            "listing_room_type": ["entire_home", "private_room", "shared_room"],
        }
    )
    arranged = arrange_rows(rows)
    ranks = arranged.ranks(np.array([3.0, 2.0, 1.0]), model="any")
    values = {
        metric.metric: metric.numerator.item()
        for metric in diversity_metrics(arranged, ranks, list_attributes(rows, arranged), 2)
    }
    # of the first two: a hundredth of a degree on the equator, twice the price, other rooms
    assert values == pytest.approx(
        {
            "list_distance_km_at_2": 0.01 * np.pi / 180 * EARTH_RADIUS_KM,
            "list_log_price_at_2": np.log(2),
            "list_room_type_at_2": 1.0,
        },
        rel=1e-6,
    )
    (_, price, rooms) = diversity_metrics(arranged, ranks, list_attributes(rows, arranged), 3)
    # the third has no price; room types differ or not, whatever their codes
    assert price.numerator.item() == pytest.approx(np.log(2))
    assert rooms.numerator.item() == 1.0
