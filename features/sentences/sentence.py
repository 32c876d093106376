"""What a feature says for a listing to a person: when, and in which words.

Every feature has a :class:`Sentence`, or stands as :class:`Untold` with the reason. A sentence is
said only where the trait speaks for the listing in a guest's eyes, whatever the model makes of
it: a dear home that the model likes because it is dear gives no reason.

A topic is what a guest takes for one thing: nightly price, price for the stay, price against
similar homes are all ``price``, and of one topic only one sentence is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.sentences.listed_rows import ListedRows, Mask, Numbers
from features.sentences.wording import Words

__all__ = [
    "Rule",
    "Sentence",
    "Untold",
    "above_others",
    "at_least",
    "below_others",
    "between",
    "every",
    "is_true",
    "is_word",
    "own",
    "to_others",
    "unless_seen",
]

Rule = Callable[[ListedRows, str], Mask]
"""For which rows the named feature may be said; an unknown value never may."""

_COMMON = 0.5  # a trait that more than half of the others have sets nobody apart


def own(rows: ListedRows, name: str) -> Numbers:
    """The number that is said: the row's own value."""
    return rows.number(name)


def to_others(rows: ListedRows, name: str) -> Numbers:
    """The number that is said: the value as a multiple of the others' median."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(rows.number(name) / rows.others(name))


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """How a feature is told.

    Attributes:
        topic: features of one topic are one reason.
        when: the rows of which it may be said.
        words: in which words; of a category, by its value.
        number: the number that the words take.
    """

    topic: str
    when: Rule
    words: Words | dict[str, Words]
    number: Callable[[ListedRows, str], Numbers] = own


@dataclass(frozen=True, kw_only=True)
class Untold:
    """A feature that is never told; what it adds still counts for its topic.

    Attributes:
        because: why no guest could make use of it.
        topic: of the others that tell the same; empty for none.
    """

    because: str
    topic: str = ""


def every(*rules: Rule) -> Rule:
    """Where all of the rules hold."""
    return lambda rows, name: np.logical_and.reduce([rule(rows, name) for rule in rules])


def between(low: float, high: float) -> Rule:
    """Where the value is at least ``low`` and at most ``high``."""
    return lambda rows, name: (rows.number(name) >= low) & (rows.number(name) <= high)


def below_others(share: float) -> Rule:
    """Where the value is at most this share of the others' median, which is above 0."""

    def holds(rows: ListedRows, name: str) -> Mask:
        others = rows.others(name)
        return np.asarray((others > 0) & (rows.number(name) <= share * others))

    return holds


def above_others(*, times: float = 1.0, by: float = 0.0) -> Rule:
    """Where the value is at least so many times the others' median, and above it by so much."""

    def holds(rows: ListedRows, name: str) -> Mask:
        value, others = rows.number(name), rows.others(name)
        return np.asarray((value >= times * others) & (value - others >= by) & (value > others))

    return holds


def at_least(column: str, least: float, *, times_of: str = "", when_unknown: bool = False) -> Rule:
    """Where another column of the row is at least so much, or so many times a third one."""

    def holds(rows: ListedRows, name: str) -> Mask:
        del name
        value = rows.number(column)
        bound = least * rows.number(times_of) if times_of else least
        return np.asarray((value >= bound) | (when_unknown & (np.isnan(value) | np.isnan(bound))))

    return holds


def is_true(rows: ListedRows, name: str) -> Mask:
    """Where a boolean is true, and not so of most others."""
    return np.asarray((rows.number(name) == 1) & (rows.share_alike(name) <= _COMMON))


def is_word(*words: str) -> Rule:
    """Where a category is one of these words, and not the same of most others."""

    def holds(rows: ListedRows, name: str) -> Mask:
        is_one = np.array([word in words for word in rows.words(name)], dtype=bool)
        return np.asarray(is_one & (rows.share_alike(name) <= _COMMON))

    return holds


def unless_seen(rows: ListedRows, name: str) -> Mask:
    """Where the guest has not clicked the listing itself: a home is not like itself."""
    del name
    return np.asarray(~(rows.number("guest_clicked_listing") > 0))
