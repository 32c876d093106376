"""Charts of the scorecard: metrics with their intervals, and how close to the best order."""

from __future__ import annotations

from collections.abc import Sequence

from models.evaluation.scorecard import Score
from pipelines.reporting.charts.canvas import Chart, blank, colour_of

__all__ = ["g_bars", "metric_by_cutoff", "metric_by_model"]

KS = (5, 10, 38)
ORACLE = "oracle_"
G = {"g_taste_at_10": "knowing the taste", "g_observables_at_10": "knowing the observables"}


def metric_by_model(
    scores: Sequence[Score], *, metric: str, title: str, segments: Sequence[str]
) -> Chart:
    """One dot with its interval per model and segment, models from worst to best."""
    rows = [s for s in scores if s.metric == metric and s.segment in segments]
    overall = {s.model: s.value for s in rows if s.segment == segments[0]}
    models = sorted(overall, key=lambda model: overall[model])
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
            [score.value for _, score in scored],
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
        note="Dots are values, lines their 95% intervals (bootstrap over guests).",
    )


def metric_by_cutoff(scores: Sequence[Score], *, prefix: str, title: str) -> Chart:
    """A line per model over the cut-offs, with its intervals; all markets."""
    figure, (axes,) = blank()
    tips: dict[str, Sequence[str]] = {}
    score_of = {(s.model, s.metric): s for s in scores if s.segment == "all"}
    last = f"{prefix}_at_{KS[-1]}"
    models = sorted(
        (m for m, metric in score_of if metric == last), key=lambda m: -score_of[m, last].value
    )
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
    """G@10 under both ceilings; ``None`` where the truth is not known."""
    score_of = {
        (s.model, s.metric): s
        for s in scores
        if s.metric in G and s.segment == "all" and not s.model.startswith(ORACLE)
    }
    models = sorted(
        {m for m, _ in score_of}, key=lambda m: score_of[m, "g_observables_at_10"].value
    )
    if not models:
        return None
    figure, (axes,) = blank(height=0.8 + 0.42 * len(models))
    tips: dict[str, Sequence[str]] = {}
    for offset, (metric, words) in enumerate(G.items()):
        line = [score_of[m, metric] for m in models]
        places = [y + 0.38 * (offset - 0.5) for y in range(len(models))]
        bars = axes.barh(
            places, [s.value for s in line], 0.36, color=colour_of(offset), label=words
        )
        for number, (bar, score, y) in enumerate(zip(bars, line, places, strict=True)):
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


def _ends(score: Score) -> list[float]:
    low = score.value if score.low is None else score.low
    high = score.value if score.high is None else score.high
    return [low, high]


def _text_of(score: Score) -> str:
    low, high = _ends(score)
    return f"{score.value:.3f} ({low:.3f} to {high:.3f}), {score.searches:,} searches"
