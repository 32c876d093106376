"""Markets of a home whose names differ in accents or signs alone, and so may be one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

__all__ = ["alike_markets"]

# between the readable part of a market's slug and its digest: data.readers.words.market_slug
_BEFORE_DIGEST = "__"


def alike_markets(parts: list[Path], held: Collection[str]) -> list[str]:
    """One sentence per group of alike markets that the accepted rows of these parts touch.

    ``held`` are the markets of the home before. Which of them are one cannot be known from
    their words (``São Paulo`` and ``Sao Paulo``, but also ``1`` and ``-1``): a mapping says it.
    """
    rows = pl.scan_parquet(
        parts, schema={"market": pl.String}, missing_columns="insert", extra_columns="ignore",
        glob=False,
    )  # fmt: skip
    own = set(rows.select(pl.col("market").drop_nulls().unique()).collect()["market"].to_list())
    groups: dict[str, set[str]] = {}
    for market in own | set(held):
        groups.setdefault(market.split(_BEFORE_DIGEST)[0], set()).add(market)
    # words without a plain letter are all called market, and have nothing in common
    return [
        f"markets {', '.join(sorted(group))} have different words that differ in accents or signs. "
        "If they are one market, list it in a mapping ([markets.NAME] with its spellings) and "
        "ingest into a new home"
        for stem, group in sorted(groups.items())
        if len(group) > 1 and group & own and not stem.endswith("market")
    ]
