"""Time windows on the log's own timeline; whole searches only.

``train`` < ``valid`` < ``test``, cut between days, so that a search is never divided and
nothing is trained on what happened after it is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.schema.time import date_of

__all__ = ["SplitError", "Windows", "windows_by_days", "windows_by_shares"]


class SplitError(ValueError):
    """The log's timeline does not allow the windows that were asked for."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Three adjoining windows of days since 1970, last days included.

    Attributes:
        train: first and last day of the searches that models learn from.
        valid: for early stopping and tuning, strictly after ``train``.
        test: for the scorecard, strictly after ``valid``.
    """

    train: tuple[int, int]
    valid: tuple[int, int]
    test: tuple[int, int]

    def __post_init__(self) -> None:
        days = (*self.train, *self.valid, *self.test)
        in_order = self.train[0] <= self.train[1] < self.valid[0] <= self.valid[1]
        if not (in_order and self.valid[1] < self.test[0] <= self.test[1]):
            raise SplitError(f"windows out of order: {days}")

    @property
    def label_cutoff_day(self) -> int:
        """The first test day. Outcomes of that day or later are unknown when training."""
        return self.test[0]

    def split_of(self, day: int) -> str | None:
        """``train``, ``valid`` or ``test``; ``None`` for a day outside all three."""
        for name in ("train", "valid", "test"):
            first, last = getattr(self, name)
            if first <= day <= last:
                return name
        return None

    def describe(self) -> dict[str, str]:
        """The windows as ISO dates, ``first..last``, for people and for MLflow."""
        return {
            name: "..".join(date_of(day).isoformat() for day in getattr(self, name))
            for name in ("train", "valid", "test")
        }


def windows_by_days(days: Sequence[int], *, valid_days: int = 1, test_days: int = 1) -> Windows:
    """The last ``test_days`` days are the test window, the ``valid_days`` before it validation.

    ``days`` are the days that have searches. Raises :class:`SplitError` when fewer than
    one day would be left to train on.
    """
    known = sorted(set(days))
    if len(known) < valid_days + test_days + 1:
        raise SplitError(
            f"the log has searches on {len(known)} day(s); {valid_days} validation and "
            f"{test_days} test day(s) leave none to train on. Give a longer log, or fewer days."
        )
    first_test = known[-test_days]
    first_valid = known[-test_days - valid_days]
    last_train = known[-test_days - valid_days - 1]
    return Windows(
        train=(known[0], last_train),
        valid=(first_valid, known[-test_days - 1]),
        test=(first_test, known[-1]),
    )


def windows_by_shares(
    searches_per_day: dict[int, int], *, valid_share: float = 0.15, test_share: float = 0.15
) -> Windows:
    """Cut between days so that the windows hold about these shares of the searches.

    Raises :class:`SplitError` when the log has fewer than three days with searches.
    """
    days = sorted(searches_per_day)
    if len(days) < 3:
        raise SplitError(
            f"the log has searches on {len(days)} day(s); at least 3 are needed to train, "
            "validate and test on different days"
        )
    total = sum(searches_per_day.values())
    seen = 0
    first_valid = first_test = len(days)
    for index, day in enumerate(days):
        if seen >= total * (1 - valid_share - test_share):
            first_valid = min(first_valid, index)
        if seen >= total * (1 - test_share):
            first_test = min(first_test, index)
        seen += searches_per_day[day]
    first_test = min(max(first_test, 2), len(days) - 1)
    first_valid = min(max(first_valid, 1), first_test - 1)
    return Windows(
        train=(days[0], days[first_valid - 1]),
        valid=(days[first_valid], days[first_test - 1]),
        test=(days[first_test], days[-1]),
    )
