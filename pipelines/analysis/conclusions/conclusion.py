"""A computed sentence as a notebook shows it, and the words that several of them share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import polars as pl

from data.schema.market_names import market_in_words

__all__ = ["Conclusion", "by_market", "drawn", "listed", "per_cent", "times"]


Drawing = TypeVar("Drawing")


class Conclusion(str):
    """One or two sentences; bold in a notebook, plain text wherever it is printed."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        # Names of the log may hold signs that Markdown reads.
        escaped = "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|$" else sign for sign in self)
        return f"**{escaped}**"


def drawn(chart: Drawing | None) -> Drawing | Conclusion:
    """The chart, or a sentence where there is none: an empty cell would look like a mistake."""
    if chart is not None:
        return chart
    return Conclusion("Nothing to draw: too few cases, or what it would show is not known here.")


def listed(parts: Sequence[str]) -> str:
    """The parts as a list in a sentence.

    >>> listed(["a", "b", "c"]), listed(["a"]), listed([])
    ('a, b and c', 'a', 'none')
    """
    if len(parts) < 2:
        return "".join(parts) or "none"
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def per_cent(share: float, digits: int = 1) -> str:
    """A share in percent: ``4.7%``."""
    return f"{share:.{digits}%}"


def times(ratio: float) -> str:
    """A ratio in words.

    >>> times(2.04), times(1.02), times(0.4)
    ('2.0 times', 'as much as', '0.4 times')
    """
    return "as much as" if 0.95 <= ratio <= 1.05 else f"{ratio:.1f} times"


def by_market(frame: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """The markets of a frame by name, each with its rows."""
    return [
        (market_in_words(market), frame.filter(pl.col("market") == market))
        for market in frame["market"].unique().sort().to_list()
    ]
