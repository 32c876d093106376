"""How much of what will come of a row is known on the day a model is trained.

Contacts and bookings arrive days after their search, so that the youngest rows look worse
than they are. How long outcomes take is estimated from those that arrived in time (the
chain ladder of :mod:`models.evaluation.maturity`); an outcome of the cutoff day or later
is never looked at.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.columns import Numbers, numbers
from models.evaluation.maturity import delay_distribution

__all__ = ["Completeness", "completeness_of"]


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
