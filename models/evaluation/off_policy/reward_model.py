"""Expected reward of a row by its place and by its rank in a model's order.

On searches shown in random order a row's place says nothing about the listing, so the
mean reward of a place is how much that place is examined, and the two factors of

    reward(row, place) = rate(place) · lift(bin of the row)

can be read off one after the other. A bin is a fifth (say) of each search's ranks.

Places 1 and 2 with 10 rows each, 2 and 1 of them clicked: rates 0.2 and 0.1. The upper half
of the model's ranks has 5 rows in each place, and all 3 clicks. The rates alone would expect
5 · 0.2 + 5 · 0.1 = 1.5 clicks of it, so its lift is 3 / 1.5 = 2, and that of the lower half 0.
A row of the upper half is expected to earn 0.2 · 2 = 0.4 in place 1 and 0.2 in place 2.
"""

from __future__ import annotations

import numpy as np

from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers

__all__ = ["fitted_rewards", "position_rates"]

# halves of the guests: each is predicted by a fit on the other
_FOLDS = 2
# pseudo-rows that pull a place's rate to the power law through all places
_PRIOR_ROWS = 50.0
_NEWTON_STEPS = 25


def position_rates(rewards: Floats, position: Integers) -> Floats:
    """Mean reward of each place, index 1 for the top (index 0 unused), always above 0.

    A place's own mean is shrunk, as if by 50 rows, towards the power law a · place^b that
    all places together follow: a rarely shown place must not decide by its noise, and a
    sponsored place may still differ.

    Two places fit a power law exactly, so 2 of 10 and 1 of 10 stay 0.2 and 0.1:

    >>> rewards, position = np.zeros(20), np.repeat([1, 2], 10)
    >>> rewards[[0, 1, 10]] = 1
    >>> position_rates(rewards, position)[1:].round(4).tolist()
    [0.2, 0.1]
    """
    count = np.bincount(position).astype(np.float64)
    total = np.bincount(position, weights=rewards).astype(np.float64)
    if not total.sum():
        return np.ones(len(count))
    law = _power_law(count, total)
    return np.asarray((total + _PRIOR_ROWS * law) / (count + _PRIOR_ROWS))


def _power_law(count: Floats, total: Floats) -> Floats:
    """Poisson regression of rewards on the log of the place, by Newton's method."""
    design = np.stack([np.ones(len(count)), np.log(np.maximum(np.arange(len(count)), 1))], axis=1)
    coefficients = np.array([np.log(total.sum() / count.sum()), 0.0])
    for _ in range(_NEWTON_STEPS):
        expected = count * np.exp(design @ coefficients)
        # one place alone has no slope: the pseudo-inverse leaves it at 0
        curvature = design.T @ (design * expected[:, None])
        coefficients = coefficients + np.linalg.pinv(curvature) @ design.T @ (total - expected)
    return np.asarray(np.exp(design @ coefficients))


def fitted_rewards(
    arranged: ArrangedRows, *, rewards: Floats, position: Integers, ranks: Integers, bins: int
) -> tuple[Floats, Floats]:
    """Predicted reward of each row in the model's place and in its old one; both (N,).

    Cross-fitted over two halves of the guests, so that no row's reward predicts itself.
    """
    # bin 0 holds the top of each search, whatever its length: (1 - 1) * 5 // 20 = 0
    bin_of_row = (ranks - 1) * bins // arranged.sizes[arranged.search]
    fold = (arranged.cluster % _FOLDS)[arranged.search]
    in_new, in_old = np.zeros(len(rewards)), np.zeros(len(rewards))
    places = int(max(position.max(), ranks.max())) + 1
    for number in range(_FOLDS):
        held, fit = fold == number, fold != number
        if not fit.any():
            continue
        rates = _padded(position_rates(rewards[fit], position[fit]), places)
        expected = np.bincount(bin_of_row[fit], weights=rates[position[fit]], minlength=bins)
        happened = np.bincount(bin_of_row[fit], weights=rewards[fit], minlength=bins)
        lift = np.divide(happened, expected, out=np.ones(bins), where=expected > 0)[
            bin_of_row[held]
        ]
        in_new[held] = rates[ranks[held]] * lift
        in_old[held] = rates[position[held]] * lift
    return in_new, in_old


def _padded(rates: Floats, length: int) -> Floats:
    """The last rate stands for places that the fit never saw."""
    return np.concatenate([rates, np.full(max(length - len(rates), 0), rates[-1])])
