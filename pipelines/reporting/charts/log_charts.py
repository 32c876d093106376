"""Charts of the log: the funnel with its rates, prices, and what drifts from day to day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.ticker import NullFormatter

from data.schema.market_names import market_in_words
from models.evaluation.sample_size import FEWEST, is_too_few, share_in_words, too_few
from pipelines.config.palette import ALARM, GUIDE, INK, MarketColours
from pipelines.reporting.charts.axes import (
    blank,
    colour_bar,
    colours_of_frame,
    day_axis,
    is_left,
    legend,
    not_drawn,
    plain_log_ticks,
    points,
)
from pipelines.reporting.charts.canvas import Chart

__all__ = [
    "drift_by_day",
    "funnel_by_market",
    "price_distribution",
    "rates_by_day",
    "unit_of_price",
]

STAGES = ("impressions", "clicks", "contacts", "bookings")
MARKETS_DRAWN = 4
DRIFT_MARKETS = 2
DRIFT_FEATURES = 18
PRICE_BINS = 40
# What a rate of the quality table is a share of: the count, and the rate that gives it.
OF_CLICKS = "click per impression"


def unit_of_price(currency: str) -> str:
    """The unit of a price axis; most logs do not say their currency.

    >>> unit_of_price("R$"), unit_of_price("")
    ('R$', "in the log's currency")
    """
    return currency or "in the log's currency"


def funnel_by_market(
    funnel: Sequence[Mapping[str, Any]], colours: MarketColours | None = None
) -> Chart:
    """Rows that reached each stage, and the share of the stage before, on a log scale.

    ``funnel`` as :func:`pipelines.reporting.data_section.funnel_of` gives it. A stage that no
    row of any market reached is left out.
    """
    everywhere = [market["market"] for market in funnel]
    colours = colours or MarketColours.of(everywhere)
    drawn = colours.largest(everywhere, MARKETS_DRAWN)
    markets = [next(m for m in funnel if m["market"] == name) for name in drawn]
    stages = [s for s in STAGES if s == STAGES[0] or any(m[s] for m in markets)]
    figure, (axes,) = blank(height=0.9 + 0.24 * len(stages) * max(1, len(markets)))
    thickness = 0.84 / max(1, len(markets))
    tips: dict[str, Sequence[str]] = {}
    for place, market in enumerate(markets):
        name = market_in_words(market["market"])
        shift = thickness * (place - (len(markets) - 1) / 2)
        bars = axes.barh(
            [stage + shift for stage in range(len(stages))],
            [market[stage] for stage in stages],
            0.92 * thickness,
            label=name,
            color=colours.colour(market["market"]),
        )
        labels = [_count_and_rate(market, stages, at) for at in range(len(stages))]
        axes.bar_label(bars, labels=labels, fontsize=7, padding=3)
        for number, (bar, label) in enumerate(zip(bars, labels, strict=True)):
            bar.set_gid(f"bar{place}x{number}")
            tips[f"bar{place}x{number}"] = [f"{name}, {stages[number]}: {label}"]
    most = max((market[STAGES[0]] for market in markets), default=1)
    axes.set_xscale("log")
    # Room for the labels, which stand to the right of the bars.
    axes.set_xlim(1, max(10.0, most) ** 1.75)
    tens = [10**power for power in range(len(str(most)))]
    axes.set_xticks(tens, [_short(number) for number in tens])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(stages)), stages)
    axes.invert_yaxis()
    axes.set_xlabel("results of searches (rows of the log), logarithmic", fontsize=8)
    legend(axes)
    return Chart(
        name="funnel",
        title="From impression to booking: how many results reached each step, per market",
        figure=figure,
        tips=tips,
        note="In brackets the share of the step before."
        + _direct_bookings(markets, stages)
        + not_drawn(everywhere, drawn),
    )


def _count_and_rate(market: Mapping[str, Any], stages: Sequence[str], at: int) -> str:
    """``1,368 (4.9% of clicks)``."""
    count = market[stages[at]]
    if at == 0:
        return f"{count:,}"
    before = stages[at - 1]
    part = market.get("bookings_after_contact", count) if before == "contacts" else count
    share = share_in_words(min(part, market[before]), market[before])
    return f"{count:,} ({share if is_too_few(market[before]) else f'{share} of {before}'})"


def _short(number: int) -> str:
    """``1M``, ``100k``, ``10``."""
    for size, letter in ((10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number // size:,}{letter}"
    return str(number)


def _direct_bookings(markets: Sequence[Mapping[str, Any]], stages: Sequence[str]) -> str:
    if "contacts" not in stages:
        return " The log has no contacts."
    total = sum(market["bookings"] for market in markets)
    direct = total - sum(m.get("bookings_after_contact", m["bookings"]) for m in markets)
    if not direct:
        return ""
    return (
        f" {direct:,} of the {total:,} bookings were made without a contact: they are counted, "
        "and left out of the share of contacts."
    )


def price_distribution(
    prices: pl.DataFrame, colours: MarketColours | None = None, *, currency: str = ""
) -> Chart | None:
    """Stay prices of shown and recommended listings per market.

    ``prices``: ``market``, ``kind`` (``shown`` or ``recommended``) and ``price``; ``None``
    where there are no prices. Too few of a kind are named and not drawn.
    """
    known = prices.filter(pl.col("price") > 0)
    colours = colours or colours_of_frame(known)
    everywhere = known["market"].unique().to_list()
    markets = colours.largest(everywhere, MARKETS_DRAWN)
    if not markets:
        return None
    figure, every = blank(columns=len(markets))
    summary, missing = [], []
    for axes, market in zip(every, markets, strict=True):
        of_market, name = known.filter(pl.col("market") == market), market_in_words(market)
        low, high = np.quantile(of_market["price"].to_numpy(), [0.005, 0.995])
        edges = np.geomspace(low, max(high, low * 1.01), PRICE_BINS)
        for kind, line in (("shown", "--"), ("recommended", "-")):
            values = of_market.filter(pl.col("kind") == kind)["price"].to_numpy()
            if is_too_few(len(values)):
                missing.append(f"{name} {kind}: {too_few(len(values))}")
                continue
            share, median = np.histogram(values, edges)[0] / len(values), float(np.median(values))
            colour = colours.colour(market) if kind == "recommended" else GUIDE
            axes.stairs(share, edges, color=colour, linewidth=1.5, linestyle=line, label=kind)
            axes.axvline(median, color=colour, linewidth=1, linestyle=":")
            amount = f"{currency} {median:,.0f}".strip()
            summary.append(f"{name}, {kind}: median {amount}, {len(values):,} stays")
        axes.set_xscale("log")
        plain_log_ticks(axes.xaxis)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(f"price of the whole stay ({unit_of_price(currency)})", fontsize=8)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        if is_left(axes):
            axes.set_ylabel("share of the stays", fontsize=8)
        # In each panel: the recommended have the colour of its market.
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=7, loc="upper right")
    return Chart(
        name="prices",
        title="Prices of the recommended stays beside those of the shown ones, per market",
        figure=figure,
        summary=summary,
        note="Dotted: medians. Recommended prices are estimated from the listing's own past."
        + (f" Not drawn: {'; '.join(missing)}." if missing else "")
        + not_drawn(everywhere, markets),
    )


def rates_by_day(quality: pl.DataFrame, colours: MarketColours | None = None) -> Chart | None:
    """Funnel rates of every day with their control limits, per market.

    A day on which a rate has too few cases has no point.
    """
    colours = colours or colours_of_frame(quality)
    rates = _with_cases(quality)
    names = rates["name"].unique().sort().to_list()
    markets = colours.largest(rates["market"].unique().to_list(), MARKETS_DRAWN)
    if not names:
        return None
    days = rates["ds"].unique().sort().to_list()
    figure, every = blank(height=3.0, columns=len(names))
    tips: dict[str, Sequence[str]] = {}
    summary: list[str] = []
    for at, (axes, name) in enumerate(zip(every, names, strict=True)):
        for offset, market in enumerate(markets):
            of_market = rates.filter((pl.col("name") == name) & (pl.col("market") == market))
            line = of_market.filter(pl.col("cases") >= FEWEST).sort("ds")
            x, colour = [days.index(day) for day in line["ds"]], colours.colour(market)
            words = market_in_words(market)
            axes.plot(x, line["value"], color=colour, linewidth=1, label=words)
            low, high = (line[c].cast(pl.Float64).to_numpy() for c in ("low", "high"))
            axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
            points(axes, x, line["value"], f"rate{at}x{offset}", colour=colour)
            odd = line.filter(pl.col("is_flagged").fill_null(value=False))
            odd_x = [days.index(day) for day in odd["ds"]]
            axes.plot(odd_x, odd["value"], "o", markersize=9, color=INK, fillstyle="none")
            tips[f"rate{at}x{offset}"] = [
                f"{words}, {r['ds']:%d %b}: {r['value']:.2%} {name}"
                + (" (outside its limits)" if r["is_flagged"] else "")
                for r in line.iter_rows(named=True)
            ]
            every_day = "; ".join(f"{r['ds']:%d %b} {r['value']:.2%}" for r in line.to_dicts())
            summary.append(f"{words}, {name}: {every_day}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
        day_axis(axes, days, markets)
        axes.set_title(name, fontsize=8)
    legend(every[0])
    return Chart(
        name="rates_by_day",
        title="Clicks per impression, contacts and bookings per click: by day and market",
        figure=figure,
        tips=tips,
        summary=summary,
        note="Bands are control limits from the earlier training days (4 standard errors); ringed: "
        f"outside them. A day of fewer than {FEWEST} cases has no point."
        + not_drawn(rates["market"].unique().to_list(), markets),
    )


def _with_cases(quality: pl.DataFrame) -> pl.DataFrame:
    """The rates with ``cases``: the impressions, or clicks, that each is a share of."""
    key = ["market", "ds"]
    shown = quality.filter((pl.col("kind") == "rows") & (pl.col("name") == "impressions"))
    clicked = quality.filter((pl.col("kind") == "rate") & (pl.col("name") == OF_CLICKS))
    rates = (
        quality.filter(pl.col("kind") == "rate")
        .join(shown.select(*key, impressions="value"), on=key, how="left", validate="m:1")
        .join(clicked.select(*key, click_rate="value"), on=key, how="left", validate="m:1")
    )
    clicks = pl.col("impressions") * pl.col("click_rate")
    cases = pl.when(pl.col("name") == OF_CLICKS).then("impressions").otherwise(clicks)
    # A table of an earlier version that lacks the counts draws all of its days.
    return rates.with_columns(cases=cases.round().fill_null(FEWEST))


def drift_by_day(quality: pl.DataFrame, colours: MarketColours | None = None) -> Chart | None:
    """PSI of the features that are furthest over their limit, by market and day.

    Features that are not checked (``is_flagged`` is null) are left out.
    """
    colours = colours or colours_of_frame(quality)
    checked = quality.filter((pl.col("kind") == "psi") & pl.col("is_flagged").is_not_null())
    if checked.is_empty():
        return None
    checked = checked.with_columns(limit_share=pl.col("value") / pl.col("high"))
    by_share = checked.sort("limit_share", descending=True)
    furthest = by_share.unique("name", keep="first", maintain_order=True).head(DRIFT_FEATURES)
    names = furthest["name"].to_list()
    everywhere = checked["market"].unique().to_list()
    markets = colours.largest(everywhere, DRIFT_MARKETS)
    days = checked["ds"].unique().sort().to_list()
    figure, every = blank(height=1.1 + 0.2 * len(names), columns=len(markets))
    tips: dict[str, Sequence[str]] = {}
    for place, (axes, market) in enumerate(zip(every, markets, strict=True)):
        rows = checked.filter((pl.col("market") == market) & pl.col("name").is_in(names)).sort("ds")
        dots = axes.scatter(
            [days.index(day) for day in rows["ds"]],
            [names.index(name) for name in rows["name"]],
            c=np.clip(rows["limit_share"].to_numpy(), 0, 2),
            cmap=ALARM,
            vmin=0,
            vmax=2,
            marker="s",
            s=70,
            linewidths=[1.5 if flagged else 0.4 for flagged in rows["is_flagged"]],
            edgecolors=[INK if flagged else GUIDE for flagged in rows["is_flagged"]],
        )
        dots.set_gid(f"psi{place}")
        tips[f"psi{place}"] = [
            f"{r['name']} on {r['ds']:%d %b}: PSI {r['value']:.3f}, limit {r['high']:.3f}"
            for r in rows.iter_rows(named=True)
        ]
        axes.set_title(market_in_words(market), fontsize=9)
        axes.set_xlim(-0.6, len(days) - 0.4)
        day_axis(axes, days, [market])
        axes.set_yticks(range(len(names)), names if is_left(axes) else [""] * len(names))
        axes.tick_params(axis="y", labelsize=7)
        axes.invert_yaxis()
    colour_bar(figure, dots, every, "PSI, as a share of its limit")
    return Chart(
        name="drift",
        title="How far each feature moved from the training window (PSI), by day and market",
        figure=figure,
        tips=tips,
        summary=[_furthest_day(row) for row in furthest.iter_rows(named=True)],
        note="The features that moved most beside what chance explains. Thick rim: outside its "
        f"limit.{not_drawn(everywhere, markets)}",
    )


def _furthest_day(row: Mapping[str, Any]) -> str:
    return (
        f"{row['name']}: furthest in {market_in_words(row['market'])} on {row['ds']:%d %b}, "
        f"PSI {row['value']:.3f} of a limit of {row['high']:.3f}"
    )
