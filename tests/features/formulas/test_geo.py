from __future__ import annotations

import polars as pl
import pytest

from features.formulas.geo import cell_of, distance_km, micro_degrees

POINTS = pl.DataFrame(
    {
        "lat": [-22.97, -22.97, -22.9701, None],
        "lng": [-43.19, -43.19, -43.1899, -43.19],
        "to_lat": [-22.97, -23.97, -22.97, -22.97],
        "to_lng": [-43.19, -43.19, -43.19, -43.19],
    }
)
LAT, LNG = pl.col("lat"), pl.col("lng")


def test_a_degree_of_latitude_is_111_km_and_an_unknown_point_has_no_distance() -> None:
    km = POINTS.select(km=distance_km(LAT, LNG, pl.col("to_lat"), pl.col("to_lng")))["km"].to_list()
    assert km[0] == 0.0
    assert km[1] == pytest.approx(111.19, abs=0.01)
    assert km[3] is None


def test_degrees_become_millionths() -> None:
    millionths = POINTS.select(micro_degrees(LAT))["lat"].to_list()
    assert millionths == [-22_970_000, -22_970_000, -22_970_100, None]


def test_a_cell_is_a_hundredth_of_a_degree() -> None:
    rows = pl.DataFrame({"lat": [0.001, 0.009, 0.011, 0.001], "lng": [0.001, 0.009, 0.001, 0.011]})
    first, same, north, east = rows.select(cell=cell_of(LAT, LNG))["cell"].to_list()
    assert same == first == 9_000 * 65_536 + 18_000  # rows from the pole, columns from -180°
    assert (north - first, east - first) == (65_536, 1)
