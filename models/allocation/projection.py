"""The nearest examination that the places of a list can give: a projection, for all guests at once.

Places 1 to R are examined with the probabilities w, falling. A list, or a draw among several lists,
gives its candidates an examination x of

    x ≥ 0,    the k largest of x sum to at most w_1 + … + w_k,    for every k.

(With w = (1, …, 1, 0.3) that is 0 ≤ x ≤ 1 with a bounded sum, the "box cut" of DuaLip.) The point
of this set nearest to y comes from sorting and an isotonic regression (Lim & Wright, ICML 2016;
Blondel et al., ICML 2020): with y in falling order and its negative values raised to 0,

    x = y − max(v, 0),    v = the nearest to y − w that never rises.

Two candidates that wish for 1.0 and 0.9 of the places w = (1, 0.5): y − w = (0, 0.4) rises, so
that v is its mean 0.2 twice, and x = (0.8, 0.7). It sums to 1.5, as w does.

Legend: G guests, K candidates of a guest, R places, B guests of a block, W leading candidates.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression

from models.arrow_columns import Numbers

__all__ = ["onto_examinations"]

# Guests at once: their arrays fit a processor's cache, and their offsets cost few digits.
_BLOCK = 1024


def onto_examinations(wish_GK: Numbers, examined_R: Numbers) -> Numbers:
    """The examinations nearest to the wishes, guest by guest; exact but for rounding.

    >>> onto_examinations(np.array([[0.9, 1.0, -3.0]]), np.array([1.0, 0.5])).round(6).tolist()
    [[0.7, 0.8, 0.0]]

    Args:
        wish_GK: any finite numbers.
        examined_R: P(examined) of the places, never rising.
    """
    examination_GK = np.zeros_like(wish_GK)
    if not wish_GK.size:
        return examination_GK
    for start in range(0, len(wish_GK), _BLOCK):
        block = slice(start, start + _BLOCK)
        examination_GK[block] = _block_onto_examinations(wish_GK[block], examined_R)
    return examination_GK


def _block_onto_examinations(wish_BK: Numbers, examined_R: Numbers) -> Numbers:
    candidates = wish_BK.shape[1]
    order_BK = np.argsort(-wish_BK, axis=1)
    examination_BK = np.zeros_like(wish_BK)
    # Few candidates get any examination. Where the last of the leading ones gets none, v has
    # fallen to its wish, and those that wish for less get none either. The other guests are done
    # again with more of their candidates.
    guests, width = np.arange(len(wish_BK)), 2 * len(examined_R)
    while len(guests):
        order_BW = order_BK[guests, :width]
        # Below 0 a wish gets nothing, however far; at 0 it keeps the offsets of the rows small.
        wish_BW = np.maximum(wish_BK[guests[:, None], order_BW], 0.0)
        examination_BW = _sorted_onto_examinations(wish_BW, examined_R)
        examination_BK[guests[:, None], order_BW] = examination_BW
        is_open_B = (examination_BW[:, -1] > 0) & (width < candidates)
        guests, width = guests[is_open_B], 2 * width
    return examination_BK


def _sorted_onto_examinations(wish_BW: Numbers, examined_R: Numbers) -> Numbers:
    """For wishes in falling order and not below 0."""
    places = min(wish_BW.shape[1], len(examined_R))
    apart_BW = wish_BW.copy()
    apart_BW[:, :places] -= examined_R[:places]
    level_BW = np.maximum(_nearest_not_rising(apart_BW), 0.0)
    return np.maximum(wish_BW - level_BW, 0.0)


def _nearest_not_rising(apart_BW: Numbers) -> Numbers:
    """Isotonic regression of every row, by one call.

    Each row is moved below the row before it, so that none is pooled with another.
    """
    highest_B, lowest_B = apart_BW.max(axis=1), apart_BW.min(axis=1)
    span_B = highest_B - lowest_B
    offset_B1 = (highest_B + np.cumsum(span_B) - span_B)[:, None]
    fitted = isotonic_regression((apart_BW - offset_B1).ravel(), increasing=False)
    return np.asarray(fitted.x.reshape(apart_BW.shape) + offset_B1)
