"""Charts of the log: funnel, prices, where listings are seen, and what drifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from data.counted import counted
from pipelines.reporting.charts.canvas import DIVERGING, Chart, blank, colour_of, points

__all__ = ["drift_by_day", "exposure_map", "funnel_by_market", "price_distribution", "rates_by_day"]

STAGES = ("impressions", "clicks", "contacts", "bookings")
MARKETS_DRAWN = 4
DRIFT_FEATURES = 18
CELL_DEGREES = 0.01
PRICE_BINS = 40


def funnel_by_market(funnel: Sequence[Mapping[str, Any]]) -> Chart:
    """Impressions, clicks, contacts and bookings of each market, on a log scale."""
    figure, (axes,) = blank()
    width = 0.8 / max(1, len(funnel))
    tips: dict[str, Sequence[str]] = {}
    for offset, market in enumerate(funnel):
        places = [stage + offset * width for stage in range(len(STAGES))]
        counts = [market[stage] for stage in STAGES]
        bars = axes.bar(places, counts, width, label=market["market"], color=colour_of(offset))
        axes.bar_label(bars, labels=[f"{count:,}" for count in counts], fontsize=7)
        for number, (bar, stage) in enumerate(zip(bars, STAGES, strict=True)):
            bar.set_gid(f"bar{offset}x{number}")
            share = counts[number] / max(1, counts[max(0, number - 1)])
            ratio = f", {share:.2%} of the {STAGES[number - 1]}" if number else ""
            tip = f"{market['market']}: {counts[number]:,} {stage}{ratio}"
            tips[f"bar{offset}x{number}"] = [tip]
    axes.set_yscale("log")
    axes.set_xticks([s + 0.4 - width / 2 for s in range(len(STAGES))], STAGES)
    axes.set_ylabel("rows (log scale)", fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    return Chart(
        name="funnel",
        title="Funnel per market",
        figure=figure,
        tips=tips,
        note="Rows that reached at least the stage; direct bookings have no contact.",
    )


def price_distribution(prices: pl.DataFrame) -> Chart | None:
    """Stay prices of shown and recommended listings per market.

    ``prices``: ``market``, ``kind`` (``shown`` or ``recommended``) and ``price``; ``None``
    where there are no prices.
    """
    known = prices.filter(pl.col("price") > 0)
    markets = known["market"].unique().sort().to_list()[:MARKETS_DRAWN]
    if not markets:
        return None
    figure, every = blank(columns=len(markets))
    for axes, market in zip(every, markets, strict=True):
        of_market = known.filter(pl.col("market") == market)
        low, high = np.quantile(of_market["price"].to_numpy(), [0.005, 0.995])
        edges = np.geomspace(low, max(high, low * 1.01), PRICE_BINS)
        for offset, kind in enumerate(("shown", "recommended")):
            values = of_market.filter(pl.col("kind") == kind)["price"].to_numpy()
            if len(values):
                share = np.histogram(values, edges)[0] / len(values)
                axes.stairs(share, edges, color=colour_of(offset), linewidth=1.4, label=kind)
                axes.axvline(
                    float(np.median(values)), color=colour_of(offset), linewidth=0.8, linestyle=":"
                )
        axes.set_xscale("log")
        axes.set_title(market, fontsize=9)
        axes.set_xlabel("price of the stay", fontsize=8)
    every[0].set_ylabel("share of listings", fontsize=8)
    every[0].legend(frameon=False, fontsize=8)
    return Chart(
        name="prices",
        title="Prices of recommended against shown stays",
        figure=figure,
        note="Dotted: medians. Recommended prices are estimated from the listing's own past.",
    )


def exposure_map(exposure: pl.DataFrame) -> Chart | None:
    """Places in the top 10, beside the number that chance would give, by cell of about 1 km."""
    placed = exposure.drop_nulls(["listing_lat", "listing_lng"])
    largest = placed.group_by("market").len().sort("len", "market", descending=[True, False])
    markets = largest["market"].head(2).to_list()
    if not markets:
        return None
    figure, every = blank(height=3.3, columns=len(markets))
    tips: dict[str, Sequence[str]] = {}
    for place, (axes, market) in enumerate(zip(every, sorted(markets), strict=True)):
        cells = _cells(placed.filter(pl.col("market") == market))
        ratio = np.clip(cells["log_ratio"].to_numpy(), -1, 1)
        dots = axes.scatter(
            cells["lng"],
            cells["lat"],
            c=ratio,
            cmap=DIVERGING,
            vmin=-1,
            vmax=1,
            marker="s",
            s=np.clip(cells["expected"].to_numpy() / cells["expected"].max() * 60, 4, 60),
            edgecolors="#888888",
            linewidths=0.3,
        )
        dots.set_gid(f"cells{place}")
        tips[f"cells{place}"] = [
            f"{counted(r['listings'], 'listing')}: {counted(round(r['ranked']), 'place')}, "
            f"by chance {r['expected']:.0f}"
            for r in cells.iter_rows(named=True)
        ]
        axes.set_title(market, fontsize=9)
        # A degree of longitude is shorter than one of latitude, by the cosine of the latitude.
        axes.set_aspect(1 / np.cos(np.deg2rad(float(np.mean(cells["lat"].to_numpy())))))
        axes.set_xlabel("longitude", fontsize=8)
    every[0].set_ylabel("latitude", fontsize=8)
    bar = figure.colorbar(dots, ax=list(every), shrink=0.6)
    bar.set_ticks([-1, 0, 1], labels=["half", "as chance", "double"], fontsize=7)
    return Chart(
        name="exposure_map",
        title="Who the ranker shows: places in the top 10 by neighbourhood",
        figure=figure,
        tips=tips,
        note="A square is a cell of about 1 km, larger where more is shown; its colour "
        "compares the ranker's top 10 with a random order of the same results.",
    )


def rates_by_day(quality: pl.DataFrame) -> Chart | None:
    """Funnel rates of every day with their control limits, per market."""
    rates = quality.filter(pl.col("kind") == "rate")
    names = rates["name"].unique(maintain_order=True).sort().to_list()
    markets = rates["market"].unique().sort().to_list()[:MARKETS_DRAWN]
    if not names:
        return None
    figure, every = blank(height=2.8, columns=len(names))
    tips: dict[str, Sequence[str]] = {}
    for at, (axes, name) in enumerate(zip(every, names, strict=True)):
        for offset, market in enumerate(markets):
            line = rates.filter((pl.col("name") == name) & (pl.col("market") == market)).sort("ds")
            x = np.arange(line.height)
            axes.plot(x, line["value"], color=colour_of(offset), linewidth=1, label=market)
            low, high = (line[c].cast(pl.Float64).to_numpy() for c in ("low", "high"))
            axes.fill_between(x, low, high, color=colour_of(offset), alpha=0.15, linewidth=0)
            points(axes, x, line["value"], f"rate{at}x{offset}", colour=offset)
            tips[f"rate{at}x{offset}"] = [
                f"{market} {r['ds']}: {r['value']:.3%}" + (" ODD" if r["is_flagged"] else "")
                for r in line.iter_rows(named=True)
            ]
            axes.set_xticks(x, [f"{day:%d %b}" for day in line["ds"]], rotation=60, fontsize=6)
        axes.set_title(name, fontsize=8)
    every[0].legend(frameon=False, fontsize=7)
    return Chart(
        name="rates_by_day",
        title="Funnel rates by day",
        figure=figure,
        tips=tips,
        note="Bands are control limits from the earlier training days (4 standard errors).",
    )


def drift_by_day(quality: pl.DataFrame) -> Chart | None:
    """PSI of the features that are furthest over their limit, by market and day.

    Features that are not checked (``is_flagged`` is null) are left out.
    """
    checked = quality.filter((pl.col("kind") == "psi") & pl.col("is_flagged").is_not_null())
    if checked.is_empty():
        return None
    checked = checked.with_columns(limit_share=pl.col("value") / pl.col("high"))
    ranked = (
        checked.group_by("name")
        .agg(pl.col("limit_share").max())
        .sort("limit_share", descending=True)
    )
    names = ranked["name"].head(DRIFT_FEATURES).to_list()
    markets = checked["market"].unique().sort().to_list()[:2]
    days = checked["ds"].unique().sort().to_list()
    figure, every = blank(height=0.9 + 0.2 * len(names), columns=len(markets))
    tips: dict[str, Sequence[str]] = {}
    for place, (axes, market) in enumerate(zip(every, markets, strict=True)):
        rows = checked.filter((pl.col("market") == market) & pl.col("name").is_in(names)).sort("ds")
        x = [days.index(day) for day in rows["ds"]]
        y = [names.index(name) for name in rows["name"]]
        dots = axes.scatter(
            x,
            y,
            c=np.clip(rows["limit_share"].to_numpy(), 0, 2),
            cmap="YlOrRd",
            vmin=0,
            vmax=2,
            marker="s",
            s=70,
            edgecolors=["#000000" if f else "none" for f in rows["is_flagged"]],
        )
        dots.set_gid(f"psi{place}")
        tips[f"psi{place}"] = [
            f"{r['name']} on {r['ds']}: PSI {r['value']:.3f}, limit {r['high']:.3f}"
            for r in rows.iter_rows(named=True)
        ]
        axes.set_title(market, fontsize=9)
        axes.set_xticks(range(len(days)), [f"{d:%d %b}" for d in days], rotation=60, fontsize=6)
        axes.set_yticks(range(len(names)), names if place == 0 else [""] * len(names), fontsize=6)
        axes.invert_yaxis()
    bar = figure.colorbar(dots, ax=list(every), shrink=0.6)
    bar.set_label("PSI as a share of its limit", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return Chart(
        name="drift",
        title="Drift per feature against the training window",
        figure=figure,
        tips=tips,
        note="Features that moved most beside what chance explains. Outlined: flagged.",
    )


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
        .head(600)
    )
