"""A chart is drawn once and written twice: as SVG for the report's page, as PNG for MLflow.

The SVG follows the page's theme, light or dark: what matplotlib draws in black takes the colour
of the page's text. Each mark can carry a text of its own. The artist that draws the marks is
given a group id, here ``dots0``, and ``Chart.tips["dots0"]`` lists their texts in drawing order.
In the SVG each mark of the group then gets its text, which the page shows on hover, focus or
touch::

    <g id="models-dots0"><use …/><use …/></g>
    <g id="models-dots0"><use tabindex="0" data-tip="ranker, all: 0.412" …/><use …/></g>
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = ["COLOURS", "DIVERGING", "Chart", "blank", "colour_of", "points"]

# Okabe & Ito's colours: told apart by colour-blind readers, on white and on black.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DIVERGING = "PuOr"
PNG_DPI = 110
# A market called "$\frac$" is a name, not a formula.
mpl.rcParams["text.parse_math"] = False
_MARK = re.compile(r"<(use|path) ")


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A finished drawing.

    Attributes:
        name: file name without its ending, also the element's id on the page.
        title: what it shows, for the page's heading and for screen readers.
        note: how to read it, one or two sentences.
        figure: matplotlib's figure.
        tips: group id → text of each of its marks, in drawing order.
    """

    name: str
    title: str
    figure: Figure
    note: str = ""
    tips: dict[str, Sequence[str]] = field(default_factory=dict)

    def svg(self) -> str:
        """As an ``<svg>`` element whose black is the page's own text colour."""
        buffer = io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            FigureCanvasSVG(self.figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
        text = buffer.getvalue()
        body = text[text.index("<svg") :]
        body = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", body, count=1)
        body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
        body = self._with_own_ids(body)
        # matplotlib writes black as #000000, or nothing at all, for text: both become the
        # page's own colour.
        body = body.replace("#000000", "currentColor").replace(
            "<text ", '<text fill="currentColor" '
        )
        for group, texts in self.tips.items():
            body = _with_tips(body, f"{self.name}-{group}", texts)
        return body.replace(
            "<svg ", f'<svg role="img" aria-label="{escape(self.title)}" id="{self.name}" ', 1
        )

    def write_png(self, folder: Path) -> Path:
        """As a PNG on white, with its title and note, readable on its own."""
        path = folder / f"{self.name}.png"
        folder.mkdir(parents=True, exist_ok=True)
        self.figure.suptitle(self.title, fontsize=10)
        self.figure.supxlabel(_wrapped(self.note), fontsize=7, color="#444444")
        FigureCanvasAgg(self.figure)
        self.figure.savefig(path, dpi=PNG_DPI, facecolor="white")
        return path

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        with tempfile.TemporaryDirectory() as folder:
            return self.write_png(Path(folder)).read_bytes()

    def _with_own_ids(self, body: str) -> str:
        """Prefix every id with the chart's name: an SVG's ids are global to the page."""
        body = re.sub(r'\bid="', f'id="{self.name}-', body)
        body = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{self.name}-", body)
        return body.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "").replace(
            "xlink:href", "href"
        )


def blank(
    width: float = 7.0, height: float = 3.2, *, columns: int = 1
) -> tuple[Figure, Sequence[Any]]:
    """An empty figure with its axes side by side; transparent, without box."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
    for each in axes:
        each.patch.set_alpha(0)
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8)
    return figure, axes


def colour_of(series: int) -> str:
    """The colour of the n-th series, counted from 0."""
    return COLOURS[series % len(COLOURS)]


def points(axes: Any, x: Any, y: Any, group: str, *, colour: int, size: float = 4) -> None:
    """Draw points as the marks of ``Chart.tips[group]``, in the colour of the n-th series."""
    (line,) = axes.plot(x, y, "o", color=colour_of(colour), markersize=size)
    line.set_gid(group)


def _with_tips(body: str, group: str, texts: Sequence[str]) -> str:
    """Give each mark of a group its text; marks without one are left as they are."""
    start = body.find(f'id="{group}"')
    if start < 0:
        return body
    start = body.index(">", start)
    defined = body.find("</defs>", start)
    end = _end_of_group(body, start)
    if 0 <= defined < end:  # the marker's own shape is no mark
        start = defined
    remaining: Iterator[str] = iter(texts)

    def with_tip(match: re.Match[str]) -> str:
        text = next(remaining, None)
        if text is None:
            return match.group(0)
        return f'<{match.group(1)} tabindex="0" data-tip="{escape(text)}" '

    return body[:start] + _MARK.sub(with_tip, body[start:end]) + body[end:]


def _end_of_group(body: str, start: int) -> int:
    """Where the ``</g>`` stands that closes the group opened before ``start``."""
    depth = 1
    for tag in re.finditer(r"<g\b|</g>", body[start:]):
        depth += 1 if tag.group(0) == "<g" else -1
        if depth == 0:
            return start + tag.start()
    return len(body)


def _wrapped(note: str, width: int = 110) -> str:
    lines: list[str] = [""]
    for word in note.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
