"""Ranges in words, and errors that say the range and what was found."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from data.ranges import (
    ABOVE_0,
    SHARE,
    OutOfRangeError,
    Range,
    refuse_outside,
)


@dataclass(frozen=True, kw_only=True)
class Config:
    rate: float = 0.1
    share: float = 0.5
    penalties: tuple[float, ...] = (1.0,)
    limit: int | None = None

    def __post_init__(self) -> None:
        ranges = {"rate": ABOVE_0, "share": SHARE, "penalties": ABOVE_0, "limit": Range(at_least=2)}
        others = [] if self.rate < 100 else [("rate", "must be below the limit of speed")]
        refuse_outside(self, ranges, others)


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Range(at_least=1), "at least 1"),
        (Range(above=0, below=0.5), "above 0 and below 0.5"),
        (Range(above=0, at_most=1), "above 0 and at most 1"),
        (Range(at_least=1, at_most=50_000_000), "from 1 to 50,000,000"),
        (Range(above=0, below=float("inf")), "above 0 and finite"),
        (Range(), "a number"),
    ],
)
def test_a_range_in_words(interval: Range, words: str) -> None:
    assert str(interval) == words


def test_ends_belong_to_a_range_as_they_say() -> None:
    share = Range(above=0, at_most=1)
    assert [share.holds(value) for value in (0.0, 1e-9, 1.0, 1.1)] == [False, True, True, False]
    half_open = Range(at_least=0, below=1)
    assert [half_open.holds(value) for value in (-1e-9, 0.0, 0.9, 1.0)] == [
        False,
        True,
        True,
        False,
    ]
    assert not Range().holds(float("nan"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"rate": 0.0}, "Config: rate = 0.0: must be above 0"),
        ({"rate": float("nan")}, "Config: rate = nan: must be above 0"),
        ({"share": 1.5, "limit": 1}, "share = 1.5: must be above 0 and at most 1; limit = 1: must"),
        ({"penalties": (1.0, -2.0)}, r"penalties = \(1.0, -2.0\): each must be above 0$"),
        ({"penalties": ()}, "each must be above 0, and there must be one"),
        ({"rate": 200.0}, "rate = 200.0: must be below the limit of speed"),
    ],
)
def test_what_lies_outside_is_named_with_its_range(given: dict[str, object], told: str) -> None:
    with pytest.raises(OutOfRangeError, match=told):
        Config(**given)  # type: ignore[arg-type]


def test_a_field_without_a_value_is_not_looked_at() -> None:
    assert Config(limit=None, rate=1.0).limit is None
