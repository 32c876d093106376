"""The colours of every chart and page: one for each market and each model, everywhere.

Every colour has a contrast of at least 3 to 1 on the page's white and on its dark paper (WCAG
2.2, 1.4.11), so that a drawing needs no second version. Markets are told apart, and models are,
by readers with any of the three kinds of colour blindness; a model has a marker of its own
besides. No market has the colour of a model. ``tests/pipelines/config/test_palette.py``
measures all of this, and that no chart brings a colour of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "AGAINST_CHANCE",
    "ALARM",
    "AMOUNT",
    "GUIDE",
    "INK",
    "LOW_TO_HIGH",
    "MARKETS",
    "MODELS",
    "OTHER_MARKET",
    "MarketColours",
    "ModelStyle",
    "model_style",
]

# What a chart draws in it takes the colour of the page's text, light or dark.
INK = "#000000"
# Lines to compare with: zero, chance, a limit; and the rims of pale marks.
GUIDE = "#808080"

MARKETS = ("#0072B2", "#DD7700", "#009E73", "#CC0033", "#CC77AA", "#666633")
# Of a log with more markets than there are colours; they are named where they are drawn.
OTHER_MARKET = "#7A7A7A"

# matplotlib's colour maps. Each tells its values by lightness as well as by hue; marks coloured
# by them have a rim in GUIDE, because the pale ends are lost on white.
AMOUNT = "cividis"
AGAINST_CHANCE = "PuOr"
ALARM = "YlOrRd"
LOW_TO_HIGH = "coolwarm"


@dataclass(frozen=True, kw_only=True)
class ModelStyle:
    """How a model is drawn.

    Attributes:
        colour: as ``#rrggbb``.
        marker: matplotlib's sign of the points.
        line: ``-``, or ``--`` for what is no model to deploy: bounds, and variants.
    """

    colour: str
    marker: str
    line: str = "-"


MODELS: dict[str, ModelStyle] = {
    "ranker": ModelStyle(colour="#8855EE", marker="o"),
    "lambdarank": ModelStyle(colour="#DD00BB", marker="s"),
    "two_tower": ModelStyle(colour="#337744", marker="^"),
    "popularity": ModelStyle(colour="#B45A00", marker="D"),
    "als": ModelStyle(colour="#FF0088", marker="v"),
    "als_with_memory": ModelStyle(colour="#FF0088", marker="1", line="--"),
    "stacked": ModelStyle(colour="#3D8FE0", marker="p"),
    "cheapest": ModelStyle(colour="#BB8844", marker="<"),
    "best_rated": ModelStyle(colour="#7799AA", marker=">"),
    "random": ModelStyle(colour="#6B6B6B", marker="x"),
    # Bounds that the simulator's truth gives, in the colour of the text.
    "oracle_taste": ModelStyle(colour=INK, marker="*", line="--"),
    "oracle_observables": ModelStyle(colour=INK, marker="P", line="--"),
}
# Models of other names, such as a version of the ranker, are that ranker; the rest share a grey.
_FAMILIES = ("ranker", "lambdarank", "two_tower", "als", "popularity", "oracle_taste")
_UNKNOWN = ModelStyle(colour=GUIDE, marker="h")


def model_style(name: str) -> ModelStyle:
    """How a model of this name is drawn, on every chart.

    >>> model_style("ranker").colour == model_style("ranker_version_3").colour
    True
    """
    if name in MODELS:
        return MODELS[name]
    family = next((known for known in _FAMILIES if name.startswith(f"{known}_")), None)
    return MODELS[family] if family else _UNKNOWN


@dataclass(frozen=True)
class MarketColours:
    """The colours of a home's markets.

    The largest markets have the colours, in the order of their names: neither a day on which
    another market is the larger one nor a chart that lacks one moves a colour.

    Attributes:
        markets: every market of the home, the largest first.
    """

    markets: tuple[str, ...]

    @classmethod
    def of(cls, markets: Iterable[str]) -> MarketColours:
        """Of markets in the order of their size; a market that stands twice counts once."""
        return cls(tuple(dict.fromkeys(markets)))

    def colour(self, market: str) -> str:
        """The market's colour, as ``#rrggbb``.

        >>> two = MarketColours.of(["sampa", "rio"])
        >>> two.colour("rio") == MARKETS[0], two.colour("sampa") == MARKETS[1]
        (True, True)
        """
        coloured = sorted(self.markets[: len(MARKETS)])
        return MARKETS[coloured.index(market)] if market in coloured else OTHER_MARKET

    def largest(self, present: Iterable[str], most: int) -> list[str]:
        """The largest of the markets that a chart has, at most so many, by name.

        >>> MarketColours.of(["sampa", "rio", "bahia"]).largest(["bahia", "rio", "sampa"], 2)
        ['rio', 'sampa']
        """
        there = set(present)
        known = [market for market in self.markets if market in there]
        others = sorted(there.difference(known))
        return sorted([*known, *others][:most])
