"""How much of what will come of a row is known on the day a model is trained.

Contacts and bookings arrive days after their search, so that the youngest rows look worse
than they are. How long outcomes take is estimated from those that have arrived, by the chain
ladder; a worked example stands at the top of :mod:`models.evaluation.label_maturity`. The same
three days, seen on the morning of day 4, by how many days ago the search was:

>>> day, delay = np.repeat([1, 2, 3], [60, 60, 60]), np.zeros(180, dtype=np.int64)
>>> delay[40:60], delay[110:120] = [1] * 10 + [2] * 10, 1
>>> bookings = pa.table({"search_day": day, "book_day": day + delay})
>>> known = estimate_completeness(bookings, ("book_day",), cutoff_day=4)
>>> known.share_by_age.round(2).tolist()
[0.68, 0.83, 1.0]

What it is used for: a stage learns from the days of which enough is known
(:func:`mature_rows`), and in calibration each known outcome counts for as many as will have
come in the end (:func:`expected_outcomes`). An outcome of the cutoff day or later is never
looked at.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from data.schema.types import BOOKED, CONTACTED
from models.arrow_columns import Numbers, numbers, stages
from models.evaluation.label_maturity import delay_distribution

__all__ = [
    "Completeness",
    "estimate_completeness",
    "expected_outcomes",
    "mature_rows",
    "stage_completeness",
]

# A stage is reached on the earliest of these days: a direct booking has no contact.
_OUTCOME_DAYS: dict[int, tuple[str, ...]] = {
    CONTACTED: ("contact_day", "book_day"),
    BOOKED: ("book_day",),
}


class Completeness:
    """The share of final outcomes known, by how many days ago the search was.

    ``share_by_age`` begins with the searches of the day before ``cutoff_day``.
    """

    def __init__(self, share_by_age: Numbers, cutoff_day: int) -> None:
        self.share_by_age, self.cutoff_day = share_by_age, cutoff_day

    def of(self, rows: pa.Table) -> Numbers:
        """One share per row, above 0 and at most 1; 1 where the log cannot tell."""
        age = self.cutoff_day - 1 - numbers(rows, "search_day")
        # Older than any delay seen counts as the oldest: everything is known.
        place = np.clip(age, 0, len(self.share_by_age) - 1).astype(np.int64)
        share = self.share_by_age[place]
        return np.where(np.isfinite(share) & (share > 0), share, 1.0)


def estimate_completeness(
    rows: pa.Table, columns: tuple[str, ...], *, cutoff_day: int
) -> Completeness | None:
    """From the delays of the outcomes in ``rows``.

    An outcome is the earliest day of ``columns`` (``contact_day``, ``book_day``); those of
    ``cutoff_day`` (days since 1970) or later are unknown. ``None`` where a column is absent
    or no outcome is known.
    """
    if not {"search_day", *columns} <= set(rows.column_names):
        return None
    searched = numbers(rows, "search_day")
    days = np.stack([numbers(rows, name) for name in columns])
    happened = np.nan_to_num(days, nan=np.inf).min(axis=0)
    is_known = (happened < cutoff_day) & (searched < cutoff_day)
    if not is_known.any():
        return None
    delay = (happened[is_known] - searched[is_known]).astype(np.int64)
    horizon = (cutoff_day - 1 - searched[is_known]).astype(np.int64)
    share, _ = delay_distribution(delay, horizon, int(horizon.max()))
    return Completeness(share, cutoff_day)


def stage_completeness(*windows: pa.Table) -> dict[int, Completeness]:
    """For contacts (or direct bookings, stage 2) and bookings (3), how much is known by now.

    Now is the morning after the last search of any window. A stage is absent where its
    columns are, or where none of its outcomes is known.
    """
    needed = {"search_day", "contact_day", "book_day"}
    if not all(needed <= set(part.column_names) for part in windows):
        return {}
    both = pa.concat_tables([part.select(sorted(needed)) for part in windows])
    if not both.num_rows:
        return {}
    cutoff = int(np.nanmax(numbers(both, "search_day"))) + 1
    by_stage = {
        stage: estimate_completeness(both, columns, cutoff_day=cutoff)
        for stage, columns in _OUTCOME_DAYS.items()
    }
    return {stage: known for stage, known in by_stage.items() if known is not None}


def mature_rows(rows: pa.Table, stage: int, known: Completeness, share: float) -> pa.Table:
    """The rows of days of which ``share`` is known.

    All rows where the others have more than half of the outcomes that reached ``stage``.
    """
    is_mature = known.of(rows) >= share
    happened = stages(rows) >= stage
    enough = 2 * int(happened[is_mature].sum()) >= int(happened.sum()) > 0
    return rows.filter(pa.array(is_mature)) if enough else rows


def expected_outcomes(rows: pa.Table, stage: int, known: dict[int, Completeness]) -> Numbers:
    """Of rows that reached ``stage - 1``: 0, or how many in the end each outcome stands for.

    The mean over the rows is the rate in the end. Of 100 final contacts 80 are known (0.8),
    of their 40 final bookings 20 (0.5): the known rate is 20 / 80, each of the 20 counts
    0.8 / 0.5 = 1.6, and 20 · 1.6 / 80 is the final 40%.
    """
    happened = (stages(rows) >= stage).astype(np.float64)
    share = known[stage].of(rows) if stage in known else np.ones(rows.num_rows)
    # The rows themselves are too few: some that reached the stage before are not known yet.
    before = known[stage - 1].of(rows) if stage - 1 in known else np.ones(rows.num_rows)
    return np.asarray(happened * before / share)
