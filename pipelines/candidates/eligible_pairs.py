"""All pairs of a search and a listing that it allows, block by block.

A search allows the listings of its market that hold its party, suit its nights, and lie within
its price filter and radius (:mod:`models.two_tower.inputs.eligibility`): some thousand of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from models.two_tower.inputs.eligibility import Eligibility
from pipelines.feature_table.arrow_conversion import arrow

__all__ = ["PairBlock", "eligible_pairs"]

Codes = np.ndarray[Any, np.dtype[np.int64]]

# Cells of the mask of searches by listings that exist at one time.
_CELLS = 1 << 22


@dataclass(frozen=True, kw_only=True)
class PairBlock:
    """The pairs of some whole searches.

    Attributes:
        query_P: row of the queries, ascending.
        listing_P: row of the catalogue, ascending within a query.
    """

    query_P: Codes
    listing_P: Codes

    def __len__(self) -> int:
        return len(self.query_P)


def eligible_pairs(
    queries: pl.DataFrame, catalogue: pl.DataFrame, markets: Sequence[str] | None = None
) -> Iterator[PairBlock]:
    """Blocks of all allowed pairs, market by market; a query without any has no pair.

    ``markets``: of these markets alone; by default of all.

    ``queries`` and ``catalogue`` as :mod:`pipelines.candidates.queries` and
    :mod:`pipelines.candidates.catalogue` make them. A query of an unknown market is
    answered from none.
    """
    bounds = Eligibility.of(arrow(queries), arrow(catalogue))
    market_Q, market_L = queries["market"].to_numpy(), catalogue["market"].to_numpy()
    for market in catalogue["market"].unique().sort() if markets is None else markets:
        here_Q, here_L = np.flatnonzero(market_Q == market), np.flatnonzero(market_L == market)
        step = max(1, _CELLS // max(1, len(here_L)))
        for start in range(0, len(here_Q), step):
            rows = here_Q[start : start + step]
            query, listing = np.nonzero(bounds.mask(rows, here_L))
            yield PairBlock(query_P=rows[query], listing_P=here_L[listing])
