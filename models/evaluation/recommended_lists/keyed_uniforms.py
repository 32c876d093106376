"""Uniform numbers that belong to a guest and a listing, not to the order of a computation.

Models are compared under common random numbers: whether Anna wants listing 7 must not depend
on which model recommends it, in which place, and what else that model recommends. A generator
that is read in the order of the rows cannot do that; a hash of the codes can.

splitmix64 (Steele, Lea & Flood 2014): its finaliser turns neighbouring codes into unrelated
64-bit numbers. Codes are mixed in one after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.evaluation.arrays import Floats, Integers

__all__ = ["keys_of", "uniforms"]

Keys = np.ndarray[Any, np.dtype[np.uint64]]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
# The upper 53 bits of a key are the digits of a 64-bit float in 0..1.
_SPARE_BITS, _UNIT = np.uint64(11), 2.0**-53


def keys_of(*codes: Integers | int) -> Keys:
    """A 64-bit key for each combination of codes, in this order; scalars apply to all.

    >>> once, again = keys_of(0, np.array([1, 2])), keys_of(0, np.array([2]))
    >>> bool(once[1] == again[0]), bool(once[0] == once[1])
    (True, False)
    """
    keys = np.zeros(1, dtype=np.uint64)
    for code in codes:
        keys = _mixed(keys, np.atleast_1d(np.asarray(code, dtype=np.int64)).astype(np.uint64))
    return keys


def uniforms(keys: Keys, code: int) -> Floats:
    """A number in 0..1 (1 excluded) per key; another for every ``code``.

    >>> numbers = uniforms(keys_of(np.arange(10_000)), 0)
    >>> bool(abs(numbers.mean() - 0.5) < 0.01), bool((numbers < 1).all())
    (True, True)
    """
    mixed = _mixed(keys, np.array([code], dtype=np.int64).astype(np.uint64))
    return np.asarray((mixed >> _SPARE_BITS) * _UNIT)


def _mixed(keys: Keys, codes: Keys) -> Keys:
    # + 1: the code 0 changes the key too; all wraps round at 2**64, as splitmix64 does
    mixed = keys + _GAMMA * (codes + np.uint64(1))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
