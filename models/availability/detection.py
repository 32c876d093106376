"""How often a free listing is shown: the detection half of an occupancy model.

A search shows some twenty of the thousand listings that it allows, so that not being shown
says little by itself. What it says is learnt from *anchors*: pairs of a search and a listing
whose nights are known to be free from other searches, before or after. Among these alone, whether
the listing was shown is learnt by trees from how it is shown in general, what the search
asked for, and how many listings it allows.

Anchors are no fair sample: a listing that was never seen for some nights is shown more rarely
than the trees expect, even where it is free. Listings therefore differ by a factor h of mean 1
that the trees do not know, gamma distributed with shape k (Royle & Nichols, Ecology 2003:
heterogeneity of detection). After it should have been shown e times by other searches, and was
s times, its mean is

    E[h | s, e] = (k + s) / (k + e)

which multiplies the odds of being shown. With k = 8, a listing that should have been shown four
times and never was is expected to be shown (8 + 0) / (8 + 4) = 0.67 times as often as the trees
say. k is the one under which held-out anchors that are seldom seen are likeliest.

Shapes: P pairs of search and listing, D inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import expit

from models.arrow_columns import Codes, Numbers
from models.availability.config import AvailabilityConfig
from models.lightgbm_core.boosting import Booster, LabelledRows, RoundLimits, train_booster

__all__ = ["DetectionRows", "detection_probabilities", "known_pairs_factor"]

_SELDOM_SEEN = 1.0  # times per night of the stay

Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class DetectionRows:
    """Pairs of a dated search and a listing that it allows.

    Attributes:
        inputs_PD: what detection may depend on; NaN where unknown.
        search_P: the search, a code; halves of the searches choose the shape.
        was_shown_P: whether the search showed the listing.
        weight_P: how many such pairs each stands for, since unshown pairs are sampled.
        is_anchor_P: the stay is known to be free from other searches.
        expected_P, seen_P: times that other searches should have shown it if free, and did.
    """

    inputs_PD: Numbers
    search_P: Codes
    was_shown_P: Flags
    weight_P: Numbers
    is_anchor_P: Flags
    expected_P: Numbers
    seen_P: Numbers


def known_pairs_factor(shape: float, seen_P: Numbers, expected_P: Numbers) -> Numbers:
    """E[h | seen, expected]: how much oftener than expected a listing is shown.

    >>> known_pairs_factor(8.0, np.array([0.0, 6.0]), np.array([4.0, 4.0])).round(2).tolist()
    [0.67, 1.17]
    """
    return np.asarray((shape + np.maximum(seen_P, 0.0)) / (shape + np.maximum(expected_P, 0.0)))


def detection_probabilities(
    rows: DetectionRows, config: AvailabilityConfig
) -> tuple[Numbers, float]:
    """P(shown | free) of every pair, and the shape that was chosen.

    Raises ``ValueError`` where the anchors do not hold both shown and unshown pairs.
    """
    anchors = np.flatnonzero(rows.is_anchor_P)
    shown = rows.was_shown_P[anchors]
    if not shown.any() or shown.all():
        raise ValueError("no pair of search and listing is known to be free from other searches")
    shape = _likeliest_shape(rows, anchors, config)
    booster = _trained(rows, anchors, shape, config)
    return _predicted(booster, rows, np.arange(len(rows.search_P)), shape), shape


def _likeliest_shape(rows: DetectionRows, anchors: Codes, config: AvailabilityConfig) -> float:
    """The shape under which held-out anchors are likeliest; the largest where none tells.

    Of the held-out anchors those count that other searches showed the least, once a night at
    most. The shape is for pairs that were never seen, and the gamma distribution is an
    approximation: anchors that are seen all the time would choose it for themselves. Each
    half of the searches is held out once.
    """
    is_even = rows.search_P[anchors] % 2 == 0
    halves = (anchors[is_even], anchors[~is_even])
    if min(map(len, halves)) < config.fewest_shown:
        return max(config.shapes)
    loss = dict.fromkeys(config.shapes, 0.0)
    for fitted, other in (halves, halves[::-1]):
        held_out = other[rows.seen_P[other] <= _SELDOM_SEEN]
        shown, weight = rows.was_shown_P[held_out], rows.weight_P[held_out]
        for shape in config.shapes:
            chance = _predicted(_trained(rows, fitted, shape, config), rows, held_out, shape)
            loss[shape] -= float(weight @ np.where(shown, np.log(chance), np.log1p(-chance)))
    return min(loss, key=lambda shape: (loss[shape], -shape))


def _trained(rows: DetectionRows, at: Codes, shape: float, config: AvailabilityConfig) -> Booster:
    """Trees over these pairs, which learn what the factor of the listing leaves."""
    data = LabelledRows(
        matrix=_matrix(rows.inputs_PD[at]),
        labels=rows.was_shown_P[at].astype(np.int64),
        weights=rows.weight_P[at],
        offsets=_offsets(rows, at, shape),
    )
    limits = RoundLimits(most=config.rounds, patience=config.rounds)
    return train_booster(config.parameters(), data, None, limits=limits).booster


def _predicted(booster: Booster, rows: DetectionRows, at: Codes, shape: float) -> Numbers:
    raw = np.asarray(booster.predict(_matrix(rows.inputs_PD[at]), raw_score=True))
    # 1e-9: a probability of exactly 0 or 1 would make a likelihood infinite
    return np.asarray(np.clip(expit(raw + _offsets(rows, at, shape)), 1e-9, 1 - 1e-9))


def _offsets(rows: DetectionRows, at: Codes, shape: float) -> Numbers:
    factor = known_pairs_factor(shape, rows.seen_P[at], rows.expected_P[at])
    # The mean rate, so that the trees start near it: LightGBM adds no mean of its own to offsets.
    rate = np.average(rows.was_shown_P, weights=rows.weight_P)
    return np.asarray(np.log(factor) + np.log(max(rate, 1e-9)))


def _matrix(inputs_PD: Numbers) -> pa.Table:
    return pa.table({f"input_{d}": inputs_PD[:, d] for d in range(inputs_PD.shape[1])})
