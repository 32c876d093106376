"""What single features, a leak, and groups of features come to."""

from __future__ import annotations

import polars as pl

from data.counted import counted
from models.evaluation.sample_size import is_too_few, too_few
from pipelines.analysis.conclusions.conclusion import Conclusion, listed

__all__ = ["about_ablation", "about_groups", "about_leak", "about_power"]

SAYS_NOTHING = 0.02
# The first that the table has is told: its name, what a difference is multiplied by, its unit.
METRICS = {
    "value_dcg_at_10": (1_000, "bookings' worth of clicks per 1,000 searches"),
    "graded_ndcg_at_10": (1, "graded NDCG@10"),
    "ndcg_at_10": (1, "booking NDCG@10"),
}


def about_groups(features: pl.DataFrame) -> Conclusion:
    """Of one row per feature with ``group`` and ``is_history``."""
    history = int(features["is_history"].sum())
    largest = features.group_by("group").len().sort("len", "group").row(-1, named=True)
    return Conclusion(
        f"{history} of the {counted(features.height, 'feature')} look back at earlier events, the "
        f"others at the search and its results; the largest group is {largest['group']} "
        f"({largest['len']})."
    )


def about_power(power: pl.DataFrame) -> Conclusion:
    """Of :func:`pipelines.analysis.model_analysis.feature_power`."""
    clicks = int(power["clicks"].max() or 0) if power.height else 0  # type: ignore[arg-type]
    if is_too_few(clicks):
        return Conclusion(f"The clicks of the test window are {too_few(clicks)}.")
    known = power.drop_nulls("power")
    best = known.row(0, named=True)
    above = best["power"] >= 0.5
    silent = known.filter((pl.col("power") - 0.5).abs() < SAYS_NOTHING).height
    return Conclusion(
        f"{best['feature']} ({best['meaning']}) says most alone: a clicked listing has a "
        f"{'higher' if above else 'lower'} value than {max(best['power'], 1 - best['power']):.0%} "
        f"of the other results of its search. {silent} of the {counted(known.height, 'feature')} "
        f"say next to nothing alone (within {SAYS_NOTHING:.0%} of one half)."
    )


def about_leak(counts: pl.DataFrame) -> Conclusion:
    """Of :func:`pipelines.analysis.model_analysis.leak_demonstration`."""
    clicks = int(counts["clicks"].max() or 0)  # type: ignore[arg-type]
    if is_too_few(clicks):
        return Conclusion(f"The clicks of the test window are {too_few(clicks)}.")
    honest, leaking = counts["power"].to_list()
    if leaking <= honest:
        return Conclusion(
            f"In this log the leak does not show: {leaking:.2f} with the future, {honest:.2f} "
            "without."
        )
    return Conclusion(
        f"With the future the count looks better by {leaking - honest:.2f} ({leaking:.2f} instead "
        f"of {honest:.2f}), and none of that is there on the day it is needed."
    )


def about_ablation(ablation: pl.DataFrame) -> Conclusion:
    """Of the diagnostic ``ablation``: the most needed group, and those that may be dispensable."""
    metric = next((name for name in METRICS if name in set(ablation["metric"])), None)
    if metric is None:
        return Conclusion("No group's worth was measured: no test search has an outcome.")
    rows = ablation.filter(pl.col("metric") == metric).sort("difference", "group")
    searches = int(rows["searches"].max() or 0)  # type: ignore[arg-type]
    if is_too_few(searches):
        return Conclusion(f"The test searches are {too_few(searches)}.")
    scale, unit = METRICS[metric]
    first = rows.row(0, named=True)
    interval = ""
    if first["low"] is not None and first["high"] is not None:
        interval = f", 95% interval {-first['high'] * scale:.2f} to {-first['low'] * scale:.2f}"
    lost = -first["difference"] * scale
    most = (
        f"Without the values of {first['group']} the ranker loses most: {lost:.2f} {unit}{interval}"
        if lost > 0
        else "The ranker loses nothing without any one group"
    )
    unsure = rows.filter(pl.col("high").is_null() | (pl.col("high") >= 0))["group"].to_list()
    told = (
        f"what it loses without {listed(unsure)} cannot be told from nothing"
        if unsure
        else "every group is worth something beyond chance"
    )
    return Conclusion(f"{most}; {told}.")
