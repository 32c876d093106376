"""Lists for all guests of a day together, where a night of a listing can be sold once.

The parts are those of LinkedIn's DuaLip, a ridge-regularised dual ascent: objective, projection and
maximiser in a file each. :func:`~models.allocation.allocate.allocate` puts them together.
"""

from models.allocation.allocate import (
    Allocation,
    AllocationConfig,
    Certificate,
    allocate,
    worth_at,
)
from models.allocation.night_prices import NightPrices
from models.allocation.problem import AllocationProblem

__all__ = [
    "Allocation",
    "AllocationConfig",
    "AllocationProblem",
    "Certificate",
    "NightPrices",
    "allocate",
    "worth_at",
]
