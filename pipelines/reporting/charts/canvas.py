"""A chart: a drawing with its title, its note and its figures, as SVG for a page and as PNG.

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
from textwrap import fill

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from pipelines.config.palette import INK

__all__ = ["Chart"]

PNG_DPI = 110
# Beyond this a list in words is no longer read.
MOST_IN_WORDS = 80
# A drawing narrower than this has labels of so many letters a line.
NARROW_INCHES, NARROW_LETTERS = 4.5, 34
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
        summary: what the marks say, in words, for readers who cannot hover over them: on paper,
            on a screen reader. Where it is empty the tips themselves are that list, unless
            they are too many to be read.
        narrow: the same drawing for a phone; ``None`` where there is none.
    """

    name: str
    title: str
    figure: Figure
    note: str = ""
    tips: dict[str, Sequence[str]] = field(default_factory=dict)
    summary: Sequence[str] = ()
    narrow: Chart | None = None

    @property
    def in_words(self) -> list[str]:
        """The chart's figures, one a line; empty where they are too many."""
        every = [text for texts in self.tips.values() for text in texts]
        return list(self.summary) or (every if len(every) <= MOST_IN_WORDS else [])

    def svg(self) -> str:
        """As an ``<svg>`` element whose black is the page's own text colour."""
        self._wrap_labels()
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
        body = body.replace(INK, "currentColor").replace("<text ", '<text fill="currentColor" ')
        for group, texts in self.tips.items():
            body = _with_tips(body, f"{self.name}-{group}", texts)
        # What matplotlib fills in black without a word inherits the page's colour.
        opening = f'<svg fill="currentColor" role="img" aria-label="{escape(self.title)}" '
        return body.replace("<svg ", f'{opening}id="{self.name}" ', 1)

    def write_png(self, folder: Path) -> Path:
        """As a PNG on white, with its title and note, readable on its own."""
        path = folder / f"{self.name}.png"
        folder.mkdir(parents=True, exist_ok=True)
        self.figure.suptitle(self.title, fontsize=10)
        for name in self.figure.findobj(_is_area_name):
            name.set_path_effects([withStroke(linewidth=2, foreground="white")])
        self.figure.supxlabel(_wrapped(self.note), fontsize=7, color=INK)
        FigureCanvasAgg(self.figure)
        # The patch is clear for the SVG, and stays so in any colour: black text on a dark page.
        self.figure.patch.set_alpha(1)
        self.figure.savefig(path, dpi=PNG_DPI, facecolor="white")
        self.figure.patch.set_alpha(0)
        return path

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        with tempfile.TemporaryDirectory() as folder:
            return self.write_png(Path(folder)).read_bytes()

    def _wrap_labels(self) -> None:
        """Break the axes' labels that are longer than a narrow drawing's axes."""
        if self.figure.get_size_inches()[0] < NARROW_INCHES:
            for axes in self.figure.axes:
                axes.set_xlabel(fill(axes.get_xlabel(), NARROW_LETTERS))
                axes.set_ylabel(fill(axes.get_ylabel(), NARROW_LETTERS))

    def _with_own_ids(self, body: str) -> str:
        """Prefix every id with the chart's name: an SVG's ids are global to the page."""
        body = re.sub(r'\bid="', f'id="{self.name}-', body)
        body = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{self.name}-", body)
        return body.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "").replace(
            "xlink:href", "href"
        )


def _is_area_name(artist: Artist) -> bool:
    """Whether it is the name of a place, which stands among the marks of a map."""
    return isinstance(artist, Text) and (artist.get_gid() or "").startswith("area")


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
