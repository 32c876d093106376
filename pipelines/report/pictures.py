"""Pictures as inline SVG that takes the page's own text colour, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = ["Picture", "funnel_by_market", "metric_by_model"]

Picture = str  # an <svg> element

# Okabe & Ito's colours: told apart by colour-blind readers, on white and on black.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


def _figure(width: float = 7.0, height: float = 3.2) -> tuple[Figure, Any]:
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "stayrank"
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure, title: str) -> Picture:
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", body, count=1)
    # matplotlib writes black as a default or by name; the page decides instead.
    body = body.replace("#000000", "currentColor").replace("<text ", '<text fill="currentColor" ')
    return body.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def metric_by_model(
    scorecard: Sequence[Mapping[str, Any]], *, metric: str, title: str, segments: Sequence[str]
) -> Picture:
    """One dot with its interval per model and segment, models from worst to best."""
    rows = [r for r in scorecard if r["metric"] == metric and r["segment"] in segments]
    overall = {r["model"]: r["value"] for r in rows if r["segment"] == segments[0]}
    models = sorted(overall, key=lambda model: overall[model])
    figure, axes = _figure(height=0.6 + 0.42 * max(1, len(models)))
    for offset, segment in enumerate(segments):
        of_segment = {r["model"]: r for r in rows if r["segment"] == segment}
        shown = [(y, of_segment[m]) for y, m in enumerate(models) if m in of_segment]
        shift = 0.16 * (offset - (len(segments) - 1) / 2)
        axes.errorbar(
            [row["value"] for _, row in shown],
            [y - shift for y, _ in shown],
            xerr=[
                [max(0.0, row["value"] - row["low"]) for _, row in shown],
                [max(0.0, row["high"] - row["value"]) for _, row in shown],
            ],
            fmt="o",
            markersize=4,
            capsize=2,
            color=COLOURS[offset % len(COLOURS)],
            label=segment.removeprefix("market="),
        )
    axes.set_yticks(range(len(models)), models)
    axes.set_xlabel(title)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return _svg(figure, title)


def funnel_by_market(funnel: Sequence[Mapping[str, Any]]) -> Picture:
    """Impressions, clicks, contacts and bookings of each market, on a log scale."""
    stages = ("impressions", "clicks", "contacts", "bookings")
    figure, axes = _figure()
    width = 0.8 / max(1, len(funnel))
    for offset, market in enumerate(funnel):
        places = [stage + offset * width for stage in range(len(stages))]
        counts = [market[stage] for stage in stages]
        bars = axes.bar(
            places, counts, width, label=market["market"], color=COLOURS[offset % len(COLOURS)]
        )
        axes.bar_label(bars, labels=[f"{count:,}" for count in counts], fontsize=7)
    axes.set_yscale("log")
    axes.set_xticks([s + 0.4 - width / 2 for s in range(len(stages))], stages)
    axes.set_ylabel("rows (log scale)")
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure, "Funnel per market")
