"""Listings as vectors: near to each other where the same guests clicked them.

Positive pointwise mutual information of being clicked by one guest, factorised: what
skip-gram with negative sampling factorises implicitly (Levy & Goldberg, NIPS 2014), in
closed form, without a random order of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse
from scipy.sparse.linalg import svds

from data.ranges import AT_LEAST_1, Range, refuse_outside

__all__ = ["PER_SCALE", "SCALE", "VectorConfig", "listing_vectors", "vector_names"]

SCALE = 1_000_000
"""Vectors have length one and are stored as integers of millionths: sums are exact."""

PER_SCALE = 1 / SCALE

Matrix = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class VectorConfig:
    """How listing vectors are learnt.

    Attributes:
        dimensions: length of a vector (16: a city's neighbourhoods and price bands).
        most_clicks: guests who clicked more different listings than this teach nothing.
        seed: of the start vector of the factorisation.
    """

    dimensions: int = 16
    most_clicks: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        refuse_outside(self, {"dimensions": AT_LEAST_1, "most_clicks": Range(at_least=2)})


def vector_names(config: VectorConfig) -> tuple[str, ...]:
    """Columns that hold a listing's vector."""
    return tuple(f"_v{index}" for index in range(config.dimensions))


def listing_vectors(clicks: pa.Table, config: VectorConfig) -> pa.Table:
    """One row per listing: ``id_listing`` and its unit vector in ``_v0``… (int64 millionths).

    ``clicks`` has one row per guest and listing clicked, in a fixed order. Listings that
    no guest clicked beside another have no row; neither has any where there are fewer
    such listings than dimensions.
    """
    names = vector_names(config)
    guests, listings = (_codes(clicks[name]) for name in ("id_user", "id_listing"))
    together = _clicked_together(guests[0], listings[0], config)
    active = np.flatnonzero(np.asarray(together.sum(axis=0)).ravel() > 0)
    if len(active) <= config.dimensions + 1:
        empty = np.empty((0, config.dimensions), dtype=np.int64)
        return _as_table(pa.array([], pa.string()), empty, names)
    vectors = _factorised(_positive_information(together[active][:, active]), config)
    return _as_table(listings[1].take(pa.array(active)), vectors, names)


def _codes(ids: pa.ChunkedArray) -> tuple[np.ndarray[Any, np.dtype[np.int64]], pa.Array]:
    encoded = pc.dictionary_encode(ids.combine_chunks().cast(pa.string()))
    return np.asarray(encoded.indices, dtype=np.int64), encoded.dictionary


def _clicked_together(
    guests: np.ndarray[Any, Any], listings: np.ndarray[Any, Any], config: VectorConfig
) -> Any:
    """How many guests clicked both (listings × listings, symmetric, zero on the diagonal).

    ``guests`` and ``listings`` are codes, one pair per guest and listing clicked. Guests who
    clicked more than ``config.most_clicks`` listings are left out.

    >>> clicked = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, 2])
    >>> _clicked_together(*clicked, VectorConfig()).toarray().astype(int).tolist()
    [[0, 2, 1], [2, 0, 1], [1, 1, 0]]
    """
    if len(guests) == 0:
        return sparse.csr_matrix((0, 0))
    shape = (int(guests.max()) + 1, int(listings.max()) + 1)
    clicked = sparse.csr_matrix((np.ones(len(guests)), (guests, listings)), shape=shape)
    teaching = np.flatnonzero(np.asarray(clicked.sum(axis=1)).ravel() <= config.most_clicks)
    together = clicked[teaching].T @ clicked[teaching]
    together.setdiag(0)
    together.eliminate_zeros()
    return together.tocsr()


def _positive_information(together: Any) -> Any:
    """``max(0, log(n_ij · n / (n_i · n_j)))`` of each pair clicked together.

    ``n_ij`` guests clicked both, ``n_i`` is the sum of row i and ``n`` that of all rows.
    """
    pairs = together.tocoo()
    of_listing = np.asarray(together.sum(axis=0)).ravel()
    expected = of_listing[pairs.row] * of_listing[pairs.col] / of_listing.sum()
    information = np.maximum(np.log(pairs.data / expected), 0.0)
    return sparse.csr_matrix((information, (pairs.row, pairs.col)), shape=together.shape)


def _factorised(information: Any, config: VectorConfig) -> np.ndarray[Any, np.dtype[np.int64]]:
    start = np.random.default_rng(config.seed).standard_normal(information.shape[0])
    left, values, _ = svds(information, k=config.dimensions, v0=start)
    vectors: Matrix = left * np.sqrt(np.maximum(values, 0.0))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return np.asarray(np.rint(unit * SCALE), dtype=np.int64)


def _as_table(
    ids: pa.Array, vectors: np.ndarray[Any, np.dtype[np.int64]], names: tuple[str, ...]
) -> pa.Table:
    columns = {name: pa.array(vectors[:, index]) for index, name in enumerate(names)}
    return pa.table({"id_listing": ids, **columns})
