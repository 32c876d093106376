"""Maps: the market's name and its neighbourhoods', and no colour from a tiny sample."""

from __future__ import annotations

from typing import Any

import polars as pl

from pipelines.reporting.charts.maps import PlacedBy, exposure_map, place_map


def names_on(chart: Any) -> list[str]:
    return [
        text.get_text()
        for axes in chart.figure.axes
        for text in axes.texts
        if (text.get_gid() or "").startswith("area")
    ]


def listings(market: str, lat: float, lng: float) -> pl.DataFrame:
    """A square of 20 by 20 places around a point, with as many expected as ranked places."""
    grid = [(lat + 0.004 * (n // 20 - 10), lng + 0.004 * (n % 20 - 10)) for n in range(400)]
    return pl.DataFrame(
        {
            "market": [market] * 400,
            "id_listing": [f"L{n}" for n in range(400)],
            "listing_lat": [place[0] for place in grid],
            "listing_lng": [place[1] for place in grid],
            "ranked": [8] * 400,
            "expected": [4.0] * 400,
            "price": [100.0 + n for n in range(400)],
        }
    )


COPACABANA = listings("rio_de_janeiro", -22.971, -43.188)
LISBON = listings("lisbon", 38.72, -9.14)
BY_PRICE = PlacedBy(lat="listing_lat", lng="listing_lng", colour="price", label="price (R$)")


def test_a_map_names_its_market_and_the_neighbourhoods_that_are_known() -> None:
    chart = place_map(COPACABANA, BY_PRICE, name="listings", title="Listings")
    assert chart.figure.axes[0].get_title() == "Rio de Janeiro"
    assert names_on(chart)[:2] == ["Copacabana", "Ipanema"]
    elsewhere = place_map(LISBON, BY_PRICE, name="listings", title="Listings")
    assert elsewhere.figure.axes[0].get_title() == "Lisbon"
    assert names_on(elsewhere) == []


def test_exposure_is_told_by_neighbourhood_and_of_cells_with_enough_places() -> None:
    chart = exposure_map(pl.concat([COPACABANA, LISBON]))
    assert chart is not None
    assert [line for line in chart.summary if line.startswith("Copacabana, Rio de Janeiro: ")]
    assert not [line for line in chart.summary if "Lisbon" in line]
    tips = [tip for texts in chart.tips.values() for tip in texts]
    assert [tip for tip in tips if tip.startswith("Copacabana, Rio de Janeiro: ")]
    few = exposure_map(COPACABANA.with_columns(ranked=pl.lit(1), expected=pl.lit(0.2)))
    assert few is not None
    assert few.tips["cells0"] == []
    assert "too few to say" in few.note


def test_one_place_far_from_all_others_does_not_shrink_the_map() -> None:
    far = LISBON.head(1).with_columns(listing_lat=pl.lit(45.0), market=pl.lit("rio_de_janeiro"))
    chart = place_map(pl.concat([COPACABANA, far]), BY_PRICE, name="listings", title="Listings")
    low, high = chart.figure.axes[0].get_ylim()
    assert high - low < 0.2
