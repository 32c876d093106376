"""Whether the rows of a log may stand in the order in which the results were shown.

Asked of a log without ``position``, and only to say so in the ingest report: nothing is ever
switched on. Two questions decide, over a sample of whole searches as their rows stand:

1. Are the rows of a search sorted by something in the log: the listing's id, its price, another
   number, or the label? Then their order is a table's, not a page's.
2. Do the acted rows (clicked or further) stand earlier than by chance? Guests look at the top
   first, so an order that was shown says so; a shuffled one does not
   (:mod:`data.validation.within_search_permutation`).

What this cannot tell: rows sorted by something attractive that the log does not hold look like
rows in the order shown. Only who wrote the log knows; hence a suggestion.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from data.counted import counted
from data.schema.tables import CLICKED, EXTRA_PREFIX
from data.validation.within_search_permutation import earlier_than_chance

__all__ = ["RowOrderCheck", "check_row_order"]

# About so many rows are looked at: whole searches, chosen by a hash of their id.
SAMPLE_ROWS = 500_000
# Suggested only where chance would do it once in a thousand logs.
LEVEL = 0.001
# Sorted: of the neighbouring rows of a search that differ, this share differs in one direction.
SORTED_SHARE = 0.95
SORTED_PAIRS = 20

_ORDER = ["source_id", "id_search"]
_MAPPING = "position = { row_order = true }"


@dataclass(frozen=True, kw_only=True)
class RowOrderCheck:
    """What the order of the rows tells.

    Attributes:
        is_declared: the mapping says already that the order is the one shown.
        is_suggested: it does not, and the evidence is for it: early clicks, and no sorting.
        sorted_by: the column by which rows are sorted within searches; ``None`` for none.
        direction: ``rising`` or ``falling``; empty where not sorted.
        searches, acted, mean_place, p_value: as in
            :class:`data.validation.within_search_permutation.EarlierThanChance`;
            ``mean_place`` is ``None`` without a search.
    """

    is_declared: bool
    is_suggested: bool
    sorted_by: str | None
    direction: str
    searches: int
    acted: int
    mean_place: float | None
    p_value: float

    @property
    def sentence(self) -> str:
        """All of it for a person, with what to do."""
        if self.sorted_by is not None:
            return self._sorted
        if self.mean_place is None:
            return "no search tells whether the rows stand in the order shown: too few clicks"
        p_value = "p < 0.001" if self.p_value < LEVEL else f"p = {self.p_value:.3f}"
        evidence = (
            f"(mean place {self.mean_place:.2f}, 0 the top and 1 the bottom, 0.50 by chance; "
            f"{counted(self.searches, 'search')}, {p_value})"
        )
        if self.p_value > LEVEL:
            return self._no_sign(evidence)
        if self.is_declared:
            return f"taken as position; clicked rows stand early in their searches {evidence}"
        return (
            "the log has no position, but its rows may stand in the order shown: clicked rows "
            f"stand earlier in their searches than by chance {evidence}, and rows are not sorted "
            f"by id, price or label. If you know that it is so, write {_MAPPING} under [columns] "
            "of your mapping and ingest into a new home. Nothing was switched on"
        )

    @property
    def _sorted(self) -> str:
        by = "label" if self.sorted_by == "stage" else self.sorted_by
        found = f"the rows of a search are sorted by {by} ({self.direction})"
        if self.is_declared:
            return (
                f"the mapping takes it as position, but {found}: a table's order rather than a "
                f"page's. Remove row_order unless guests saw results sorted by {by}"
            )
        return f"not the order shown: {found}"

    def _no_sign(self, evidence: str) -> str:
        found = f"clicked rows do not stand clearly earlier than by chance {evidence}"
        if self.is_declared:
            return f"the mapping takes it as position, but {found}. Check the order of the rows"
        return f"no sign of the order shown: {found}"


def check_row_order(parts: list[Path], *, is_declared: bool = False) -> RowOrderCheck | None:
    """Look at the accepted rows of these staged parts.

    ``None`` where the log has positions, or no search of two results.
    """
    results = _sampled_results(parts)
    if results is None:
        return None
    found = _sorted_by(results)
    sorted_by, direction = found or (None, "")
    code = results.select(pl.struct(_ORDER).rle_id()).to_series().to_numpy().astype(np.int64)
    is_acted = (results["stage"] >= int(CLICKED)).to_numpy()
    test = earlier_than_chance(code, is_acted)
    return RowOrderCheck(
        is_declared=is_declared,
        is_suggested=not is_declared and sorted_by is None and test.p_value <= LEVEL,
        sorted_by=sorted_by,
        direction=direction,
        searches=test.searches,
        acted=test.acted,
        mean_place=test.mean_place if test.searches else None,
        p_value=test.p_value,
    )


def _sampled_results(parts: list[Path]) -> pl.DataFrame | None:
    """One row per result in the order of first rows, with what it may be sorted by."""
    # one part per file is enough: all parts of a file have the same columns
    schemas = [pl.read_parquet_schema(part) for part in {p.parent: p for p in parts}.values()]
    schema = {name: dtype for each in schemas for name, dtype in each.items()}
    rows = pl.scan_parquet(
        parts, schema=schema, missing_columns="insert", extra_columns="ignore", glob=False
    )
    if "position" in schema and rows.select(pl.col("position").count()).collect().item():
        return None
    count = rows.select(pl.len()).collect().item()
    numbers = [
        name
        for name, dtype in schema.items()
        if dtype.is_numeric() and name.startswith(("listing_", f"{EXTRA_PREFIX}listing_"))
    ]
    lines = [name for name in ("source_line", "source_item") if name in schema]
    one_in = max(1, -(-count // SAMPLE_ROWS))
    sample = (
        rows.filter(pl.col("id_search").hash(seed=0) % one_in == 0)
        .select(*_ORDER, "id_listing", *lines, "stage", *numbers)
        .collect(engine="streaming")
        .sort("source_id", *lines)
    )
    # the rows of one listing (shown, then clicked) are one result, where its first row stands
    results = sample.group_by(*_ORDER, "id_listing", maintain_order=True).agg(
        pl.col(lines).first(), pl.col("stage").max(), pl.col(numbers).first()
    )
    in_order = results.sort(*_ORDER, *lines).drop("source_item", strict=False)
    has_two = in_order.height > in_order.select(_ORDER).n_unique()
    return in_order if has_two else None


def _sorted_by(results: pl.DataFrame) -> tuple[str, str] | None:
    """The first column by which rows are sorted within searches, and in which direction."""
    number = pl.col("id_listing").cast(pl.Float64, strict=False)
    keyed = results.with_columns(
        pl.when(number.is_not_null().all()).then(number).alias("id_listing as a number")
    )
    names = ["id_listing", "id_listing as a number", "listing_total_price", "stage"]
    names += [n for n in keyed.columns if n not in (*names, *_ORDER, "source_line")]
    is_same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in _ORDER)
    steps = keyed.select(
        count.alias(f"{name} {direction}")
        for name in names
        if name in keyed.columns
        for direction, count in (
            ("rising", (is_same & (pl.col(name) > pl.col(name).shift())).sum()),
            ("falling", (is_same & (pl.col(name) < pl.col(name).shift())).sum()),
        )
    ).row(0, named=True)
    for key, count in steps.items():
        name, direction = key.rsplit(" ", 1)
        pairs = steps[f"{name} rising"] + steps[f"{name} falling"]
        if pairs >= SORTED_PAIRS and count >= SORTED_SHARE * pairs:
            return name.removesuffix(" as a number"), direction
    return None
