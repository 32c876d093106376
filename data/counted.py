"""A number and what it counts, in words: ``1 search``, ``2 searches``."""

from __future__ import annotations

__all__ = ["counted"]

_HISSING = ("s", "x", "ch", "sh")
_VOWELS = "aeiou"


def counted(number: int, noun: str) -> str:
    """The number with thousands separated, and the noun in the form that goes with it.

    The last word of ``noun`` takes the plural, by the rules that regular English nouns follow.

    >>> counted(1, "search"), counted(0, "row"), counted(1_200, "search")
    ('1 search', '0 rows', '1,200 searches')
    >>> counted(2, "test query"), counted(3, "day")
    ('2 test queries', '3 days')
    """
    return f"{number:,} {noun if number == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith(_HISSING):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}s"
