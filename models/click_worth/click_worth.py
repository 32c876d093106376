"""The worth of a click on each row: what it leads to / P(looked at).

    row   clicked   what it leads to   P(looked at)   worth of the row
    a     yes                   0.04           1.00               0.04
    b     yes                   0.02           0.25               0.08
    c     no                       –              –               0

What it leads to is mostly P(booked | clicked) (:mod:`models.click_worth.click_value`). Both are
learnt once, by models of their own (:mod:`models.click_worth`), and are the same for
every order that is judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, require_columns, stages
from models.click_worth.click_value import click_value
from models.click_worth.config import ClickWorthConfig
from models.click_worth.examination import examination
from models.lightgbm_core.feature_matrix import of_other_results
from models.row_source import Rows, places_of, read, read_at

__all__ = ["ClickWorth", "click_worth"]


@dataclass(frozen=True, kw_only=True)
class ClickWorth:
    """What the rows of a window are worth to whoever puts them first.

    Attributes:
        worth: one per row; 0 where it was not clicked.
        looked_at: P(looked at) of each row, as a share of the best place.
        outcome: ``book``, ``contact`` or ``click``: what a click is valued by.
        clicks, outcomes: from which it was learnt.
        source: of the examination; see :class:`models.click_worth.examination.Examination`.
    """

    worth: Numbers
    looked_at: Numbers
    outcome: str
    clicks: int
    outcomes: int
    source: str

    def sentence(self) -> str:
        """How a click is valued, for the panel beside a scorecard."""
        values = {
            "book": (
                f"mostly P(booked | clicked), from {self.clicks:,} clicks, {self.outcomes:,} booked"
            ),
            "contact": (
                f"mostly P(contacted | clicked), from {self.clicks:,} clicks, {self.outcomes:,} "
                "contacted (bookings are too few)"
            ),
            "click": "each alike (bookings and contacts are too few)",
        }
        looks = {
            "random order": "places, by searches in random order",
            "position": "places",
            "other results": "what compares a result with the others of its search",
            "none": "nothing: every result counts as looked at",
        }
        return f"clicks are worth {values[self.outcome]}; looked at, by {looks[self.source]}"


def click_worth(
    judged: Rows,
    *,
    learnt: Rows,
    clicks: pa.Table,
    features: FeatureSet,
    config: ClickWorthConfig | None = None,
) -> ClickWorth:
    """The worth of each ``judged`` row.

    Args:
        judged: rows of the window that is judged.
        learnt: rows of another window, from which it is learnt who looks at what.
        clicks: rows of stage 1 or further outside the judged window.
        features: what both models read; the value reads none that compares a row with the
            other results, so that the place has no second way in.

    All three have the columns of ``features``, ``id_search``, ``id_listing``, ``id_user`` and
    ``stage``; raises ``ValueError`` naming what is absent. No order of the rows changes a bit. Of
    ``learnt`` a part is read with its features, of ``judged`` a batch at a time.
    """
    config = config or ClickWorthConfig()
    needed = ("id_search", "id_listing", "id_user", "stage", *features.names)
    for rows in (judged, learnt, clicks):
        require_columns(rows, needed, model="the worth of clicks")
    seen = examination(judged, learnt, features, config)
    clicked = np.flatnonzero(stages(read(judged, ["stage"])) > 0)
    [judged_clicks] = read_at(judged, needed, [places_of(clicked, judged.num_rows)])
    value = click_value(
        judged_clicks,
        clicks.select(needed),
        FeatureSet(tuple(f for f in features if f.name not in of_other_results(features))),
        config,
    )
    worth = np.zeros(judged.num_rows)
    worth[clicked] = value.value / seen.chance[clicked]
    return ClickWorth(
        worth=worth,
        looked_at=seen.chance,
        outcome=value.outcome,
        clicks=value.clicks,
        outcomes=value.outcomes,
        source=seen.source,
    )
