"""The wording of a sentence: fixed, with an amount, or with a ratio as people say it.

Each has an English and a Portuguese text and puts the number of a row into it. Portuguese speaks
of *opções* and *acomodações*, so that "the others" are *as outras*.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from data.schema.language import Language
from features.sentences.amounts import Amount

__all__ = ["Beside", "InParts", "InTimes", "OneOrMany", "Plain", "WithAmount", "Words"]


class Words(Protocol):
    """A sentence for a number."""

    def text(self, language: Language, number: float, others: float) -> str:
        """The sentence; ``others``: the median of the others, NaN where it is unknown."""
        ...

    @property
    def pattern(self) -> str:
        """The English sentence with ``…`` for its numbers, for the data dictionary."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A sentence without a number."""

    en: str
    pt: str

    def text(self, language: Language, number: float = 0.0, others: float = 0.0) -> str:
        """The sentence, whatever the numbers."""
        del number, others
        return self.pt if language == "pt" else self.en

    @property
    def pattern(self) -> str:
        return self.en


@dataclass(frozen=True, kw_only=True)
class OneOrMany:
    """A sentence for the number 1, and one for any other, an unknown one too."""

    one: Plain
    many: Plain

    def text(self, language: Language, number: float, others: float) -> str:
        return (self.one if number == 1 else self.many).text(language, number, others)

    @property
    def pattern(self) -> str:
        return self.many.pattern


@dataclass(frozen=True, kw_only=True)
class WithAmount:
    """A sentence with the row's own number in the place of ``{}``."""

    amount: Amount
    en: str
    pt: str

    def text(self, language: Language, number: float, others: float) -> str:
        del others
        template = self.pt if language == "pt" else self.en
        return template.format(self.amount.said(number, language))

    @property
    def pattern(self) -> str:
        return self.en.format(_unsaid(self.amount.said(_SOME, "en")))


@dataclass(frozen=True, kw_only=True)
class Beside(WithAmount):
    """The same, with the others' number in brackets behind it, where it is known."""

    def text(self, language: Language, number: float, others: float) -> str:
        own = super().text(language, number, others)
        if math.isnan(others):
            return own
        return f"{own} ({self.amount.beside(others, language)})"

    @property
    def pattern(self) -> str:
        return f"{super().pattern} ({_unsaid(self.amount.beside(_SOME, 'en'))})"


_SOME = 50.0  # a number that every amount says in the plural


def _unsaid(text: str) -> str:
    return re.sub(r"\d+", "…", text)


_HALF = {"en": "half", "pt": "metade"}
_LESS_THAN_HALF = {"en": "less than half", "pt": "menos da metade"}
_FRACTIONS: Mapping[Language, tuple[tuple[float, str], ...]] = {
    "en": ((1 / 3, "a third"), (1 / 4, "a quarter")),
    "pt": ((1 / 3, "um terço"), (1 / 4, "um quarto")),
}


@dataclass(frozen=True, kw_only=True)
class InParts:
    """A ratio below 1 in words: what follows a half, and what follows the part that is missing.

    >>> price = InParts(
    ...     en=("the price of the others", "cheaper than the others"),
    ...     pt=("do preço das outras", "mais barata que as outras"),
    ... )
    >>> price.text("en", 0.52, 1.0), price.text("en", 0.66, 1.0), price.text("pt", 0.81, 1.0)
    ('half the price of the others', 'a third cheaper than the others', '20% mais barata que as outras')
    """  # noqa: E501

    en: tuple[str, str]
    pt: tuple[str, str]

    def text(self, language: Language, number: float, others: float) -> str:
        del others
        after_half, after_part = self.pt if language == "pt" else self.en
        if number <= 0.55:
            half = _LESS_THAN_HALF if number < 0.45 else _HALF
            return f"{half[language]} {after_half}"
        return f"{_part(1 - number, language)} {after_part}"

    @property
    def pattern(self) -> str:
        return f"half {self.en[0]}; a third {self.en[1]}"


@dataclass(frozen=True, kw_only=True)
class InTimes:
    """A ratio above 1 in words: what follows ``twice``, and what follows ``3 times``.

    >>> reviews = InTimes(
    ...     en=("as many reviews as the others", "as many reviews as the others"),
    ...     pt=("das avaliações das outras", "as avaliações das outras"),
    ... )
    >>> reviews.text("en", 2.1, 1.0), reviews.text("pt", 1.9, 1.0), reviews.text("pt", 3.2, 1.0)
    ('twice as many reviews as the others', 'o dobro das avaliações das outras', '3 vezes as avaliações das outras')
    """  # noqa: E501

    en: tuple[str, str]
    pt: tuple[str, str]

    def text(self, language: Language, number: float, others: float) -> str:
        del others
        after_twice, after_times = self.pt if language == "pt" else self.en
        times = math.floor(number + 0.5)
        if times <= 2:
            return f"{'o dobro' if language == 'pt' else 'twice'} {after_twice}"
        return f"{times:.0f} {'vezes' if language == 'pt' else 'times'} {after_times}"

    @property
    def pattern(self) -> str:
        return f"twice {self.en[0]}"


_STEP = 0.05  # people round to 5%


def _part(missing: float, language: Language) -> str:
    """A third, a quarter, or a share in whole steps.

    >>> [_part(missing, "en") for missing in (0.08, 0.23, 0.27, 0.3, 0.34, 0.41)]
    ['10%', 'a quarter', 'a quarter', '30%', 'a third', '40%']
    """
    for size, words in _FRACTIONS[language]:
        if abs(missing - size) < _STEP / 2:
            return words
    return f"{max(1, round(missing / _STEP)) * 100 * _STEP:.0f}%"
