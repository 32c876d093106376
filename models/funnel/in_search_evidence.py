"""How much of what a click owes to the other results is appeal, by the log's own evidence.

The click stage gives a row two log-odds: its own, and those it owes to the results beside it.
The second is place where the cheapest is shown first, and appeal where a guest takes what is
cheap beside its neighbours. In searches shown in *random order* no place can hide in it: of

    log-odds of a click = c + a · own + κ · owed to the others

κ is then the share that is appeal (the intervention from which Joachims, Swaminathan & Schnabel,
WSDM 2017, learn places). What is owed to the others is kept where most of it is appeal: κ above
a half, and its interval above 0. Three logs, with the standard error over guests:

    log                               κ
    simulated, places alone           .13 (.10)     apart
    simulated, with contrast          .37 (.07)     apart
    Expedia 2013, a sample            .84 (.12)     kept

Not as soon as κ is above 0: a line's own term cannot hold all of a listing's appeal, and leaves
some of it to the other. Without searches in random order, but with places, κ is what remains
beside the places. With neither the log cannot tell, and nothing is kept: a listing that was
never shown stands beside none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.special import expit
from scipy.stats import norm

from models.arrow_columns import Numbers, guest_keys, numbers, stages
from models.linear.ridge_logistic import fit_ridge
from models.ranking_order import group_codes

__all__ = ["InSearchEvidence", "appeal_of_others"]

_LEVEL = 0.95
_MOST_OF_IT = 0.5
_PLACES = 40
"""Places from which on all count as one."""


@dataclass(frozen=True, kw_only=True)
class InSearchEvidence:
    """The share that is appeal, and what follows.

    Attributes:
        is_kept: whether what a click owes to the other results goes into the score.
        estimate, error: κ and its standard error, clustered by guest; ``None`` where
            the log cannot tell.
        source: ``random order``, ``position`` or ``none``.
        clicks: that it was found from.
    """

    is_kept: bool
    estimate: float | None = None
    error: float | None = None
    source: str = "none"
    clicks: int = 0


def appeal_of_others(
    rows: pa.Table, own: Numbers, owed: Numbers, *, fewest_clicks: int
) -> InSearchEvidence:
    """κ from rows with ``is_random_order`` and ``position``, either of which may be absent.

    ``own`` and ``owed`` are log-odds of each row by a model that did not learn from its guest.
    Fewer than ``fewest_clicks`` show nothing.
    """
    clicked = (stages(rows) > 0).astype(np.float64)
    for source in ("random order", "position"):
        at = _rows_of(rows, source)
        clicks = int(clicked[at].sum())
        if clicks < fewest_clicks or not owed[at].any():
            continue
        columns = [owed[at], own[at]]
        if source == "position":
            columns += list(_dummies(numbers(rows, "position")[at]))
        estimate, error = _first_coefficient(
            np.stack(columns, axis=1), clicked[at], _clusters(rows)[at]
        )
        is_shown = estimate - norm.ppf((1 + _LEVEL) / 2) * error > 0
        return InSearchEvidence(
            is_kept=bool(is_shown and estimate > _MOST_OF_IT),
            estimate=estimate,
            error=error,
            source=source,
            clicks=clicks,
        )
    return InSearchEvidence(is_kept=False)


def _rows_of(rows: pa.Table, source: str) -> np.ndarray:
    if source == "random order":
        if "is_random_order" not in rows.column_names:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(np.nan_to_num(numbers(rows, "is_random_order")) > 0)
    if "position" not in rows.column_names:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.isfinite(numbers(rows, "position")))


def _dummies(position: Numbers) -> np.ndarray:
    """A column for each place but the first, those from ``_PLACES`` on together."""
    place = np.minimum(position.astype(np.int64), _PLACES)
    return np.stack(
        [(place == p).astype(np.float64) for p in np.unique(place)[1:]] or [place * 0.0]
    )


def _clusters(rows: pa.Table) -> np.ndarray:
    has_guests = "id_user" in rows.column_names
    return group_codes(guest_keys(rows) if has_guests else rows["id_search"])


def _first_coefficient(
    x_ND: np.ndarray, happened: Numbers, cluster: np.ndarray
) -> tuple[float, float]:
    """The first column's coefficient and its standard error, clustered (a sandwich)."""
    penalties = np.zeros(x_ND.shape[1])
    fitted = fit_ridge(x_ND, happened, penalties)
    design = np.column_stack([x_ND, np.ones(len(x_ND))])
    chance = expit(design @ fitted)
    bread = np.linalg.pinv((design * (chance * (1 - chance))[:, None]).T @ design)
    slopes = np.stack(
        [np.bincount(cluster, column) for column in (design * (happened - chance)[:, None]).T], 1
    )
    variance = bread @ (slopes.T @ slopes) @ bread
    return float(fitted[0]), float(np.sqrt(max(variance[0, 0], 0.0)))
