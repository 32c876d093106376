"""How near the listing is to what the guest clicked, by what other guests clicked together.

Which clicks count for what: :mod:`features.history.clicked_vectors`.
"""

from __future__ import annotations

from functools import reduce
from operator import add

import polars as pl

from features.definitions.definition import defined
from features.formulas.listing_vectors import PER_SCALE, vector_names
from features.history.clicked_vectors import ClickedVectorSums, ListingVectors

__all__ = ["DEFINITIONS", "SOURCES"]

_CLICKED, _LISTING = ClickedVectorSums(), ListingVectors()
_CLICKS, *_SUMS = (pl.col(name) for name in _CLICKED.names)

SOURCES = (_CLICKED, _LISTING)

# Products of the listing's vector with the mean vector clicked, added in a fixed order.
_COSINE = reduce(
    add,
    (
        (pl.col(name) * PER_SCALE) * (clicked * PER_SCALE / _CLICKS)
        for name, clicked in zip(vector_names(_LISTING.config), _SUMS, strict=True)
    ),
)

DEFINITIONS = (
    defined(
        "guest_clicks_similarity",
        "mean cosine of the listing with what the guest clicked before, between vectors "
        "of who clicked what on earlier days",
        pl.when(_CLICKS > 0).then(_COSINE),
        unit="cosine",
        null="no id, nothing clicked before, or listings without a vector yet",
    ),
)
