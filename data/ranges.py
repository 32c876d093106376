"""Which numbers a setting may be, and an error that says the range and what was found.

A config dataclass names the range of each of its fields and calls :func:`refuse_outside` when it
is made. Every message about a number reads the same::

    learning_rate = -0.1: must be above 0
    leaf_share = 1.5: must be above 0 and at most 1
    click_penalties = (10.0, 0.0): each must be above 0
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "ABOVE_0",
    "AT_LEAST_0",
    "AT_LEAST_1",
    "SHARE",
    "OutOfRangeError",
    "Range",
    "interval_of",
    "refuse_outside",
]


@dataclass(frozen=True, kw_only=True)
class Range:
    """An interval of numbers; an end that is ``None`` is open for ever.

    Attributes:
        at_least, at_most: ends that belong to it.
        above, below: ends that do not.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        """Whether the number lies in it; no interval holds NaN.

        >>> Range(above=0, at_most=1).holds(1), Range().holds(float("nan"))
        (True, False)
        """
        return (
            value == value  # of NaN alone it is not
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """The range in words.

        >>> str(Range(above=0, below=0.5)), str(Range(at_least=1, at_most=10_000))
        ('above 0 and below 0.5', 'from 1 to 10,000')
        """
        if self.at_least is not None and self.at_most is not None:
            return f"from {_number(self.at_least)} to {_number(self.at_most)}"
        if self.below == math.inf:
            return f"{Range(at_least=self.at_least, above=self.above)} and finite"
        ends = {
            "at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        parts = [f"{word} {_number(end)}" for word, end in ends.items() if end is not None]
        return " and ".join(parts) or "a number"


ABOVE_0 = Range(above=0)
AT_LEAST_0 = Range(at_least=0)
AT_LEAST_1 = Range(at_least=1)
SHARE = Range(above=0, at_most=1)


class OutOfRangeError(ValueError):
    """Settings that are not in their range.

    Attributes:
        problems: of each its name, its value, and what it must be (``must be above 0``).
        told: the same in words, without the name of the config.
    """

    def __init__(self, owner: str, problems: Sequence[tuple[str, object, str]]) -> None:
        self.problems = tuple(problems)
        self.told = "; ".join(f"{name} = {value!r}: {must}" for name, value, must in problems)
        super().__init__(f"{owner}: {self.told}")


def refuse_outside(
    owner: object,
    ranges: Mapping[str, Range],
    others: Sequence[tuple[str, str]] = (),
) -> None:
    """Raise :class:`OutOfRangeError` where a field of ``owner`` lies outside its range.

    Args:
        owner: the config; a field that is ``None`` is not looked at.
        ranges: field → its range; of a field that holds several numbers, of each, and there
            must be one.
        others: further fields that are wrong, each with what it must be.
    """
    problems: list[tuple[str, object, str]] = []
    for name, interval in ranges.items():
        value = getattr(owner, name)
        if isinstance(value, Sequence) and not isinstance(value, str):
            if not value or not all(interval.holds(one) for one in value):
                empty = "" if value else ", and there must be one"
                problems.append((name, value, f"each must be {interval}{empty}"))
        elif value is not None and not interval.holds(value):
            problems.append((name, value, f"must be {interval}"))
    problems += [(name, getattr(owner, name), must) for name, must in others]
    if problems:
        raise OutOfRangeError(type(owner).__name__, problems)


def interval_of(constraints: Sequence[object]) -> Range | None:
    """The range that pydantic's constraints of a field say (``Field(ge=0, lt=1)``), if any do."""
    names = {"ge": "at_least", "gt": "above", "le": "at_most", "lt": "below"}
    found = {
        ours: getattr(constraint, theirs)
        for constraint in constraints
        for theirs, ours in names.items()
        if isinstance(getattr(constraint, theirs, None), int | float)
    }
    return Range(**found) if found else None


def _number(value: float) -> str:
    return f"{value:,.10g}"
