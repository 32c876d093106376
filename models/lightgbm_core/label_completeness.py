"""How much of what will come of a row is known on the day a model is trained.

Contacts and bookings arrive days after their search, so that the youngest rows look worse
than they are. How long outcomes take is estimated from those that arrived in time (the
chain ladder of :mod:`models.evaluation.label_maturity`); an outcome of the cutoff day or later
is never looked at.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.arrow_columns import Numbers, numbers, stages
from models.evaluation.label_maturity import delay_distribution

__all__ = ["Completeness", "completeness_of", "in_the_end", "known_shares", "mature_rows"]


class Completeness:
    """The share of final outcomes known, by how many days ago the search was."""

    def __init__(self, share_by_age: Numbers, cutoff_day: int) -> None:
        self.share_by_age, self.cutoff_day = share_by_age, cutoff_day

    def of(self, rows: pa.Table) -> Numbers:
        """One share per row, above 0 and at most 1; 1 where the log cannot tell."""
        age = self.cutoff_day - 1 - numbers(rows, "search_day")
        place = np.clip(age, 0, len(self.share_by_age) - 1).astype(np.int64)
        share = self.share_by_age[place]
        return np.where(np.isfinite(share) & (share > 0), share, 1.0)


def completeness_of(
    rows: pa.Table, columns: tuple[str, ...], *, cutoff_day: int
) -> Completeness | None:
    """From the delays of the outcomes in ``rows``; ``None`` where a column is absent.

    An outcome is the earliest day of ``columns`` (``contact_day``, ``book_day``); those of
    ``cutoff_day`` (days since 1970) or later are unknown.
    """
    if not {"search_day", *columns} <= set(rows.column_names):
        return None
    searched = numbers(rows, "search_day")
    days = np.stack([numbers(rows, name) for name in columns])
    happened = np.nan_to_num(days, nan=np.inf).min(axis=0)
    known = (happened < cutoff_day) & (searched < cutoff_day)
    if not known.any():
        return None
    delay = (happened[known] - searched[known]).astype(np.int64)
    horizon = (cutoff_day - 1 - searched[known]).astype(np.int64)
    share, _ = delay_distribution(delay, horizon, int(horizon.max()))
    return Completeness(share, cutoff_day)


def known_shares(train: pa.Table, valid: pa.Table) -> dict[int, Completeness]:
    """For contacts (or direct bookings, stage 2) and bookings (3), how much is known by now."""
    columns = {2: ("contact_day", "book_day"), 3: ("book_day",)}
    needed = {"search_day", "contact_day", "book_day"}
    if not needed <= set(train.column_names) & set(valid.column_names):
        return {}
    both = pa.concat_tables([part.select(sorted(needed)) for part in (train, valid)])
    if not both.num_rows:
        return {}
    cutoff = int(np.nanmax(numbers(both, "search_day"))) + 1
    found = {s: completeness_of(both, c, cutoff_day=cutoff) for s, c in columns.items()}
    return {stage: share for stage, share in found.items() if share is not None}


def mature_rows(rows: pa.Table, stage: int, known: Completeness, share: float) -> pa.Table:
    """The rows of days of which ``share`` is known; all where few outcomes would be left."""
    is_mature = known.of(rows) >= share
    happened = stages(rows) >= stage
    enough = 2 * int(happened[is_mature].sum()) >= int(happened.sum()) > 0
    return rows.filter(pa.array(is_mature)) if enough else rows


def in_the_end(rows: pa.Table, stage: int, known: dict[int, Completeness]) -> Numbers:
    """0, or how many in the end each row that reached ``stage`` stands for.

    Of the rows that reached the stage before, some are not known to have done so either.
    """
    happened = (stages(rows) >= stage).astype(np.float64)
    share = known[stage].of(rows) if stage in known else np.ones(rows.num_rows)
    before = known[stage - 1].of(rows) if stage - 1 in known else np.ones(rows.num_rows)
    return np.asarray(happened * before / share)
