"""How a listing compares with the other results of its own search.

"The results" are the rows of that search that are in the frame. Example, the nightly prices of
one search with four results; low is good:

=====  ====  ======  =========  =======
price  rank  z       to_median  to_best
=====  ====  ======  =========  =======
100    1     -1.147  0.5        1.0
200    2     -0.229  1.0        2.0
200    2     -0.229  1.0        2.0
400    4     1.606   2.0        4.0
=====  ====  ======  =========  =======

To add a value by which listings are compared: one line in ``_COMPARED``. To add a way of comparing
them: its description in :func:`comparisons_of`, and a method of that name in
:mod:`features.formulas.within_search_arrays`.
"""

from __future__ import annotations

import polars as pl

from features.definitions.definition import NEVER_NULL, Definition, defined, hidden
from features.formulas.comparisons import Comparison, Dominated, ResultCount

__all__ = ["DEFINITIONS", "INPUTS", "comparisons_of"]


def comparisons_of(of: str, column: str, *, low_is_good: bool = False) -> tuple[Definition, ...]:
    """Four features of one value: rank, z, to_median, to_best; ``of`` is part of their names."""

    def value(kind: str) -> Comparison:
        return Comparison(column=column, kind=kind, low_is_good=low_is_good)

    unknown = f"{of} unknown"
    best = "lowest" if low_is_good else "highest"
    return (
        defined(
            f"in_search_{of}_rank",
            f"rank by {of} among the results shown, 1 is the {best}; ties share the better rank",
            value("rank"),
            null=unknown,
        ),
        defined(
            f"in_search_{of}_z",
            f"{of} less its mean over the results, in standard deviations of the results",
            value("z"),
            unit="standard deviations",
            null=f"{unknown}, or all results alike",
        ),
        defined(
            f"in_search_{of}_to_median",
            f"{of} as a multiple of its median over the results",
            value("to_median"),
            unit="ratio",
            null=f"{unknown}, or the median is not positive",
        ),
        defined(
            f"in_search_{of}_to_best",
            f"{of} as a multiple of the {best} of the results",
            value("to_best"),
            unit="ratio",
            null=f"{unknown}, or the best is not positive",
        ),
    )


_COMPARED = (
    comparisons_of("price", "listing_nightly_price", low_is_good=True),
    comparisons_of("rating", "listing_review_rating"),
    comparisons_of("reviews", "listing_review_count"),
    comparisons_of("distance", "fit_distance_km", low_is_good=True),
    comparisons_of("occupancy", "listing_occupancy_rate"),
)

INPUTS = (hidden("_in_search_same_room_type", ResultCount(alike="listing_room_type")),)

DEFINITIONS = (
    *(definition for of_value in _COMPARED for definition in of_value),
    defined("in_search_results", "listings shown in this search", ResultCount(), null=NEVER_NULL),
    defined(
        "in_search_room_type_share",
        "share of the results with this room type",
        pl.when(pl.col("listing_room_type").is_not_null()).then(
            pl.col("_in_search_same_room_type") / pl.col("in_search_results")
        ),
        unit="share",
        null="room type not given",
    ),
    defined(
        "in_search_dominated_by",
        "results that are no dearer, no farther and no worse rated, and better in one of these",
        Dominated(
            low=("listing_nightly_price", "fit_distance_km"), high=("listing_review_rating",)
        ),
        unit="listings",
        null="price, place or rating unknown",
    ),
)
