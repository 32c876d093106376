"""What a search showed, what is recommended for it, and what most guests click, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl

from data.schema.types import CLICKED, Stage
from pipelines.candidates.catalogue import NIGHTLY_PRICE
from pipelines.candidates.eligible_pairs import eligible_pairs
from pipelines.evaluation.rival_lists import lists_by
from pipelines.look_up.found import Section
from pipelines.look_up.past import KNOWN, known_stage

__all__ = [
    "actions_in_words",
    "most_clicked",
    "orders_of_results",
    "shown_by",
    "side_by_side",
    "side_frame",
]

_DID = {Stage.CLICKED: "clicked", Stage.CONTACTED: "contacted", Stage.BOOKED: "booked"}


def shown_by(impressions: pl.LazyFrame, id_search: str, known_at: int) -> pl.DataFrame:
    """The results of a search in the order that they were shown in, from ``place`` 1.

    That is their position where the log has it, else the order of its lines. ``known_stage`` is
    what the guest did with each, as known at the second ``known_at``.
    """
    names = impressions.collect_schema().names()
    order = [n for n in ("position", "source_line", "source_item") if n in names]
    rows = (
        impressions.filter(pl.col("id_search") == id_search)
        .with_columns(known_stage(names, known_at))
        .sort([*order, "id_listing"], nulls_last=True)
        .collect()
    )
    return rows.with_row_index("place", offset=1)


def most_clicked(
    impressions: pl.LazyFrame, query: pl.DataFrame, catalogue: pl.DataFrame
) -> list[str]:
    """Of all listings that the query allows the twenty with most clicks before it, best first.

    The baseline ``popularity`` of the recommendations' evaluation. ``query`` has one row.
    """
    clicks = (
        impressions.filter(
            pl.col("market") == query["market"][0],
            pl.col("search_s") < query["search_s"][0],
            pl.col("stage") >= int(CLICKED),
        )
        .group_by("market", "id_listing")
        .len()
    )
    key = ["market", "id_listing"]
    counts = catalogue.lazy().select(key).join(clicks, on=key, how="left", maintain_order="left")
    clicks_L = counts.collect()["len"].fill_null(0).cast(pl.Float64).to_numpy()
    blocks = list(eligible_pairs(query, catalogue.drop(NIGHTLY_PRICE, strict=False)))
    listing = np.concatenate([block.listing_P for block in blocks] or [np.empty(0, np.int64)])
    best = lists_by("popularity", np.zeros(len(listing), np.int64), listing, clicks_L[listing])
    return list(catalogue["id_listing"].gather(best.listing_R).to_list())


def side_frame(lists: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """One row per place, one column of listings per list; null where a list has ended."""
    longest = max((len(ids) for ids in lists.values()), default=0)
    padded = {name: [*ids, *[None] * (longest - len(ids))] for name, ids in lists.items()}
    frame = pl.DataFrame(padded, schema=dict.fromkeys(lists, pl.String))
    return frame.with_row_index("place", offset=1)


def side_by_side(
    heading: str, lists: Mapping[str, Sequence[str]], shown: pl.DataFrame, most: int
) -> Section:
    """The first places of each list, and of each listing whether the search showed it.

    Args:
        heading: of the section.
        lists: name of the column → ids of its listings, best first; the first are those shown.
        shown: what :func:`shown_by` gives of the search.
        most: places.
    """
    was_shown = set(shown["id_listing"])
    first = next(iter(lists))
    notes = {
        column: {} if column == first else dict.fromkeys(was_shown, "shown") for column in lists
    }
    did = actions_in_words(shown)
    rows = _rows(lists, {column: notes[column] | did for column in lists}, most)
    return Section(
        heading=heading, sentences=_in_common(lists, most), header=("place", *lists), rows=rows
    )


def orders_of_results(
    heading: str, lists: Mapping[str, Sequence[str]], shown: pl.DataFrame, most: int
) -> Section:
    """The same results in several orders; where each puts what the guest went further with."""
    did = actions_in_words(shown)
    rows = _rows(lists, dict.fromkeys(lists, did), most)
    sentences = [
        f"{listing} ({action}) stands at "
        + ", ".join(f"{list(ids).index(listing) + 1} {name}" for name, ids in lists.items())
        + "."
        for listing, action in did.items()
    ]
    return Section(
        heading=heading,
        sentences=tuple(sentences or ["The guest went further with none of them."]),
        header=("place", *lists),
        rows=rows,
    )


def actions_in_words(shown: pl.DataFrame) -> dict[str, str]:
    """Listing → what the guest did with it, the furthest first; what was only shown is left out."""
    touched = shown.filter(pl.col(KNOWN) > int(Stage.IMPRESSED))
    touched = touched.sort(KNOWN, descending=True, maintain_order=True)
    return {
        listing: _DID[Stage(stage)]
        for listing, stage in zip(touched["id_listing"], touched[KNOWN], strict=True)
    }


def _rows(
    lists: Mapping[str, Sequence[str]], notes: Mapping[str, Mapping[str, str]], most: int
) -> tuple[tuple[str, ...], ...]:
    def cell(listing: str | None, column: str) -> str:
        note = "" if listing is None else notes[column].get(listing, "")
        return f"{listing} ({note})" if note else listing or ""

    frame = side_frame(lists).head(most)
    return tuple(
        (str(row["place"]), *(cell(row[name], name) for name in lists))
        for row in frame.iter_rows(named=True)
    )


def _in_common(lists: Mapping[str, Sequence[str]], most: int) -> tuple[str, ...]:
    """How many of the first places were shown, and how many two lists have in common."""
    (first, of_first), *others = lists.items()
    heads = {name: list(ids)[:most] for name, ids in others if ids}
    sentences = [
        f"{len(set(of_first).intersection(head))} of the first {len(head)} {name}: {first} too."
        for name, head in heads.items()
    ]
    for one, other in combinations(heads, 2):
        both = len(set(heads[one]).intersection(heads[other]))
        sentences.append(f"In common of these, {one} and {other}: {both}.")
    return tuple(sentences)
