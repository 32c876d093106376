"""Numbers as people say them: ``1.2 km``, ``9 times``, ``2 days ago``, in English and Portuguese.

>>> KM.said(1.234, "en"), KM.said(1.234, "pt"), KM.said(0.31, "en")
('1.2 km', '1,2 km', '300 m')
>>> TIMES.said(1, "en"), TIMES.said(9, "pt"), AGO.said(50, "en")
('once', '9 vezes', '2 days ago')
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from data.schema.language import Language

__all__ = ["AGO", "KM", "STARS", "TIMES", "Amount", "Counted"]

_HOURS_PER_DAY = 24
_DAYS_PER_WEEK = 7


class Amount(Protocol):
    """A number and its unit in words."""

    def said(self, value: float, language: Language) -> str:
        """Within a sentence."""
        ...

    def beside(self, value: float, language: Language) -> str:
        """The median of the others, to stand in brackets behind the sentence."""
        ...


@dataclass(frozen=True)
class Counted:
    """A count and the noun: singular, plural; 1.5 is a plural in English alone.

    ``none_pt``: "none of them", in the noun's gender. ``halves``: whether halves are said.
    """

    en: tuple[str, str]
    pt: tuple[str, str]
    none_pt: str = "nenhuma"
    halves: bool = False

    def said(self, value: float, language: Language) -> str:
        number = self._rounded(value)
        if language == "pt":
            noun = self.pt[0] if abs(number) < 2 else self.pt[1]
        else:
            noun = self.en[0] if number == 1 else self.en[1]
        return f"{_number(number, language)} {noun}"

    def beside(self, value: float, language: Language) -> str:
        number = self._rounded(value)
        if number == 0:
            # Of a median: some may have one.
            is_pt = language == "pt"
            return f"a maioria das outras: {self.none_pt}" if is_pt else "most others: none"
        return _others(_number(number, language), language)

    def _rounded(self, value: float) -> float:
        return _half_up(2 * value) / 2 if self.halves else _half_up(value)


class _Times(Counted):
    """``once`` for 1."""

    def said(self, value: float, language: Language) -> str:
        if self._rounded(value) == 1:
            return "uma vez" if language == "pt" else "once"
        return super().said(value, language)


class _Km:
    """Metres below one kilometre, one decimal below ten."""

    def said(self, value: float, language: Language) -> str:
        metres = max(1, _half_up(value * 10)) * 100
        if metres < 1_000:
            return f"{metres} m"
        tenths = _half_up(value * 10) / 10
        return f"{_number(tenths if tenths < 10 else _half_up(value), language)} km"

    def beside(self, value: float, language: Language) -> str:
        return _others(self.said(value, language), language)


class _Stars:
    """One decimal, none where it is 0."""

    def said(self, value: float, language: Language) -> str:
        return _number(_half_up(value * 10) / 10, language)

    def beside(self, value: float, language: Language) -> str:
        return _others(self.said(value, language), language)


class _Ago:
    """Hours since something, as hours, days or weeks."""

    def said(self, value: float, language: Language) -> str:
        if value < 1:
            return "há menos de uma hora" if language == "pt" else "less than an hour ago"
        if value < _HOURS_PER_DAY:
            since = Counted(("hour", "hours"), ("hora", "horas")).said(math.floor(value), language)
        elif value < 2 * _DAYS_PER_WEEK * _HOURS_PER_DAY:
            days = math.floor(value / _HOURS_PER_DAY)
            since = Counted(("day", "days"), ("dia", "dias")).said(days, language)
        else:
            weeks = math.floor(value / _HOURS_PER_DAY / _DAYS_PER_WEEK)
            since = Counted(("week", "weeks"), ("semana", "semanas")).said(weeks, language)
        return f"há {since}" if language == "pt" else f"{since} ago"

    def beside(self, value: float, language: Language) -> str:
        return _others(self.said(value, language), language)


KM: Amount = _Km()
STARS: Amount = _Stars()
AGO: Amount = _Ago()
TIMES: Amount = _Times(("time", "times"), ("vez", "vezes"))


def _others(said: str, language: Language) -> str:
    return f"outras: {said}" if language == "pt" else f"others: {said}"


def _half_up(value: float) -> int:
    return math.floor(value + 0.5)


def _number(value: float, language: Language) -> str:
    """Thousands and decimals apart by the language's marks.

    >>> _number(1234.5, "en"), _number(1234.5, "pt"), _number(3.0, "pt")
    ('1,234.5', '1.234,5', '3')
    """
    text = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return text.translate(str.maketrans(",.", ".,")) if language == "pt" else text
