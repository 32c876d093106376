"""Ridge regression with a free level per listing and stretch of days, which is taken out.

    minimise  Σ weight · (gap - level - slopes · change)²  +  (effects + change)² · penalty

over ``change`` and the levels. (The penalty is a matrix K: the last term is xᵀKx.) Whatever the
change, the best level is a weighted mean, hence the normal equations of the deviations from it.
They are solved by conjugate gradients and never written down: a product with them is a few
products of sparse matrices. The equations without levels are the preconditioner.

Legend: C prices, L levels, G groups of prices with the same slopes, P effects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg, splu

from models.arrow_columns import Codes, Numbers

__all__ = ["LevelledRidge"]


@dataclass(frozen=True)
class LevelledRidge:
    """The problem at one linearisation.

    Attributes:
        residuals: of each price from its level, before any change; shape (C,).
        variance: of the residuals, weighted, a degree of freedom less for each level.
        pull: sum of weight · residual of each group; shape (G,).
        counts: sum of the weights of each level and group; sparse (L, G).
        slopes: what each group's prediction gains with each effect; sparse (G, P).
    """

    residuals: Numbers
    variance: float
    pull: Numbers
    counts: sparse.csr_matrix
    slopes: sparse.csr_matrix

    @classmethod
    def of_gaps(
        cls, gaps: Numbers, weights: Numbers, places: tuple[Codes, Codes], slopes: sparse.csr_matrix
    ) -> Self:
        """From the gap (price less prediction), weight, level and group of each price."""
        level, group = places
        shape = (int(level.max()) + 1, slopes.shape[0])
        in_level = np.bincount(level, weights)
        residuals = gaps - (np.bincount(level, weights * gaps) / in_level)[level]
        freedom = max(float(weights.sum()) - shape[0], 1.0)
        return cls(
            residuals=residuals,
            variance=float(weights @ residuals**2) / freedom,
            pull=np.bincount(group, weights * residuals, shape[1]).astype(np.float64),
            counts=sparse.csr_matrix((weights, places), shape=shape),
            slopes=slopes,
        )

    def change(self, effects: Numbers, penalty: sparse.csr_matrix) -> Numbers:
        """The change of the effects that solves it, to a thousandth; shape (P,)."""
        in_level, in_group = _sums(self.counts, axis=1), _sums(self.counts, axis=0)
        to_groups, to_effects = self.counts.T.tocsr(), self.slopes.T.tocsr()

        def normal(change: Numbers) -> Numbers:
            gained = self.slopes @ change
            level_gained = (self.counts @ gained) / in_level
            deviation = in_group * gained - to_groups @ level_gained
            return np.asarray(to_effects @ deviation + penalty @ change)

        without_levels = to_effects @ self.slopes.multiply(in_group[:, None]) + penalty
        shape = (len(effects), len(effects))
        solution, _ = cg(
            LinearOperator(shape, matvec=normal, dtype=np.float64),
            to_effects @ self.pull - penalty @ effects,
            M=LinearOperator(shape, matvec=splu(without_levels.tocsc()).solve, dtype=np.float64),
            # Enough for a step of Gauss-Newton: the next one starts from the new gaps.
            rtol=1e-3,
            maxiter=len(effects),
        )
        return np.asarray(solution, dtype=np.float64)


def _sums(matrix: sparse.csr_matrix, *, axis: int) -> Numbers:
    return np.asarray(matrix.sum(axis=axis), dtype=np.float64).ravel()
