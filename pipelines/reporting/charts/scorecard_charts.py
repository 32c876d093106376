"""Charts of the scorecard: metrics with their intervals, and how close to the best order.

A figure of too few searches is not drawn but named in the chart's note.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.patches import Patch

from data.counted import counted
from data.schema.market_names import market_in_words
from models.evaluation.scorecard import Score
from pipelines.config.palette import GUIDE, INK, MarketColours, model_style
from pipelines.evaluation.scorecard_view import figure as figure_in_words
from pipelines.evaluation.scorecard_view import scale_of, too_few
from pipelines.reporting.charts.axes import blank, legend
from pipelines.reporting.charts.canvas import Chart

__all__ = ["g_bars", "metric_by_cutoff", "metric_by_model"]

KS = (5, 10, 38)
ORACLE = "oracle_"
G_PREFIX, G_SUFFIX = "g_", "_at_10"
# Of the bars under the harder of two ceilings.
PALE = 0.45


def metric_by_model(
    scores: Sequence[Score],
    *,
    metric: str,
    title: str,
    segments: Sequence[str],
    colours: MarketColours | None = None,
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
    colours = colours or _colours_of(of_metric)
    figure, (axes,) = blank(height=0.9 + 0.42 * max(1, len(models)))
    tips: dict[str, Sequence[str]] = {}
    for offset, segment in enumerate(segments):
        of_segment = {s.model: s for s in rows if s.segment == segment}
        scored = [(y, of_segment[m]) for y, m in enumerate(models) if m in of_segment]
        shift = 0.18 * (offset - (len(segments) - 1) / 2)
        places = [y - shift for y, _ in scored]
        name, market = _segment_in_words(segment), segment.removeprefix("market=")
        # The whole is no market: it has the colour of the text.
        colour = INK if segment == market else colours.colour(market)
        for place, (_, score) in zip(places, scored, strict=True):
            axes.plot(_ends(score), [place] * 2, color=colour, linewidth=1.4)
        (dots,) = axes.plot(
            [_scaled(score, score.value) for _, score in scored],
            places,
            "o",
            markersize=5,
            color=colour,
            label=name,
        )
        dots.set_gid(f"dots{offset}")
        tips[f"dots{offset}"] = [f"{s.model}, {name}: {_text_of(s)}" for _, s in scored]
    axes.set_yticks(range(len(models)), models)
    axes.set_xlabel(title, fontsize=8)
    legend(axes)
    by = "by model and market" if len(segments) > 1 else "by model"
    return Chart(
        name=f"models_{metric}",
        title=f"{title[:1].upper()}{title[1:]}: {by}",
        figure=figure,
        tips=tips,
        note="Dots are values, lines their 95% intervals (bootstrap over guests)."
        + _bounds_among(models)
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
    figure, (axes,) = blank(height=3.6)
    tips: dict[str, Sequence[str]] = {}
    summary: list[str] = []
    for place, model in enumerate(models):
        line = [
            score_of[model, f"{prefix}_at_{k}"]
            for k in KS
            if (model, f"{prefix}_at_{k}") in score_of
        ]
        style = model_style(model)
        # Moved aside a little, so that the intervals of the models do not cover each other.
        xs = [x + 0.03 * (place - len(models) / 2) for x in range(len(line))]
        for x, score in zip(xs, line, strict=True):
            axes.plot([x, x], _ends(score), color=style.colour, linewidth=0.8, alpha=0.6)
        values = [_scaled(s, s.value) for s in line]
        axes.plot(xs, values, style.line, color=style.colour, linewidth=1.2)
        axes.plot([], [], style.marker + style.line, color=style.colour, markersize=4, label=model)
        (dots,) = axes.plot(
            xs,
            values,
            style.marker,
            color=style.colour,
            markersize=4,
        )
        dots.set_gid(f"line{place}")
        tips[f"line{place}"] = [f"{model}@{s.k}: {_text_of(s)}" for s in line]
        every = "; ".join(f"first {s.k} {figure_in_words(s)}" for s in line)
        summary.append(f"{model}: {every}")
    axes.set_xticks(range(len(KS)), [f"first {k}" for k in KS])
    axes.set_xlabel("results of a search that are counted", fontsize=8)
    axes.set_ylabel(title, fontsize=8)
    legend(axes)
    return Chart(
        name=f"by_cutoff_{prefix}",
        title=f"{title} by model and number of results counted, all markets",
        figure=figure,
        tips=tips,
        summary=summary,
        note=f"Vertical lines are 95% intervals.{_bounds_among(models)}",
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
    kinds: list[Patch] = []
    thickness = 0.76 / len(ceilings)
    for offset, metric in enumerate(ceilings):
        words = f"knowing the {metric.removeprefix(G_PREFIX).removesuffix(G_SUFFIX)}"
        shift = thickness * (offset - (len(ceilings) - 1) / 2)
        paleness = 1.0 if offset == len(ceilings) - 1 else PALE
        placed = [
            (y + shift, score_of[m, metric])
            for y, m in enumerate(models)
            if (m, metric) in score_of
        ]
        bars = axes.barh(
            [y for y, _ in placed],
            [score.value for _, score in placed],
            0.95 * thickness,
            color=[model_style(score.model).colour for _, score in placed],
            alpha=paleness,
        )
        for number, (bar, (y, score)) in enumerate(zip(bars, placed, strict=True)):
            bar.set_gid(f"bar{offset}x{number}")
            tips[f"bar{offset}x{number}"] = [f"{score.model}, {words}: {_text_of(score)}"]
            axes.plot(_ends(score), [y, y], color=INK, linewidth=1)
        kinds.append(Patch(color=GUIDE, alpha=paleness, label=words))
    axes.set_yticks(range(len(models)), models)
    axes.axvline(1.0, color=GUIDE, linewidth=0.8, linestyle="--")
    axes.set_xlabel("G@10: share of what the best order could win over a random one", fontsize=8)
    legend(axes, handles=kinds)
    return Chart(
        name="g_bars",
        title="How close each model comes to the best possible order (G@10)",
        figure=figure,
        tips=tips,
        note="The simulator's probabilities are the truth; 1 is the best order, 0 a random one.",
    )


def _bounds_among(models: Sequence[str]) -> str:
    """What an order by the simulator's truth is beside logged outcomes: no ceiling."""
    if not any(model.startswith(ORACLE) for model in models):
        return ""
    return (
        " Oracles order by the simulator's true chances; in what was logged luck can put a model "
        "above them."
    )


def _left_out(scores: Sequence[Score]) -> str:
    """The segments of too few searches, named: `` Too few searches to draw: …``."""
    named = {_segment_in_words(s.segment): s for s in scores if s.is_too_few}
    if not named:
        return ""
    parts = [f"{name} {too_few(score).removeprefix('too few ')}" for name, score in named.items()]
    return f" Too few searches to draw: {', '.join(parts)}."


def _segment_in_words(segment: str) -> str:
    market = segment.removeprefix("market=")
    return "all markets" if segment == market == "all" else market_in_words(market)


def _colours_of(scores: Sequence[Score]) -> MarketColours:
    """The colours of the markets that have a figure, the one with most searches first."""
    of_markets = [s for s in scores if s.segment.startswith("market=")]
    largest = sorted(of_markets, key=lambda s: (-s.searches, s.segment))
    return MarketColours.of(s.segment.removeprefix("market=") for s in largest)


def _scaled(score: Score, value: float) -> float:
    return value * scale_of(score.metric)


def _ends(score: Score) -> list[float]:
    """The ends of the interval as drawn; the value twice where none is known."""
    ends = (score.low, score.high)
    return [_scaled(score, score.value if end is None else end) for end in ends]


def _text_of(score: Score) -> str:
    return f"{figure_in_words(score)}, {counted(score.searches, 'search')}"
