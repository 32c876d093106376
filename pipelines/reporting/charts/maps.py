"""Maps without tiles: points by longitude and latitude, coloured and sized by a column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.reporting.charts.canvas import Chart, blank, colour_of

__all__ = ["PlacedBy", "lines_by_date", "neighbour_map", "place_map"]

MOST_POINTS = 4_000


@dataclass(frozen=True, kw_only=True)
class PlacedBy:
    """Which columns of a frame say where, how much (colour), and how many (size)."""

    lat: str
    lng: str
    colour: str
    size: str | None = None
    label: str = ""


def place_map(places: pl.DataFrame, by: PlacedBy, *, name: str, title: str) -> Chart:
    """One map per market; colours are cut at the 2% and 98% quantiles."""
    known = places.drop_nulls([by.lat, by.lng, by.colour])
    markets = known["market"].unique().sort().to_list()[:2]
    figure, every = blank(height=3.6, columns=max(1, len(markets)))
    for axes, market in zip(every, markets, strict=False):
        points = known.filter(pl.col("market") == market).head(MOST_POINTS)
        value = points[by.colour].cast(pl.Float64).to_numpy()
        low, high = np.quantile(value, [0.02, 0.98])
        size = np.full(len(value), 6.0)
        if by.size is not None:
            amount = points[by.size].cast(pl.Float64).to_numpy()
            size = np.clip(amount / max(float(amount.max()), 1e-9) * 60, 4, 60)
        dots = axes.scatter(
            points[by.lng],
            points[by.lat],
            c=np.clip(value, low, high),
            s=size,
            cmap="viridis",
            linewidths=0,
        )
        axes.set_aspect(1 / np.cos(np.deg2rad(float(points[by.lat].to_numpy().mean()))))
        axes.set_title(market, fontsize=9)
        bar = figure.colorbar(dots, ax=axes, shrink=0.6)
        bar.ax.tick_params(labelsize=6)
        bar.set_label(by.label or by.colour, fontsize=7)
    return Chart(name=name, title=title, figure=figure)


def neighbour_map(neighbours: pl.DataFrame, *, title: str) -> Chart:
    """A listing (first row) and its nearest ones, coloured by the cosine."""
    figure, (axes,) = blank(width=5.0, height=3.8)
    dots = axes.scatter(
        neighbours["listing_lng"],
        neighbours["listing_lat"],
        c=neighbours["cosine"],
        cmap="viridis",
        s=40,
    )
    first = neighbours.head(1)
    axes.plot(
        first["listing_lng"],
        first["listing_lat"],
        "*",
        color=colour_of(5),
        markersize=16,
        label="the listing",
    )
    axes.set_aspect(1 / np.cos(np.deg2rad(float(neighbours["listing_lat"].to_numpy().mean()))))
    axes.legend(frameon=False, fontsize=8)
    bar = figure.colorbar(dots, ax=axes, shrink=0.7)
    bar.set_label("cosine", fontsize=7)
    return Chart(name="neighbours", title=title, figure=figure)


def lines_by_date(frame: pl.DataFrame, date: str, value: str, *, title: str) -> Chart:
    """A line per market over dates."""
    figure, (axes,) = blank(height=2.6)
    for place, market in enumerate(frame["market"].unique().sort().to_list()):
        line = frame.filter(pl.col("market") == market).sort(date)
        axes.plot(line[date], line[value], color=colour_of(place), linewidth=1.2, label=market)
    axes.tick_params(axis="x", rotation=30)
    axes.set_ylabel(value.replace("_", " "), fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    return Chart(name=f"by_date_{value}", title=title, figure=figure)
