"""The order of scored rows: best first within a search, ties broken by a hash of the ids.

Tied scores are common (price, rating, popularity), and the order in which the rows happen to
lie must not decide: a tie is broken by a hash of the two ids, the same on every machine, in
every row order, and correlated with nothing. The rows of a search need not be neighbours:

    id_search   id_listing   score   tie key   rank
    s1          a            0.7     9         2      tied with c, whose key is lower
    s2          b            0.2     4         1
    s1          c            0.7     3         1
    s1          d            0.1     1         3
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["group_codes", "hashed_ids", "rank_within", "spread_within", "tie_keys"]

# splitmix64 (Steele, Lea & Flood 2014): the finaliser mixes two id hashes into one.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def group_codes(ids: pa.ChunkedArray | pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Integer code per row, equal where the ids are equal; shape ``(rows,)``, from 0.

    The numbering follows the first appearance, so use it to group, never to sort.
    Null is a group of its own.
    """
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    encoded = pc.dictionary_encode(ids, null_encoding="encode")
    return np.asarray(encoded.indices, dtype=np.int64)


def hashed_ids(
    ids: pa.ChunkedArray | pa.Array, *, seed: int = 0
) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """A 64-bit hash per row, a function of the id and the seed alone; shape ``(rows,)``."""
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    # Each distinct id is hashed once: rows repeat them many times.
    encoded = pc.dictionary_encode(ids, null_encoding="encode")
    key = seed.to_bytes(8, "little", signed=True)
    digests = b"".join(
        hashlib.blake2b(str(value).encode(), digest_size=8, key=key).digest()
        for value in encoded.dictionary.to_pylist()
    )
    by_value = np.frombuffer(digests, dtype="<u8").astype(np.uint64)
    return np.asarray(by_value[np.asarray(encoded.indices)])


def tie_keys(rows: pa.Table, *, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The number that breaks ties: 64 bits per row from ``id_search`` and ``id_listing``."""
    searches = hashed_ids(rows["id_search"], seed=seed)
    listings = hashed_ids(rows["id_listing"], seed=seed)
    mixed = searches + _GAMMA * listings  # wraps round at 2**64, as splitmix64 does
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def rank_within(
    groups: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], ties: np.ndarray[Any, Any]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rank of each row in its group, 1 for the highest score; shape ``(rows,)``.

    Of equal scores the one with the lower of ``ties`` comes first.

    Raises ``ValueError`` when a score is NaN: an order over NaN has no meaning.

    >>> rank_within(np.array([7, 7, 8]), np.array([0.1, 0.9, 0.5]), np.array([1, 2, 3]))
    array([2, 1, 1])
    """
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} scores are NaN; nothing can be ranked")
    # lexsort's last key is the first to sort by: search, then score, then tie key.
    order = np.lexsort((ties, -scores, groups))
    sorted_groups = groups[order]
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]])
    lengths = np.diff(np.r_[starts, len(order)])
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order)) - np.repeat(starts, lengths) + 1
    return ranks


def spread_within(rows: pa.Table, scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Standard deviation of the scores of each row's search, as float64; shape ``(rows,)``.

    >>> rows = pa.table({"id_search": ["s", "t", "s"]})
    >>> spread_within(rows, np.array([4.0, 7.0, 2.0])).tolist()
    [1.0, 0.0, 1.0]
    """
    groups = group_codes(rows["id_search"])
    if not len(groups):
        return np.zeros(0)
    # Added up in the order of the scores: the row order must not show in the last bit.
    order = np.lexsort((scores, groups))
    ordered, values = groups[order], scores[order]
    sizes = np.bincount(ordered)
    away = values - (np.bincount(ordered, values) / sizes)[ordered]
    return np.asarray(np.sqrt(np.bincount(ordered, away**2) / sizes)[groups])
