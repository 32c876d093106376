"""The search for the prices: L-BFGS-B on the smooth dual (Byrd et al., SIAM J. Sci. Comput. 1995).

DuaLip's accelerated gradient ascent needs several times as many passes for the same gap
(``benchmarks/allocation.py`` runs both), since the curvature differs by orders between a night that
two guests want and one that a hundred want.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import Bounds, minimize
from threadpoolctl import threadpool_limits

from models.allocation.objective import DualPoint, SmoothDual
from models.arrow_columns import Numbers

__all__ = ["best_prices"]

# Steps whose curvature is remembered.
_MEMORY = 10
# Of the dual, relative: where it falls by less, the rest is rounding, and the search ends.
_NO_CHANGE = 1e-13


def best_prices(
    dual: SmoothDual,
    start_M: Numbers,
    *,
    most_iterations: int,
    is_close: Callable[[DualPoint], bool],
) -> tuple[DualPoint, int]:
    """The point where the dual is least, and the iterations that it took.

    A small ridge makes sharp bends: the search may end where no step gains, before it is close.

    Args:
        dual: to be minimised.
        start_M: prices to start from, 0 to 1.
        most_iterations: after these the search ends where it is.
        is_close: ends the search at a point for which it holds; asked at the start as well.
    """
    last = dual.at(start_M)
    if is_close(last):
        return last, 0
    unit = last.value

    def value_and_gradient(price_M: Numbers) -> tuple[float, Numbers]:
        nonlocal last
        last = dual.at(price_M.copy())
        return last.value / unit, last.gradient_M / unit

    def point_at(price_M: Numbers) -> DualPoint:
        return last if np.array_equal(last.price_M, price_M) else dual.at(price_M)

    def stop_if_close(price_M: Numbers) -> None:
        if is_close(point_at(price_M)):
            raise StopIteration

    # With several threads, BLAS spends more on waiting than the small products take, and sums in
    # an order of their own.
    with threadpool_limits(1, "blas"):
        found = minimize(
            value_and_gradient,
            start_M,
            jac=True,
            method="L-BFGS-B",
            bounds=Bounds(0.0, 1.0),
            callback=stop_if_close,
            options={
                "maxiter": most_iterations,
                "maxfun": 2 * most_iterations + 20,
                "maxcor": _MEMORY,
                "ftol": _NO_CHANGE,
                "gtol": 0.0,
            },
        )
    return point_at(found.x), int(found.nit)
