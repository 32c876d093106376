"""Coordinates as inputs: offsets from the market's centre, and waves that tell near from far."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from data.schema.geo import KM_PER_DEGREE
from models.two_tower.inputs.location_inputs import LocationInputs


def test_near_places_are_encoded_alike_and_far_ones_not() -> None:
    lat, lng = np.array([0.0, 0.0, 0.0]), np.array([0.0, 0.002, 0.3])
    places = LocationInputs.fit(lat, lng, np.ones(3, dtype=np.int64), 2)
    waves = places.transform(lat, lng, np.ones(3, dtype=np.int64))[:, 3:]
    near, far = waves[0] @ waves[1], waves[0] @ waves[2]
    assert near > 0.9 * (waves[0] @ waves[0])
    assert far < 0.5 * near


def test_a_missing_coordinate_gives_zeros_and_an_indicator() -> None:
    places = LocationInputs(latitudes=(0.0, 0.0), longitudes=(0.0, 0.0))
    inputs = places.transform(np.array([np.nan]), np.array([1.0]), np.array([1]))
    assert inputs[0, 2] == 1
    assert np.count_nonzero(inputs) == 1


def test_the_centre_of_a_market_is_the_median_of_its_listings() -> None:
    """Market 3 has no listing with coordinates: like the unseen one (0) it takes them all."""
    lat = np.array([0.0, 1.0, 5.0, 40.0, np.nan, 7.0])
    lng = np.array([9.0, 8.0, 7.0, 30.0, 1.0, 6.0])
    places = LocationInputs.fit(lat, lng, np.array([1, 1, 1, 2, 3, 0]), 4)
    assert places.latitudes == (5.0, 1.0, 40.0, 5.0)
    assert places.longitudes == (8.0, 8.0, 30.0, 8.0)


def test_the_first_two_inputs_are_twenties_of_km_north_and_east_within_five() -> None:
    """At 60 degrees a degree of longitude is half as long as one of latitude."""
    places = LocationInputs(latitudes=(0.0, 60.0), longitudes=(0.0, 10.0))
    lat, lng = np.array([60 + 20 / KM_PER_DEGREE, 60.0, 50.0]), np.array([10.0, 11.0, 10.0])
    inputs = places.transform(lat, lng, np.array([1, 1, 1]))
    np.testing.assert_allclose(inputs[0, :2], [1, 0], atol=1e-6)
    np.testing.assert_allclose(inputs[1, :2], [0, KM_PER_DEGREE / 2 / 20], rtol=1e-6)
    np.testing.assert_allclose(inputs[2, :2], [-5, 0], atol=1e-6)


def test_each_input_has_a_name() -> None:
    """One km east is half a turn of the shortest wave that runs east (direction 2)."""
    places = LocationInputs(latitudes=(0.0, 0.0), longitudes=(0.0, 0.0))
    inputs = places.transform(np.zeros(1), np.array([1 / KM_PER_DEGREE]), np.array([1]))
    named = dict(zip(places.input_names, inputs[0].tolist(), strict=True))
    assert named["km east"] == pytest.approx(1 / 20)
    assert named["sine of place, 2.0 km, direction 2"] == pytest.approx(0, abs=1e-6)
    assert named["cosine of place, 2.0 km, direction 2"] == pytest.approx(-1)
    assert named["cosine of place, 2.0 km, direction 0"] == pytest.approx(1)


def test_rows_without_the_columns_of_the_fit_are_refused_by_name() -> None:
    places = LocationInputs(latitudes=(0.0, 0.0), longitudes=(0.0, 0.0))
    table = pa.table({"listing_lat": [1.0]})
    with pytest.raises(ValueError, match="columns listing_lat and listing_lng"):
        places.of_table(table, ("listing_lat", "listing_lng"), np.array([1]))
