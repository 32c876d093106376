"""Charts of the diagnostics: what moves the ranker, whom it helps, what is retrieved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.ticker import NullFormatter

from data.counted import counted
from data.schema.market_names import market_in_words
from models.evaluation.sample_size import FEWEST
from pipelines.config.palette import GUIDE, LOW_TO_HIGH, MarketColours, model_style
from pipelines.reporting.charts.axes import (
    blank,
    colour_bar,
    colours_of_frame,
    is_left,
    legend,
    points,
)
from pipelines.reporting.charts.canvas import Chart

__all__ = [
    "ablation_bars",
    "beeswarm",
    "calibration_curves",
    "importance_bars",
    "recall_curves",
    "trade_off_curve",
]

IMPORTANT = 20
SWARM_POINTS = 400
MARKETS_DRAWN = 4
# What these charts explain is the ranker.
RANKER = model_style("ranker").colour
STAGES = {"click": "clicked", "contact": "contacted", "book": "booked"}
# The first that the diagnostic has is drawn.
WORDS = {
    "value_dcg_at_10": "value DCG@10",
    "graded_ndcg_at_10": "graded NDCG@10",
    "ndcg_at_10": "booking NDCG@10",
}


def ablation_bars(ablation: pl.DataFrame) -> Chart:
    """What is lost without each feature group, with its interval where one is known."""
    known = set(ablation["metric"])
    metric = next(name for name in WORDS if name in known)
    rows = ablation.filter(pl.col("metric") == metric).sort("difference", descending=True)
    figure, (axes,) = blank(height=0.8 + 0.34 * rows.height)
    places = np.arange(rows.height)
    points(axes, rows["difference"], places, "groups", colour=RANKER, size=5)
    for y, row in zip(places, rows.iter_rows(named=True), strict=True):
        if row["low"] is not None and row["high"] is not None:
            axes.plot([row["low"], row["high"]], [y, y], color=RANKER, linewidth=1.4)
    axes.axvline(0, color=GUIDE, linewidth=0.8)
    axes.set_yticks(places, rows["group"].to_list())
    axes.set_xlabel(f"change of {WORDS[metric]} without the group's values", fontsize=8)
    tips = [f"without {r['group']}: {_with_interval(r)}" for r in rows.iter_rows(named=True)]
    return Chart(
        name="ablation",
        title=f"What the ranker loses in {WORDS[metric]} without each group of features",
        figure=figure,
        tips={"groups": tips},
        note="The group's values are dealt out among the rows at random; the ranker is not "
        "trained again. Lines are 95% intervals, paired by guest.",
    )


def _with_interval(row: dict[str, Any]) -> str:
    if row["low"] is None or row["high"] is None:
        return f"{row['difference']:+.4f}, no interval can be given"
    return f"{row['difference']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"


def importance_bars(shap: pl.DataFrame) -> Chart:
    """Mean absolute contribution of the strongest features."""
    strength = (
        shap.group_by("feature", "meaning")
        .agg(pl.col("lift").abs().mean())
        .sort("lift", "feature", descending=[True, False])
        .head(IMPORTANT)
    )
    figure, (axes,) = blank(height=0.8 + 0.24 * strength.height)
    places = np.arange(strength.height)[::-1]
    bars = axes.barh(places, strength["lift"], color=RANKER)
    tips: dict[str, Sequence[str]] = {}
    for number, (bar, row) in enumerate(zip(bars, strength.iter_rows(named=True), strict=True)):
        bar.set_gid(f"bar{number}")
        tips[f"bar{number}"] = [f"{row['meaning']}: {row['lift']:.4f}"]
    axes.set_yticks(places, strength["feature"].to_list(), fontsize=7)
    axes.bar_label(bars, labels=[f"{lift:.3f}" for lift in strength["lift"]], fontsize=7, padding=2)
    axes.margins(x=0.12)
    axes.set_xlabel("mean absolute contribution within a search (log-odds)", fontsize=8)
    return Chart(
        name="importance",
        title="What the ranker looks at: the features that move its score most",
        figure=figure,
        tips=tips,
        note="Of a sample of test rows, less the mean of their search: SHAP values of the click "
        "trees, and the terms of the later stages' regressions, in log-odds.",
    )


def beeswarm(shap: pl.DataFrame) -> Chart:
    """Contribution of each row, one line of points per feature, coloured by the value."""
    names = shap["feature"].unique(maintain_order=True).to_list()
    figure, (axes,) = blank(height=0.8 + 0.3 * len(names))
    rng = np.random.default_rng(0)
    for place, name in enumerate(names):
        rows = shap.filter(pl.col("feature") == name).head(SWARM_POINTS)
        lift = rows["lift"].to_numpy()
        # Where many rows have nearly the same contribution their points are spread wide.
        counts, edges = np.histogram(lift, 40)
        density = counts[np.clip(np.digitize(lift, edges) - 1, 0, 39)]
        spread = rng.uniform(-0.4, 0.4, len(lift)) * density / max(1, density.max())
        colour = rows["place"].fill_null(0.5).to_numpy()
        dots = axes.scatter(
            lift, place + spread, c=colour, cmap=LOW_TO_HIGH, s=5, linewidths=0, vmin=0, vmax=1
        )
        dots.set_rasterized(True)
    axes.axvline(0, color=GUIDE, linewidth=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("contribution to the score within the search (log-odds)", fontsize=8)
    colour_bar(figure, dots, [axes], "the feature's value").set_ticks(
        [0, 1], labels=["low", "high"]
    )
    return Chart(
        name="beeswarm",
        title="Which values of a feature lift a listing, and which hold it back",
        figure=figure,
        summary=_strongest(shap, names),
        note="A point is one listing of one search; categories and missing values are grey.",
    )


def _strongest(shap: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """Per feature what its low and its high values do, in words."""
    place = pl.col("place")
    ends = (
        shap.group_by("feature")
        .agg(
            low=pl.col("lift").filter(place <= 0.25).mean(),
            high=pl.col("lift").filter(place >= 0.75).mean(),
            rows=place.is_not_null().sum(),
        )
        .filter(pl.col("rows") >= FEWEST)
        .drop_nulls()
    )
    known = {row["feature"]: row for row in ends.iter_rows(named=True)}
    return [
        f"{name}: the lowest quarter {known[name]['low']:+.3f}, the highest "
        f"{known[name]['high']:+.3f}"
        for name in names
        if name in known
    ]


def trade_off_curve(curve: pl.DataFrame) -> Chart:
    """Value DCG against new listings' exposure, policy by policy."""
    rows = curve.sort("bonus")
    figure, (axes,) = blank()
    axes.plot(rows["exposure_change"], rows["value_change"], color=RANKER, linewidth=1)
    points(axes, rows["exposure_change"], rows["value_change"], "policies", colour=RANKER, size=5)
    for row in _apart(rows):
        axes.annotate(
            f"{row['bonus']:g}",
            (row["exposure_change"], row["value_change"]),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=7,
        )
    most_loss = float(rows["most_loss"][0])
    axes.axhline(-most_loss, color=GUIDE, linewidth=0.8, linestyle="--")
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:+.0%}")
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:+.1%}")
    axes.set_xlabel("change of new listings' exposure in the top 10", fontsize=8)
    axes.set_ylabel("change of value DCG@10", fontsize=8)
    tips = [
        f"bonus {r['bonus']:g}: exposure {r['exposure_change']:+.1%}, "
        f"value {r['value_change']:+.2%}, {r['bookings']:.0f} booked new listings in a top 10"
        for r in rows.iter_rows(named=True)
    ]
    return Chart(
        name="trade_off",
        title="What more exposure of new listings costs in value DCG@10, by the bonus they get",
        figure=figure,
        tips={"policies": tips},
        note="Numbers are the bonus in standard deviations of a search's scores. Dashed: "
        f"{most_loss:.1%} of value, the most it may cost. Measured on logged outcomes, which "
        "understate what new listings gain.",
    )


def _apart(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """The points whose labels do not cover that of the point before."""
    width = float(np.ptp(rows["exposure_change"].to_numpy()))
    chosen: list[dict[str, Any]] = []
    for row in rows.iter_rows(named=True):
        if not chosen or row["exposure_change"] - chosen[-1]["exposure_change"] > 0.07 * width:
            chosen.append(row)
    return chosen


def calibration_curves(
    calibration: pl.DataFrame, colours: MarketColours | None = None
) -> Chart | None:
    """Predicted against actual share of each stage, by decile and market.

    A market whose deciles hold too few rows is left out and named; ``None`` where all do.
    Deciles in which too few rows reached the stage are hollow.
    """
    colours = colours or colours_of_frame(calibration)
    by_market = calibration.group_by("market").agg(pl.col("rows").min()).sort("market")
    tiny = by_market.filter(pl.col("rows") < FEWEST)
    calibration = calibration.join(tiny, on="market", how="anti")
    if calibration.is_empty():
        return None
    markets = colours.largest(calibration["market"].unique().to_list(), MARKETS_DRAWN)
    figure, every = blank(height=3.2, columns=len(STAGES))
    tips: dict[str, Sequence[str]] = {}
    summary: list[str] = []
    for at, (axes, (stage, reached)) in enumerate(zip(every, STAGES.items(), strict=True)):
        of_stage = calibration.filter(
            (pl.col("stage") == stage) & pl.col("market").is_in(markets)
        ).with_columns(
            is_few=(pl.max_horizontal("predicted", "actual") * pl.col("rows")).round() < FEWEST
        )
        for offset, market in enumerate(markets):
            line = of_stage.filter(pl.col("market") == market).sort("decile")
            colour = colours.colour(market)
            axes.plot([], [], "o-", color=colour, markersize=4, label=market_in_words(market))
            for group, bins in _draw_bins(axes, line, f"bins{at}x{offset}", colour).items():
                tips[group] = [_bin_in_words(r, reached) for r in bins.iter_rows(named=True)]
            pairs = line.select("predicted", "actual").iter_rows()
            every_bin = "; ".join(f"{low:.2%} {high:.2%}" for low, high in pairs)
            summary.append(
                f"{market_in_words(market)}, {reached}, predicted and actual by tenths: {every_bin}"
            )
        largest = of_stage.select(pl.max_horizontal(pl.col("predicted", "actual").max())).item()
        top = float(largest or 0.0) * 1.05
        axes.plot([0, top], [0, top], color=GUIDE, linewidth=0.8, linestyle="--")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{100 * value:.2g}%")
        axes.set_title(f"results {reached}", fontsize=9)
        axes.set_xlabel("predicted", fontsize=8)
        if is_left(axes):
            axes.set_ylabel("actual", fontsize=8)
    legend(every[0])
    named = ", ".join(map(market_in_words, tiny["market"]))
    return Chart(
        name="calibration",
        title="Do promises hold? Predicted against actual share of results clicked, contacted "
        "and booked",
        figure=figure,
        tips=tips,
        summary=summary,
        note="Tenths of the results by the predicted probability; on the dashed line a promise is "
        f"kept. Hollow: fewer than {FEWEST} reached the stage, too few to say."
        + (f" Too few rows to draw: {named}." if named else ""),
    )


def _draw_bins(axes: Any, line: pl.DataFrame, group: str, colour: str) -> dict[str, pl.DataFrame]:
    """A market's line, its sound points filled and the others hollow; the points by group."""
    axes.plot(line["predicted"], line["actual"], color=colour, linewidth=0.8)
    drawn = {group: line.filter(~pl.col("is_few")), f"{group}few": line.filter("is_few")}
    for name, some in drawn.items():
        (dots,) = axes.plot(some["predicted"], some["actual"], "o", color=colour, markersize=4)
        dots.set_gid(name)
        dots.set_fillstyle("full" if name == group else "none")
    return {name: some for name, some in drawn.items() if some.height}


def _bin_in_words(row: dict[str, Any], reached: str) -> str:
    return (
        f"{market_in_words(row['market'])}, {reached}, decile {row['decile'] + 1}: predicted "
        f"{row['predicted']:.3%}, actual {row['actual']:.3%} of {counted(row['rows'], 'row')}"
    )


def recall_curves(retrieval: pl.DataFrame) -> Chart | None:
    """Recall over the catalogue by cut-off, and of the popular and the unpopular.

    A decile of too few listings has no point; ``None`` where all of them together are too few.
    """
    models = retrieval["model"].unique().sort().to_list()
    if retrieval.height < FEWEST * len(models):
        return None
    figure, (by_k, by_decile) = blank(height=3.4, columns=2)
    tips: dict[str, Sequence[str]] = {}
    summary: list[str] = []
    ks = np.array([1, 2, 5, 10, 20, 50, 100])
    for offset, model in enumerate(models):
        rows, style = retrieval.filter(pl.col("model") == model), model_style(model)
        # No rank: the listing was not retrieved at all.
        rank = rows["rank"].cast(pl.Float64).fill_null(np.inf).to_numpy()
        recall = [float((rank <= k).mean()) for k in ks]
        share = (
            rows.group_by("decile")
            .agg(recall=(pl.col("rank") <= 100).fill_null(value=False).mean(), n=pl.len())
            .filter(pl.col("n") >= FEWEST)
            .sort("decile")
        )
        for axes, x, y, group in (
            (by_k, ks, recall, f"k{offset}"),
            (by_decile, share["decile"], share["recall"], f"decile{offset}"),
        ):
            axes.plot(x, y, style.line, color=style.colour, linewidth=1)
            points(axes, x, y, group, colour=style.colour, marker=style.marker)
        by_k.plot([], [], style.marker + style.line, color=style.colour, markersize=4, label=model)
        tips[f"k{offset}"] = [f"{model}@{k}: {r:.1%}" for k, r in zip(ks, recall, strict=True)]
        found = "; ".join(f"first {k} {r:.1%}" for k, r in zip(ks, recall, strict=True))
        deciles = "; ".join(f"{r:.1%}" for r in share["recall"])
        summary += [f"{model}: {found}", f"{model}, first 100, by popularity: {deciles}"]
        tips[f"decile{offset}"] = [
            f"{model}, popularity decile {r['decile']}: {r['recall']:.1%} of {r['n']:,}"
            for r in share.iter_rows(named=True)
        ]
    by_k.set_xscale("log")
    by_k.set_xticks(ks, [str(k) for k in ks])
    by_k.xaxis.set_minor_formatter(NullFormatter())
    by_k.set_xlabel("first k listings retrieved (logarithmic)", fontsize=8)
    by_k.set_ylabel("share of what guests took that is in them", fontsize=8)
    by_decile.set_xticks(range(2, 11, 2))
    by_decile.set_xlabel("popularity of the listing, in tenths (10: most clicked)", fontsize=8)
    by_decile.set_ylabel("the same in the first 100", fontsize=8)
    for axes in (by_k, by_decile):
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    legend(by_k)
    return Chart(
        name="recall",
        title="How much of what guests took is retrieved from the whole catalogue, by model",
        figure=figure,
        tips=tips,
        summary=summary,
        note="Clicked, contacted or booked listings of the test window; every row counts once.",
    )
