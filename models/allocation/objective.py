"""The smooth dual of the allocation: a bound on all lists' worth, as a function of night prices.

A plan gives the pair (i, j) of guest and candidate the examination x_ij. The best plan maximises

    Σ q_ij x_ij − ridge/2 Σ_i s_i |x_i|²,    q_ij = P(booked | examined),    s_i = max_j q_ij,

where a list can give x_i (:mod:`models.allocation.projection`), and the expected bookings of a
night, Σ q_ij x_ij over the stays that hold it, are at most its capacity. The ridge is relative to
what a guest's best candidate is worth, so that it smooths each guest's choice alike. With a price
λ ≥ 0 per night, and p_ij the sum over the nights of the stay, the guests come apart:

    dual(λ) = capacity Σ λ + Σ_i max_{x_i} ( Σ_j q_ij (1 − p_ij) x_ij − ridge/2 s_i |x_i|² )
    x_i(λ)  = the projection of q_ij (1 − p_ij) / (ridge s_i)
    gradient of a night = capacity − its expected bookings under x(λ)

It is convex, nowhere below what a plan within the capacity is worth, and least where it equals the
best one: minimising it is the dual ascent of ECLIPSE (Basu et al., ICML 2020), which states the
plan as a minimum. No price needs to be above 1, at which nobody gains by the night.

Legend: G guests, K candidates of a guest, R places, M contested nights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.allocation.listing_nights import Stays
from models.allocation.projection import onto_examinations
from models.arrow_columns import Numbers

__all__ = ["DualPoint", "SmoothDual"]


@dataclass(frozen=True, kw_only=True, eq=False)
class DualPoint:
    """The dual at some prices.

    Attributes:
        price_M: of each contested night.
        value: of the dual, in expected bookings.
        gradient_M: by the prices; below 0 where a night is asked for more than its capacity.
        examination_GK: the plan that is best at these prices; it may exceed the capacity.
    """

    price_M: Numbers
    value: float
    gradient_M: Numbers
    examination_GK: Numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothDual:
    """The dual of some guests.

    Attributes:
        value_GK: P(booked | examined) of each pair.
        stays: the contested nights that each pair holds.
        examined_R: P(examined) of the places.
        capacity: most expected bookings of a night.
        ridge: of the examinations, relative to the guest's largest value; above 0.
    """

    value_GK: Numbers
    stays: Stays
    examined_R: Numbers
    capacity: float
    ridge: float

    def at(self, price_M: Numbers) -> DualPoint:
        """Value, gradient and plan at some prices."""
        worth_GK = self.value_GK * (1 - self.stays.sums(price_M))
        examination_GK = onto_examinations(self._wishes(worth_GK), self.examined_R)
        bookings_M = self.stays.totals(self.value_GK * examination_GK)
        of_guests = _product(worth_GK, examination_GK) - self._penalty(examination_GK)
        return DualPoint(
            price_M=price_M,
            value=self.capacity * float(price_M.sum()) + of_guests,
            gradient_M=self.capacity - bookings_M,
            examination_GK=examination_GK,
        )

    def feasible(self, point: DualPoint) -> Numbers:
        """The point's plan, each pair divided by the largest excess of its nights; shape (G, K)."""
        excess_M = (self.capacity - point.gradient_M) / self.capacity
        examination_GK = point.examination_GK.copy()
        examined = np.nonzero(examination_GK)
        examination_GK[examined] /= np.maximum(self.stays.some(examined).maxima(excess_M), 1.0)
        return examination_GK

    def worth(self, examination_GK: Numbers) -> float:
        """What the plan maximises: expected bookings less the ridge."""
        return self.bookings(examination_GK) - self._penalty(examination_GK)

    def bookings(self, examination_GK: Numbers) -> float:
        """Expected bookings of a plan."""
        return _product(self.value_GK, examination_GK)

    def most_bookings(self, price_M: Numbers) -> float:
        """No plan within the capacity has more: the dual without a ridge, at these prices."""
        worth_GK = np.maximum(self.value_GK * (1 - self.stays.sums(price_M)), 0.0)
        places = min(worth_GK.shape[1], len(self.examined_R))
        best_GR = -np.sort(-worth_GK, axis=1)[:, :places]
        of_guests = float((best_GR * self.examined_R[:places]).sum())
        return self.capacity * float(price_M.sum()) + of_guests

    def _ridges(self) -> Numbers:
        """ridge · s_i; 1 for a guest to whom nothing is worth anything. Shape (G, 1)."""
        largest_G1 = self.value_GK.max(axis=1, keepdims=True, initial=0.0)
        return np.where(largest_G1 > 0, self.ridge * largest_G1, 1.0)

    def _wishes(self, worth_GK: Numbers) -> Numbers:
        return worth_GK / self._ridges()

    def _penalty(self, examination_GK: Numbers) -> float:
        squares_G = np.einsum("gk,gk->g", examination_GK, examination_GK)
        return float((self._ridges()[:, 0] * squares_G).sum()) / 2


def _product(left_GK: Numbers, right_GK: Numbers) -> float:
    # Not by BLAS, whose sum depends on how many threads it has.
    return float(np.einsum("gk,gk->", left_GK, right_GK))
