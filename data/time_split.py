"""Time windows on the log's own timeline; whole searches only.

``train`` < ``valid`` < ``test``, cut between days: a search is never divided, and a model
never trains on a day on which it is validated or tested, nor on a later one.
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

    def describe(self) -> dict[str, str]:
        """The windows as ISO dates, ``first..last``, for people and for MLflow.

        >>> Windows(train=(0, 4), valid=(5, 5), test=(6, 6)).describe()["train"]
        '1970-01-01..1970-01-05'
        """
        return {
            name: "..".join(date_of(day).isoformat() for day in getattr(self, name))
            for name in ("train", "valid", "test")
        }


def windows_by_days(days: Sequence[int], *, valid_days: int = 1, test_days: int = 1) -> Windows:
    """The last ``test_days`` days are the test window, the ``valid_days`` before it validation.

    ``days`` are the days that have searches; a day without any does not count as one of
    ``test_days`` or ``valid_days``. Raises :class:`SplitError` when no day would be left to
    train on.

    >>> windows_by_days([1, 2, 3, 6, 7], valid_days=1, test_days=2)
    Windows(train=(1, 2), valid=(3, 3), test=(6, 7))
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

    Each window begins with the first day before which its share of the searches has passed,
    so a window holds its share or, where a big day lies across the cut, less; each has at
    least one day. Raises :class:`SplitError` when the log has fewer than three days with
    searches.

    >>> windows_by_shares({1: 40, 2: 30, 3: 15, 4: 15})
    Windows(train=(1, 2), valid=(3, 3), test=(4, 4))
    """
    days = sorted(searches_per_day)
    if len(days) < 3:
        raise SplitError(
            f"the log has searches on {len(days)} day(s); at least 3 are needed to train, "
            "validate and test on different days"
        )
    total = sum(searches_per_day.values())
    searches_before = 0
    first_valid = first_test = len(days)
    for index, day in enumerate(days):
        if searches_before >= total * (1 - valid_share - test_share):
            first_valid = min(first_valid, index)
        if searches_before >= total * (1 - test_share):
            first_test = min(first_test, index)
        searches_before += searches_per_day[day]
    # a big last day can swallow a window: one day is left for each, the test window first
    first_test = min(max(first_test, 2), len(days) - 1)
    first_valid = min(max(first_valid, 1), first_test - 1)
    return Windows(
        train=(days[0], days[first_valid - 1]),
        valid=(days[first_valid], days[first_test - 1]),
        test=(days[first_test], days[-1]),
    )
