"""Charts of the scorecard: metrics with their intervals, and how close to the best order.

A figure of too few searches is not drawn but named in the chart's note.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.counted import counted
from models.evaluation.scorecard import Score
from pipelines.evaluation.scorecard_view import figure as figure_in_words
from pipelines.evaluation.scorecard_view import scale_of, too_few
from pipelines.reporting.charts.canvas import Chart, blank, colour_of

__all__ = ["g_bars", "metric_by_cutoff", "metric_by_model"]

KS = (5, 10, 38)
ORACLE = "oracle_"
G_PREFIX, G_SUFFIX = "g_", "_at_10"


def metric_by_model(
    scores: Sequence[Score], *, metric: str, title: str, segments: Sequence[str]
) -> Chart | None:
    """One dot with its interval per model and segment, models from worst to best.

    ``None`` where no figure of the first segment, the whole, has enough searches.
    """
    of_metric = [s for s in scores if s.metric == metric and s.segment in segments]
    rows = [s for s in of_metric if not s.is_too_few]
    overall = {s.model: s.value for s in rows if s.segment == segments[0]}
    models = sorted(overall, key=lambda model: overall[model])
    if not models:
        return None
    figure, (axes,) = blank(height=0.8 + 0.42 * max(1, len(models)))
    tips: dict[str, Sequence[str]] = {}
    for offset, segment in enumerate(segments):
        of_segment = {s.model: s for s in rows if s.segment == segment}
        scored = [(y, of_segment[m]) for y, m in enumerate(models) if m in of_segment]
        shift = 0.18 * (offset - (len(segments) - 1) / 2)
        places = [y - shift for y, _ in scored]
        name = segment.removeprefix("market=")
        for place, (_, score) in zip(places, scored, strict=True):
            axes.plot(_ends(score), [place] * 2, color=colour_of(offset), linewidth=1.4)
        (dots,) = axes.plot(
            [_scaled(score, score.value) for _, score in scored],
            places,
            "o",
            markersize=5,
            color=colour_of(offset),
            label=name,
        )
        dots.set_gid(f"dots{offset}")
        tips[f"dots{offset}"] = [f"{s.model}, {name}: {_text_of(s)}" for _, s in scored]
    axes.set_yticks(range(len(models)), models)
    axes.set_xlabel(title, fontsize=8)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return Chart(
        name=f"models_{metric}",
        title=f"{title}, by model",
        figure=figure,
        tips=tips,
        note="Dots are values, lines their 95% intervals (bootstrap over guests)."
        + _left_out(of_metric),
    )


def metric_by_cutoff(scores: Sequence[Score], *, prefix: str, title: str) -> Chart | None:
    """A line per model over the cut-offs, with its intervals; all markets.

    ``None`` where no figure has enough searches.
    """
    whole = [s for s in scores if s.segment == "all" and not s.is_too_few]
    score_of = {(s.model, s.metric): s for s in whole}
    last = f"{prefix}_at_{KS[-1]}"
    models = sorted(
        (m for m, metric in score_of if metric == last), key=lambda m: -score_of[m, last].value
    )
    if not models:
        return None
    figure, (axes,) = blank()
    tips: dict[str, Sequence[str]] = {}
    for place, model in enumerate(models):
        line = [
            score_of[model, f"{prefix}_at_{k}"]
            for k in KS
            if (model, f"{prefix}_at_{k}") in score_of
        ]
        style = "--" if model.startswith(ORACLE) else "-"
        # Moved aside a little, so that the intervals of the models do not cover each other.
        xs = [x + 0.03 * (place - len(models) / 2) for x in range(len(line))]
        for x, score in zip(xs, line, strict=True):
            axes.plot([x, x], _ends(score), color=colour_of(place), linewidth=0.8, alpha=0.6)
        axes.plot(xs, [s.value for s in line], style, color=colour_of(place), linewidth=1.2)
        (dots,) = axes.plot(
            xs,
            [s.value for s in line],
            "os^Dvp"[place // 6 % 6],
            color=colour_of(place),
            markersize=4,
            label=model,
        )
        dots.set_gid(f"line{place}")
        tips[f"line{place}"] = [f"{model}@{s.k}: {_text_of(s)}" for s in line]
    axes.set_xticks(range(len(KS)), [f"@{k}" for k in KS])
    axes.set_ylabel(title, fontsize=8)
    axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Chart(
        name=f"by_cutoff_{prefix}",
        title=f"{title} by cut-off",
        figure=figure,
        tips=tips,
        note="Vertical lines are 95% intervals. Dashed: the simulator's own best orders.",
    )


def g_bars(scores: Sequence[Score]) -> Chart | None:
    """G@10 under every ceiling; ``None`` where the truth is not known or nothing can be ranked."""
    of_g = [
        s
        for s in scores
        if s.metric.startswith(G_PREFIX)
        and s.metric.endswith(G_SUFFIX)
        and s.segment == "all"
        and not s.model.startswith(ORACLE)
    ]
    score_of = {(s.model, s.metric): s for s in of_g if not s.is_too_few}
    ceilings = list(dict.fromkeys(metric for _, metric in score_of))
    if not ceilings:
        return None
    last = ceilings[-1]
    models = sorted(
        {model for model, metric in score_of if metric == last},
        key=lambda model: score_of[model, last].value,
    )
    figure, (axes,) = blank(height=0.8 + 0.42 * len(models))
    tips: dict[str, Sequence[str]] = {}
    thickness = 0.76 / len(ceilings)
    for offset, metric in enumerate(ceilings):
        words = f"knowing the {metric.removeprefix(G_PREFIX).removesuffix(G_SUFFIX)}"
        shift = thickness * (offset - (len(ceilings) - 1) / 2)
        placed = [
            (y + shift, score_of[m, metric])
            for y, m in enumerate(models)
            if (m, metric) in score_of
        ]
        bars = axes.barh(
            [y for y, _ in placed],
            [score.value for _, score in placed],
            0.95 * thickness,
            color=colour_of(offset),
            label=words,
        )
        for number, (bar, (y, score)) in enumerate(zip(bars, placed, strict=True)):
            bar.set_gid(f"bar{offset}x{number}")
            tips[f"bar{offset}x{number}"] = [f"{score.model}, {words}: {_text_of(score)}"]
            axes.plot(_ends(score), [y, y], color="#000000", linewidth=1)
    axes.set_yticks(range(len(models)), models)
    axes.axvline(1.0, color="#888888", linewidth=0.8, linestyle="--")
    axes.set_xlabel("G@10: share of what the best order could win over a random one", fontsize=8)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return Chart(
        name="g_bars",
        title="How close to the best possible order",
        figure=figure,
        tips=tips,
        note="The simulator's probabilities are the truth; 1 is the best order, 0 a random one.",
    )


def _left_out(scores: Sequence[Score]) -> str:
    """The segments of too few searches, named: `` Too few searches to draw: …``."""
    named = {s.segment.removeprefix("market="): s for s in scores if s.is_too_few}
    if not named:
        return ""
    parts = [f"{name} {too_few(score).removeprefix('too few ')}" for name, score in named.items()]
    return f" Too few searches to draw: {', '.join(parts)}."


def _scaled(score: Score, value: float) -> float:
    return value * scale_of(score.metric)


def _ends(score: Score) -> list[float]:
    """The ends of the interval as drawn; the value twice where none is known."""
    ends = (score.low, score.high)
    return [_scaled(score, score.value if end is None else end) for end in ends]


def _text_of(score: Score) -> str:
    return f"{figure_in_words(score)}, {counted(score.searches, 'search')}"
