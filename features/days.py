"""The features table day by day: bounded memory, and one more day on top of the others.

Each day reads the impressions of that day and before, so a day built alone holds the same
bits as the day in a build of everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import narwhals as nw

from data.feature_set import FeatureSet
from features.build import build_features

__all__ = ["affected_days", "build_by_day"]


def build_by_day(
    impressions: Any, days: Sequence[int], *, features: FeatureSet | None = None
) -> Iterator[tuple[int, nw.LazyFrame[Any]]]:
    """The features of the impressions of each of ``days``, one lazy frame per day.

    Days count from 1970. Write each frame before asking for the next, and no more than
    one day's rows are held at a time. Raises as
    :func:`features.build.build_features` does.
    """
    frame = nw.from_native(impressions).lazy()
    for day in days:
        known = frame.filter(nw.col("search_day") <= day)
        yield day, build_features(known, known, features=features, since_day=day)


def affected_days(changed: Collection[int], days: Collection[int]) -> tuple[int, ...]:
    """Which of ``days`` must be rebuilt when impressions of the ``changed`` days changed.

    A day's features know that day and all before it, so these are the changed days and
    every later one; the others keep their bits.

    >>> affected_days({3}, [1, 2, 3, 4, 7])
    (3, 4, 7)
    >>> affected_days(set(), [1, 2])
    ()
    """
    if not changed:
        return ()
    first = min(changed)
    return tuple(sorted(day for day in set(days) if day >= first))
