"""What was found: headings with sentences and tables for people, and the frames behind them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import polars as pl

__all__ = ["Found", "Section"]

_GAP = "  "
_WIDTH = 96


@dataclass(frozen=True, kw_only=True)
class Section:
    """One question and its answer.

    Attributes:
        heading: what the section is about.
        sentences: one a line; one that begins with spaces belongs to the one above.
        header, rows: a table below them, its cells as people read them; empty where there is none.
    """

    heading: str
    sentences: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    def lines(self) -> list[str]:
        """The section as lines of text."""
        told = [part for line in self.sentences for part in _wrapped(line)]
        body = [*told, *([""] if told and self.rows else [])]
        return [self.heading, *(f"  {line}".rstrip() for line in [*body, *self._table()])]

    def _table(self) -> list[str]:
        if not self.rows:
            return []
        columns = list(zip(self.header, *self.rows, strict=True))
        widths = [max(len(cell) for cell in column) for column in columns]
        return [_aligned(row, widths) for row in (self.header, *self.rows)]


def _wrapped(line: str) -> list[str]:
    """The line in parts that fit a page, its own indent kept: a terminal would cut words."""
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line.lstrip(),
        width=_WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is known of a guest, a listing or a search; ``print`` writes it as text.

    Attributes:
        title: whom or what it is about.
        sections: for people, in the order of reading.
        frames: name → rows behind the sections, in the columns of the tables of the lake.
    """

    title: str
    sections: tuple[Section, ...]
    frames: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def frame(self, name: str) -> pd.DataFrame:
        """One of the frames as pandas; raises ``KeyError`` naming those that there are."""
        if name not in self.frames:
            raise KeyError(f"{name}: there is no such frame; there are {', '.join(self.frames)}")
        return self.frames[name].to_pandas()

    def lines(self) -> list[str]:
        """All of it as lines of text."""
        lines = [self.title]
        for section in self.sections:
            lines += ["", *section.lines()]
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())
