"""What lending new listings a bonus costs and brings, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from models.evaluation.sample_size import is_too_few, too_few

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["exposure_policies"]


def exposure_policies(curve: pl.DataFrame) -> pd.DataFrame:
    """One row per bonus, the smallest first: changes of exposure and of value, in percent.

    ``curve`` is the diagnostic ``trade_off``. ``booked new listings`` in a first ten is a figure
    only where there are enough of them.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "bonus": f"{row['bonus']:g}",
                "exposure of new listings": f"{row['exposure_change']:+.0%}",
                "value DCG@10": f"{row['value_change']:+.2%}",
                "within what it may cost": row["value_change"] >= -row["most_loss"],
                "booked new listings": _number(int(row["bookings"])),
            }
            for row in curve.sort("bonus").iter_rows(named=True)
        ]
    )


def _number(booked: int) -> str:
    return too_few(booked) if is_too_few(booked) else f"{booked:,}"
