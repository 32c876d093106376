"""The order of scored rows: best first within a search, ties broken by a fixed coin.

Tied scores are common (price, rating, popularity) and must not let the row order decide:
a tie is broken by a hash of the two ids, the same on every machine, in every row order,
and correlated with nothing.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["group_codes", "hashed_ids", "rank_within", "tie_keys"]

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
    encoded = pc.dictionary_encode(ids, null_encoding="encode")
    key = seed.to_bytes(8, "little", signed=True)
    digests = b"".join(
        hashlib.blake2b(str(value).encode(), digest_size=8, key=key).digest()
        for value in encoded.dictionary.to_pylist()
    )
    by_value = np.frombuffer(digests, dtype="<u8").astype(np.uint64)
    return np.asarray(by_value[np.asarray(encoded.indices)])


def tie_keys(rows: pa.Table, *, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The coin that breaks ties: 64 bits per row from ``id_search`` and ``id_listing``."""
    searches = hashed_ids(rows["id_search"], seed=seed)
    listings = hashed_ids(rows["id_listing"], seed=seed)
    mixed = searches + _GAMMA * listings
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def rank_within(
    groups: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], ties: np.ndarray[Any, Any]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rank of each row in its group, 1 for the highest score; shape ``(rows,)``.

    Raises ``ValueError`` when a score is NaN: an order over NaN has no meaning.

    >>> rank_within(np.array([7, 7, 8]), np.array([0.1, 0.9, 0.5]), np.array([1, 2, 3]))
    array([2, 1, 1])
    """
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} scores are NaN; nothing can be ranked")
    order = np.lexsort((ties, -scores, groups))
    sorted_groups = groups[order]
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]])
    lengths = np.diff(np.r_[starts, len(order)])
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order)) - np.repeat(starts, lengths) + 1
    return ranks
