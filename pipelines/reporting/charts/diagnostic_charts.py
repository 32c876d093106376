"""Charts of the diagnostics: what moves the ranker, whom it helps, what is retrieved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from data.counted import counted
from models.evaluation.config import EvaluationConfig
from pipelines.reporting.charts.canvas import Chart, blank, colour_of, points

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
    points(axes, rows["difference"], places, "groups", colour=0, size=5)
    for y, row in zip(places, rows.iter_rows(named=True), strict=True):
        if row["low"] is not None and row["high"] is not None:
            axes.plot([row["low"], row["high"]], [y, y], color=colour_of(0), linewidth=1.4)
    axes.axvline(0, color="#888888", linewidth=0.8)
    axes.set_yticks(places, rows["group"].to_list())
    axes.set_xlabel(f"change of {WORDS[metric]} without the group's values", fontsize=8)
    tips = [f"without {r['group']}: {_with_interval(r)}" for r in rows.iter_rows(named=True)]
    return Chart(
        name="ablation",
        title="What each feature group is worth to the trained ranker",
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
    bars = axes.barh(places, strength["lift"], color=colour_of(0))
    tips: dict[str, Sequence[str]] = {}
    for number, (bar, row) in enumerate(zip(bars, strength.iter_rows(named=True), strict=True)):
        bar.set_gid(f"bar{number}")
        tips[f"bar{number}"] = [f"{row['meaning']}: {row['lift']:.4f}"]
    axes.set_yticks(places, strength["feature"].to_list(), fontsize=7)
    axes.set_xlabel("mean absolute contribution to the score within a search", fontsize=8)
    return Chart(
        name="importance",
        title="What the ranker looks at",
        figure=figure,
        tips=tips,
        note="Of a sample of test rows, less the mean of their search: SHAP values of the click "
        "trees, and the terms of the later stages' regressions.",
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
            lift, place + spread, c=colour, cmap="coolwarm", s=5, linewidths=0, vmin=0, vmax=1
        )
        dots.set_rasterized(True)
    axes.axvline(0, color="#888888", linewidth=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("contribution to the score within the search", fontsize=8)
    bar = figure.colorbar(dots, ax=axes, shrink=0.5)
    bar.set_ticks([0, 1], labels=["low value", "high value"], fontsize=7)
    return Chart(
        name="beeswarm",
        title="Which values lift a listing, and which hold it back",
        figure=figure,
        note="A point is one listing of one search; categories and missing values are grey.",
    )


def trade_off_curve(curve: pl.DataFrame) -> Chart:
    """Value DCG against new listings' exposure, policy by policy."""
    rows = curve.sort("bonus")
    figure, (axes,) = blank()
    axes.plot(rows["exposure_change"], rows["value_change"], color=colour_of(0), linewidth=1)
    points(axes, rows["exposure_change"], rows["value_change"], "policies", colour=0, size=5)
    for row in rows.iter_rows(named=True):
        axes.annotate(
            f"{row['bonus']:g}",
            (row["exposure_change"], row["value_change"]),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=7,
        )
    most_loss = float(rows["most_loss"][0])
    axes.axhline(-most_loss, color="#888888", linewidth=0.8, linestyle="--")
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:+.0%}")
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:+.1%}")
    axes.set_xlabel("change of new listings' exposure in the top 10", fontsize=8)
    axes.set_ylabel("change of value DCG", fontsize=8)
    tips = [
        f"bonus {r['bonus']:g}: exposure {r['exposure_change']:+.1%}, "
        f"value {r['value_change']:+.2%}, {r['bookings']:.0f} booked new listings in a top 10"
        for r in rows.iter_rows(named=True)
    ]
    return Chart(
        name="trade_off",
        title="New listings: what exposure costs",
        figure=figure,
        tips={"policies": tips},
        note="Numbers are the bonus in standard deviations of a search's scores. Dashed: "
        f"{most_loss:.1%} of value, the most it may cost. Measured on logged outcomes, which "
        "understate what new listings gain.",
    )


def calibration_curves(calibration: pl.DataFrame) -> Chart | None:
    """Predicted against actual share of each stage, by decile and market.

    A market whose deciles hold too few rows is left out and named; ``None`` where all do.
    """
    by_market = calibration.group_by("market").agg(pl.col("rows").min()).sort("market")
    tiny = by_market.filter(pl.col("rows") < EvaluationConfig.fewest)
    calibration = calibration.join(tiny, on="market", how="anti")
    if calibration.is_empty():
        return None
    named = "" if tiny.is_empty() else f" Too few rows to draw: {', '.join(tiny['market'])}."
    stages = ("click", "contact", "book")
    figure, every = blank(height=3.0, columns=len(stages))
    tips: dict[str, Sequence[str]] = {}
    for at, (axes, stage) in enumerate(zip(every, stages, strict=True)):
        of_stage = calibration.filter(pl.col("stage") == stage)
        for offset, market in enumerate(of_stage["market"].unique().sort()):
            line = of_stage.filter(pl.col("market") == market).sort("decile")
            (dots,) = axes.plot(
                line["predicted"],
                line["actual"],
                "o-",
                color=colour_of(offset),
                markersize=4,
                linewidth=0.8,
                label=market,
            )
            dots.set_gid(f"bins{at}x{offset}")
            tips[f"bins{at}x{offset}"] = [
                f"{market}, decile {r['decile'] + 1}: predicted {r['predicted']:.3%}, "
                f"actual {r['actual']:.3%} of {counted(r['rows'], 'row')}"
                for r in line.iter_rows(named=True)
            ]
        largest = of_stage.select(pl.max_horizontal(pl.col("predicted", "actual").max())).item()
        top = float(largest or 0.0) * 1.05
        axes.plot([0, top], [0, top], color="#888888", linewidth=0.8, linestyle="--")
        axes.set_title(f"P({stage})", fontsize=9)
        axes.set_xlabel("predicted", fontsize=8)
    every[0].set_ylabel("actual", fontsize=8)
    every[0].legend(frameon=False, fontsize=7)
    return Chart(
        name="calibration",
        title="Calibration per stage",
        figure=figure,
        tips=tips,
        note=f"Deciles of the predicted probability; on the dashed line a promise is kept.{named}",
    )


def recall_curves(retrieval: pl.DataFrame) -> Chart | None:
    """Recall over the catalogue by cut-off, and of the popular and the unpopular.

    A decile of too few listings has no point; ``None`` where all of them together are too few.
    """
    models = retrieval["model"].unique().sort().to_list()
    if retrieval.height < EvaluationConfig.fewest * len(models):
        return None
    figure, (by_k, by_decile) = blank(columns=2)
    tips: dict[str, Sequence[str]] = {}
    ks = np.array([1, 2, 5, 10, 20, 50, 100])
    for offset, model in enumerate(models):
        rows = retrieval.filter(pl.col("model") == model)
        # No rank: the listing was not retrieved at all.
        rank = rows["rank"].cast(pl.Float64).fill_null(np.inf).to_numpy()
        recall = [float((rank <= k).mean()) for k in ks]
        by_k.plot(ks, recall, color=colour_of(offset), linewidth=1, label=model)
        points(by_k, ks, recall, f"k{offset}", colour=offset)
        tips[f"k{offset}"] = [f"{model}@{k}: {r:.1%}" for k, r in zip(ks, recall, strict=True)]
        share = (
            rows.group_by("decile")
            .agg(recall=(pl.col("rank") <= 100).fill_null(value=False).mean(), n=pl.len())
            .filter(pl.col("n") >= EvaluationConfig.fewest)
            .sort("decile")
        )
        by_decile.plot(share["decile"], share["recall"], color=colour_of(offset), linewidth=1)
        points(by_decile, share["decile"], share["recall"], f"decile{offset}", colour=offset)
        tips[f"decile{offset}"] = [
            f"{model}, decile {r['decile']}: {r['recall']:.1%} of {r['n']:,}"
            for r in share.iter_rows(named=True)
        ]
    by_k.set_xscale("log")
    by_k.set_xticks(ks, [str(k) for k in ks])
    by_k.set_xlabel("k", fontsize=8)
    by_k.set_ylabel("recall of the taken listings", fontsize=8)
    by_k.legend(frameon=False, fontsize=7)
    by_decile.set_xlabel("popularity decile of the listing (10 = most clicked)", fontsize=8)
    by_decile.set_ylabel("recall@100", fontsize=8)
    return Chart(
        name="recall",
        title="Retrieval from the whole catalogue",
        figure=figure,
        tips=tips,
        note="Clicked, contacted or booked listings of the test window; every row counts once.",
    )
