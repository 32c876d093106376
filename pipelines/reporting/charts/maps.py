"""Maps without tiles: points by longitude and latitude, with the names of neighbourhoods.

Neighbourhoods are named where they are known (:mod:`data.simulator.area_names`); elsewhere a map
has its degrees alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.ticker import MaxNLocator

from data.counted import counted
from data.schema.market_names import market_in_words
from data.simulator.area_names import area_name, areas_of
from models.evaluation.arrays import Floats
from models.evaluation.sample_size import FEWEST, is_too_few
from pipelines.config.palette import AGAINST_CHANCE, AMOUNT, GUIDE, INK, MarketColours
from pipelines.reporting.charts.axes import (
    blank,
    colour_bar,
    colours_of_frame,
    is_left,
    legend,
    mark_carnival,
    not_drawn,
)
from pipelines.reporting.charts.canvas import Chart

__all__ = ["PlacedBy", "exposure_map", "lines_by_date", "neighbour_map", "place_map"]

MOST_POINTS = 12_000
MANY_PLACES = 200
# Height of a map as a share of its width; its least width in degrees of latitude, about 1 km.
FRAME, SMALLEST_MAP = 0.85, 0.01
MARKETS_DRAWN = 2
DATED_MARKETS = 4
CELL_DEGREES = 0.01
MOST_CELLS = 600
NAMES_ON_MAP = 9
NAMES_IN_WORDS = 12
# Share of a map's width that a letter of a name takes.
LETTER_ON_MAP = 0.024
# Two names closer than these shares of the map's width and height would cover each other.
APART = (0.24, 0.065)


@dataclass(frozen=True, kw_only=True)
class PlacedBy:
    """Which columns of a frame say where, how much (colour), and how many (size).

    ``label`` says what the colour is, with its unit.
    """

    lat: str
    lng: str
    colour: str
    size: str | None = None
    label: str = ""


def place_map(
    places: pl.DataFrame,
    by: PlacedBy,
    *,
    name: str,
    title: str,
    colours: MarketColours | None = None,
) -> Chart:
    """One map per market, the largest two; colours are cut at the 2% and 98% quantiles."""
    known = places.drop_nulls([by.lat, by.lng, by.colour])
    everywhere = known["market"].unique().to_list()
    markets = (colours or colours_of_frame(known)).largest(everywhere, MARKETS_DRAWN)
    figure, every = blank(height=4.0, columns=max(1, len(markets)))
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
            cmap=AMOUNT,
            linewidths=0.2,
            edgecolors=GUIDE,
        )
        _as_map(axes, market, points[by.lng], points[by.lat])
        label = by.label or by.colour.replace("_", " ")
        colour_bar(figure, dots, [axes], label, is_below=True)
    sized = "" if by.size is None else f"Larger: more {by.size.replace('_', ' ')}."
    return Chart(name=name, title=title, figure=figure, note=sized + not_drawn(everywhere, markets))


def neighbour_map(neighbours: pl.DataFrame, *, title: str) -> Chart:
    """A listing (first row) and its nearest ones, coloured by the cosine."""
    figure, (axes,) = blank(width=5.0, height=3.8)
    dots = axes.scatter(
        neighbours["listing_lng"],
        neighbours["listing_lat"],
        c=neighbours["cosine"],
        cmap=AMOUNT,
        s=40,
        linewidths=0.4,
        edgecolors=GUIDE,
    )
    first = neighbours.head(1)
    axes.plot(
        first["listing_lng"],
        first["listing_lat"],
        "*",
        color=INK,
        markersize=16,
        label="the listing",
    )
    market = first["market"][0] if "market" in neighbours.columns and first.height else ""
    _as_map(axes, market, neighbours["listing_lng"], neighbours["listing_lat"])
    legend(axes)
    colour_bar(figure, dots, [axes], "cosine of the vectors (1: alike)")
    return Chart(name="neighbours", title=title, figure=figure)


def exposure_map(exposure: pl.DataFrame, colours: MarketColours | None = None) -> Chart | None:
    """Places in the top 10, beside the number that chance would give, by cell of about 1 km.

    Cells to which chance gives too few places are drawn without a colour.
    """
    placed = exposure.drop_nulls(["listing_lat", "listing_lng"])
    everywhere = placed["market"].unique().to_list()
    markets = (colours or colours_of_frame(placed)).largest(everywhere, MARKETS_DRAWN)
    if not markets:
        return None
    figure, every = blank(height=4.0, columns=len(markets))
    tips: dict[str, Sequence[str]] = {}
    summary: list[str] = []
    for place, (axes, market) in enumerate(zip(every, markets, strict=True)):
        listings = placed.filter(pl.col("market") == market)
        cells = _cells(listings)
        few = cells.filter(pl.col("expected") < FEWEST)
        enough = cells.filter(pl.col("expected") >= FEWEST)
        axes.scatter(
            few["lng"], few["lat"], marker="s", s=5, color="none", edgecolors=GUIDE, linewidths=0.4
        )
        dots = axes.scatter(
            enough["lng"],
            enough["lat"],
            c=np.clip(enough["log_ratio"].to_numpy(), -1, 1),
            cmap=AGAINST_CHANCE,
            vmin=-1,
            vmax=1,
            marker="s",
            s=np.clip(enough["expected"].to_numpy() / cells["expected"].max() * 70, 12, 70),
            edgecolors=GUIDE,
            linewidths=0.3,
        )
        dots.set_gid(f"cells{place}")
        tips[f"cells{place}"] = [_cell_in_words(market, r) for r in enough.iter_rows(named=True)]
        _as_map(axes, market, listings["listing_lng"], listings["listing_lat"])
        summary += _by_neighbourhood(market, listings)
    bar = colour_bar(figure, dots, every, "places in the top 10, against chance", is_below=True)
    bar.set_ticks([-1, 0, 1], labels=["half", "as chance", "double"])
    return Chart(
        name="exposure_map",
        title="Where the ranker's top 10 lie: more or less than by chance, cells of about 1 km",
        figure=figure,
        tips=tips,
        summary=summary,
        note="Larger squares: more places. Chance is a random order of the same results; hollow "
        f"squares would get fewer than {FEWEST} places by it, too few to say."
        + not_drawn(everywhere, markets),
    )


def lines_by_date(
    frame: pl.DataFrame,
    date: str,
    value: str,
    *,
    title: str,
    label: str = "",
    colours: MarketColours | None = None,
) -> Chart:
    """A line per market over dates, Carnival marked.

    ``label`` says what ``value`` is, with its unit. Where the frame has ``searches``, a date of
    too few has no point.
    """
    everywhere = frame["market"].unique().to_list()
    colours = colours or colours_of_frame(frame)
    figure, (axes,) = blank(height=2.8)
    enough = frame
    if "searches" in frame.columns and value != "searches":
        enough = frame.filter(pl.col("searches") >= FEWEST)
    markets = colours.largest(everywhere, DATED_MARKETS)
    for market in markets:
        line = enough.filter(pl.col("market") == market).sort(date)
        axes.plot(
            line[date],
            line[value],
            color=colours.colour(market),
            linewidth=1.2,
            label=market_in_words(market),
        )
    mark_carnival(axes, enough[date].unique().sort().to_list(), markets)
    axes.tick_params(axis="x", rotation=30)
    axes.set_ylabel(label or value.replace("_", " "), fontsize=8)
    legend(axes)
    left_out = "" if enough is frame else f"Dates of fewer than {FEWEST} searches are left out."
    return Chart(
        name=f"by_date_{value}",
        title=title,
        figure=figure,
        note=left_out + not_drawn(everywhere, markets),
    )


def _as_map(axes: Any, market: str, lngs: pl.Series, lats: pl.Series) -> None:
    """Degrees of one length north and east, the market's name, and its neighbourhoods'.

    A few places far from all others would leave a map of nothing: of many places the outermost
    two in a hundred on each side lie outside the frame.
    """
    if market:
        axes.set_title(market_in_words(market), fontsize=9)
    _frame(axes, lngs.cast(pl.Float64).to_numpy(), lats.cast(pl.Float64).to_numpy())
    axes.set_xlabel("longitude (°)", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if is_left(axes):
        axes.set_ylabel("latitude (°)", fontsize=8)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    named: list[tuple[float, float]] = []
    for area in areas_of(market):
        x, y = (area.lng - left) / (right - left), (area.lat - bottom) / (top - bottom)
        half = LETTER_ON_MAP * len(area.name) / 2
        if not (half < x < 1 - half and 0.02 < y < 0.98) or len(named) == NAMES_ON_MAP:
            continue
        if any(abs(x - a) < APART[0] and abs(y - b) < APART[1] for a, b in named):
            continue
        named.append((x, y))
        text = axes.text(
            area.lng, area.lat, area.name, fontsize=7, color=INK, ha="center", va="center"
        )
        text.set_gid(f"area{len(named)}")


def _frame(axes: Any, lngs: Floats, lats: Floats) -> None:
    """Limits around the places, all frames of one shape, so that none is smaller than another."""
    cut = 0.02 if len(lats) > MANY_PLACES else 0.0
    (left, right), (bottom, top) = (np.quantile(each, [cut, 1 - cut]) for each in (lngs, lats))
    # A degree of longitude is shorter than one of latitude, by the cosine of the latitude.
    shortening = float(np.cos(np.deg2rad(lats.mean())))
    width, height = (right - left) * shortening, top - bottom
    wide = 1.16 * max(width, height / FRAME, SMALLEST_MAP)
    x, y = wide / shortening / 2, wide * FRAME / 2
    axes.set_xlim((left + right) / 2 - x, (left + right) / 2 + x)
    axes.set_ylim((bottom + top) / 2 - y, (bottom + top) / 2 + y)
    axes.set_box_aspect(FRAME)


def _cell_in_words(market: str, cell: dict[str, Any]) -> str:
    area = area_name(market, cell["lat"], cell["lng"])
    where = f"{area}, {market_in_words(market)}" if area else market_in_words(market)
    listings, places = counted(cell["listings"], "listing"), counted(round(cell["ranked"]), "place")
    return f"{where}: {listings}, {places}, by chance {cell['expected']:,.0f}"


def _by_neighbourhood(market: str, listings: pl.DataFrame) -> list[str]:
    """The largest neighbourhoods of a market in words; empty where none has a name."""
    places = listings.select("listing_lat", "listing_lng").unique()
    names = pl.Series(
        "area", [area_name(market, lat, lng) for lat, lng in places.iter_rows()], pl.String
    )
    sums = (
        listings.join(places.with_columns(names), on=["listing_lat", "listing_lng"], how="left")
        .drop_nulls("area")
        .group_by("area")
        .agg(pl.col("ranked").sum(), pl.col("expected").sum())
        .sort("expected", "area", descending=[True, False])
    )
    return [
        f"{row['area']}, {market_in_words(market)}: {row['ranked']:,.0f} places in a top 10, "
        f"by chance {row['expected']:,.0f}"
        for row in sums.head(NAMES_IN_WORDS).iter_rows(named=True)
        if not is_too_few(round(row["expected"]))
    ]


def _cells(listings: pl.DataFrame) -> pl.DataFrame:
    """Exposure summed over cells; ``log_ratio`` to base 2, with a place added to both."""
    cell = [(pl.col(c) / CELL_DEGREES).round().alias(c) for c in ("listing_lat", "listing_lng")]
    return (
        listings.with_columns(cell)
        .group_by("listing_lat", "listing_lng")
        .agg(pl.col("ranked").sum(), pl.col("expected").sum(), listings=pl.len())
        .with_columns(
            lat=pl.col("listing_lat") * CELL_DEGREES,
            lng=pl.col("listing_lng") * CELL_DEGREES,
            log_ratio=((pl.col("ranked") + 1) / (pl.col("expected") + 1)).log(2),
        )
        .sort("expected", "lat", "lng", descending=[True, False, False])
        .head(MOST_CELLS)
    )
