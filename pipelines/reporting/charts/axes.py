"""Empty figures, and what several charts put on their axes.

A chart is drawn twice: as wide as a page, and, inside :func:`narrow_page`, as narrow as a phone,
its panels below each other. A chart's function does not know which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import blended_transform_factory

from data.schema.market_names import market_in_words
from features.formulas.calendar import MARKET_STATE, carnival_nights
from pipelines.config.palette import GUIDE, INK, MarketColours

__all__ = [
    "blank",
    "colour_bar",
    "colours_of_frame",
    "day_axis",
    "is_left",
    "legend",
    "mark_carnival",
    "narrow_page",
    "not_drawn",
    "plain_log_ticks",
    "points",
]

WIDTH, NARROW_WIDTH = 7.0, 3.7
# Of a drawing whose panels lie below each other.
NARROW_PANEL = 0.85
MOST_DAYS_NAMED = 8
# Inches of a legend's line, of the sign of an entry, and of a letter.
LEGEND_LINE, LEGEND_SIGN, LEGEND_LETTER = 0.21, 0.5, 0.062
_IS_NARROW: ContextVar[bool] = ContextVar("is_narrow", default=False)


@contextmanager
def narrow_page() -> Iterator[None]:
    """Charts made inside are as narrow as a phone."""
    token = _IS_NARROW.set(True)
    try:
        yield
    finally:
        _IS_NARROW.reset(token)


def blank(
    width: float = WIDTH, height: float = 3.2, *, columns: int = 1
) -> tuple[Figure, Sequence[Any]]:
    """An empty figure with its axes side by side; transparent, without box.

    On a narrow page the axes lie below each other. Room for a legend above them is left to
    :func:`legend`.
    """
    rows = 1
    if _IS_NARROW.get():
        width = NARROW_WIDTH
        height *= 1 if columns == 1 else NARROW_PANEL * columns
        rows, columns = columns, 1
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    # The first row is the legend's, as high as what is put into it.
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[0.01, *[1.0] * rows])
    axes = [
        figure.add_subplot(grid[row + 1, column])
        for row in range(rows)
        for column in range(columns)
    ]
    for each in axes:
        each.patch.set_alpha(0)
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8)
        if _IS_NARROW.get():
            each.xaxis.set_major_locator(MaxNLocator(4))
    return figure, axes


def is_left(axes: Any) -> bool:
    """Whether the axes are the first of their row: where a row's labels stand."""
    return bool(axes.get_subplotspec().is_first_col())


def legend(axes: Any, *, handles: Sequence[Any] = ()) -> None:
    """The legend of these axes' artists, above the whole figure: it hides no mark.

    ``handles`` are shown in the place of the artists. The figure grows by the legend's height.
    """
    shown, labels = axes.get_legend_handles_labels()
    if handles:
        shown, labels = list(handles), [handle.get_label() for handle in handles]
    if not shown:
        return
    figure, grid = axes.figure, axes.get_gridspec()
    width, height = figure.get_size_inches()
    entry = LEGEND_SIGN + LEGEND_LETTER * max(map(len, labels))
    columns = max(1, min(len(labels), int(width / entry)))
    needed = LEGEND_LINE * -(-len(labels) // columns)
    panel = height / (grid.nrows - 1)
    grid.set_height_ratios([needed / panel, *[1.0] * (grid.nrows - 1)])
    figure.set_size_inches(width, height + needed)
    top = figure.add_subplot(grid[0, :])
    top.set_axis_off()
    top.patch.set_alpha(0)
    drawn = top.legend(
        shown,
        labels,
        loc="center left",
        bbox_to_anchor=(0, 0.5),
        # From the figure's left edge, in the height of the first row.
        bbox_transform=blended_transform_factory(figure.transFigure, top.transAxes),
        borderaxespad=0,
        ncols=columns,
        frameon=False,
        fontsize=8,
    )
    # Its width would take room from the panels below.
    drawn.set_in_layout(False)


def colour_bar(
    figure: Figure, marks: Any, axes: Sequence[Any], label: str, *, is_below: bool = False
) -> Any:
    """The scale of marks that are coloured by an amount, with what it measures."""
    place: dict[str, Any] = {"shrink": 0.7}
    if is_below or _IS_NARROW.get():
        place = {"location": "bottom", "shrink": 0.6, "aspect": 30}
    bar = figure.colorbar(marks, ax=list(axes), **place)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return bar


def points(
    axes: Any, x: Any, y: Any, group: str, *, colour: str, marker: str = "o", size: float = 4
) -> None:
    """Draw points as the marks of ``Chart.tips[group]``."""
    (line,) = axes.plot(x, y, marker, color=colour, markersize=size)
    line.set_gid(group)


def plain_log_ticks(axis: Any) -> None:
    """Numbers as people write them on a logarithmic axis: 1,000 and not 10 to the third."""
    axis.set_major_locator(LogLocator(subs=(1.0,) if _spans_decades(axis) else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def _spans_decades(axis: Any, many: float = 2.2) -> bool:
    low, high = axis.get_view_interval()
    return bool(np.log10(max(high, 1e-9)) - np.log10(max(low, 1e-9)) > many)


def day_axis(axes: Any, days: Sequence[date], markets: Sequence[str]) -> None:
    """Days at 0, 1, 2, … of the x-axis: some of them named, Carnival marked."""
    every = -(-len(days) // MOST_DAYS_NAMED)
    places = range(0, len(days), every)
    axes.set_xticks(
        places, [f"{days[at]:%d %b}" for at in places], rotation=45, ha="right", fontsize=7
    )
    for start, end in _carnivals(days, markets):
        inside = [at for at, day in enumerate(days) if start <= day <= end]
        _shade(axes, min(inside) - 0.5, max(inside) + 0.5)


def mark_carnival(axes: Any, days: Sequence[date], markets: Sequence[str]) -> None:
    """Carnival's nights on an x-axis of dates; only where a market has a Carnival."""
    for start, end in _carnivals(days, markets):
        _shade(axes, start, end + timedelta(days=1))


def _shade(axes: Any, start: Any, end: Any) -> None:
    axes.axvspan(start, end, color=GUIDE, alpha=0.25, linewidth=0)
    axes.annotate(
        "Carnival",
        (start, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(2, -2),
        textcoords="offset points",
        va="top",
        fontsize=7,
        color=INK,
    )


def _carnivals(days: Sequence[date], markets: Sequence[str]) -> list[tuple[date, date]]:
    """First and last night of each Carnival that these days touch."""
    if not days or not set(markets) & set(MARKET_STATE):
        return []
    of_years = [carnival_nights(year) for year in range(min(days).year, max(days).year + 1)]
    spans = [(nights[0], nights[-1]) for nights in of_years]
    return [span for span in spans if any(span[0] <= day <= span[1] for day in days)]


def colours_of_frame(frame: pl.DataFrame) -> MarketColours:
    """The colours of the markets in a frame's column ``market``."""
    sizes = frame.group_by("market").len().sort("len", "market", descending=[True, False])
    return MarketColours.of(sizes["market"].to_list())


def not_drawn(present: Sequence[str], drawn: Sequence[str]) -> str:
    """For a chart's note: the markets that it has no room for; empty where there are none."""
    rest = sorted(set(present) - set(drawn))
    if not rest:
        return ""
    return f" Not drawn, being smaller: {', '.join(map(market_in_words, rest))}."
