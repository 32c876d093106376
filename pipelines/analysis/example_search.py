"""One search of the test window as an example: what was shown, and what the ranker makes of it."""

from __future__ import annotations

import polars as pl

from data.schema.tables import BOOKED, CLICKED, CONTACTED

__all__ = ["OUTCOMES", "example_search"]

BEST_SHOWN = 10
OUTCOMES = {int(CLICKED): "clicked", int(CONTACTED): "contacted", int(BOOKED): "booked"}


def example_search(examples: pl.DataFrame, most: int = BEST_SHOWN) -> pl.DataFrame:
    """The first example of the diagnostic: the ranker's best, and whatever else was clicked.

    One row per result by ``rank``: ``shown`` (its place as shown), ``id_listing``, ``outcome`` in
    words, ``reasons`` (what speaks for it beside the others of its search), and ``stage``.
    """
    first = examples.filter(pl.col("id_search") == examples["id_search"][0])
    outcome = pl.col("stage").cast(pl.Int64).replace_strict(OUTCOMES, default="")
    return (
        first.filter((pl.col("rank") <= most) | (pl.col("stage") >= int(CLICKED)))
        .sort("rank")
        .select("rank", "shown", "id_listing", outcome.alias("outcome"), "reasons", "stage")
    )
