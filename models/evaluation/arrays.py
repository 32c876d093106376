"""The array types of the evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Floats", "Integers", "Mask", "TieKeys"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
TieKeys = np.ndarray[Any, np.dtype[np.uint64]]
