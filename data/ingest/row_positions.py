"""``position = { row_order = true }``: each result's place among the results of its search.

A result is a listing of a search. Its place is 1 plus the number of other results of the search
whose first row stands before its own first row in the file:

====  =========  ==========  =========  ===========================================  ========
line  id_search  id_listing  label      what becomes of the row                      position
====  =========  ==========  =========  ===========================================  ========
2     S1         L1          impressed  ``duplicate``: line 6 went further           –
3     S1         L2          –          quarantined: no label. It was shown and      –
                                        takes place 2 all the same
4     S2         L9          impressed  accepted; the rows of a search need not be   1
                                        neighbours
5     (broken)   (broken)    (broken)   quarantined. A line without a search counts  –
                                        to the search of the line before it, here S2
6     S1         L1          clicked    accepted: the place of L1's first row        1
7     S1         L3          impressed  accepted                                     3
8     S2         L8          impressed  accepted, after lines 4 and 5                3
====  =========  ==========  =========  ===========================================  ========

So a quarantined row keeps its place, since it was shown; a row whose listing cannot be read
takes a place of its own. The place is that of the file: where a search stands in several files
(of this ingest, or of the lake), the first of them decides, and a result that only a later one
has gets no position, because nothing says where it stood. The report counts these.

Places depend on the order of the lines alone, not on how they are read: the files are staged
chunk by chunk, then one bucket of searches is placed at a time, as in ``data.ingest.deduplicate``.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from data.ingest.lineage import LINEAGE, with_lineage
from data.ingest.redo import without_files
from data.ingest.staging import Staging
from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS

__all__ = ["SeenRows", "place_rows", "with_positions"]

ROWS_PER_BUCKET = 1_000_000
_SEEN = pl.Schema(
    {
        "source_id": pl.String,
        "source_line": pl.Int64,
        "source_item": pl.Int32,
        "id_search": pl.String,
        "id_listing": pl.String,
    }
)
_POSITIONS = "positions-*.parquet"
_FROM_LAKE = -1  # the file number of rows of the lake: before the first file of the ingest
_LAST_PLACE = IMPRESSIONS.column("position").high
_RESULT = ["id_search", "id_listing"]


class SeenRows:
    """The lines and ids of all rows of one file, staged chunk by chunk in the file's order."""

    def __init__(self, source_id: str, staging: Staging) -> None:
        self._source_id = source_id
        self._staging = staging
        self._search: str | None = None

    def add(self, keys: pl.DataFrame, number: int) -> None:
        """Stage the ``keys`` of the chunk of that number (see ``ValidatedChunk``)."""
        if keys.is_empty():
            return
        search = pl.col("id_search").forward_fill().fill_null(pl.lit(self._search, pl.String))
        in_order = with_lineage(keys).sort("source_line", "source_item")
        source_id = pl.lit(self._source_id).alias("source_id")
        seen = in_order.select(source_id, "source_line", "source_item", search, "id_listing")
        self._search = seen["id_search"][-1]
        self._staging.write(self._source_id, "seen", number, seen)


def place_rows(
    staging: Staging, lake: Lake, order: list[str], rows: int, redone: Collection[str] = ()
) -> tuple[str, ...]:
    """Write down the place of each of the ``rows`` rows seen, for :func:`with_positions`.

    ``order`` lists the ``source_id`` of the files in the order of the command line. Places of the
    ``redone`` files in the lake do not count. Returns sentences for the report: about searches
    that stand in several files.
    """
    seen = pl.scan_parquet(staging.parts("seen"), schema=_SEEN, glob=False)
    buckets = max(1, -(-rows // ROWS_PER_BUCKET))
    split = unplaced = 0
    for bucket in range(buckets):
        is_in_bucket = pl.col("id_search").hash(seed=0) % buckets == bucket
        # lines before the first search of a file can belong to none
        has_search = pl.col("id_search").is_not_null()
        in_bucket = seen.filter(has_search, is_in_bucket).collect(engine="streaming")
        results = _places_in_files(in_bucket, order)
        both = pl.concat([results, _held_places(lake, in_bucket, redone)])
        places, split_searches = _of_first_file(both)
        missing = results.drop_nulls("id_listing").join(places, on=_RESULT, how="anti")
        split, unplaced = split + split_searches, unplaced + missing.select(_RESULT).n_unique()
        # sorted, so that with_positions reads only the row groups that a part needs
        in_bucket.join(places, on=_RESULT, how="inner").select(*LINEAGE, "position").sort(
            LINEAGE
        ).write_parquet(
            staging.folder / _POSITIONS.replace("*", f"{bucket:06d}"), row_group_size=1 << 16
        )
    return _sentences(split, unplaced)


def _places_in_files(seen: pl.DataFrame, order: list[str]) -> pl.DataFrame:
    """``id_search``, ``id_listing``, ``file``, ``position``: one row per result of each file."""
    number = {source_id: number for number, source_id in enumerate(order)}
    file = pl.col("source_id").replace_strict(number, return_dtype=pl.Int32)
    # a row whose listing cannot be read is a result by itself
    alone = pl.when(pl.col("id_listing").is_null()).then("row")
    place = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("file", "id_search")
    return (
        seen.sort("source_line", "source_item")
        .with_row_index("row")
        .group_by(*_RESULT, file.alias("file"), alone.alias("alone"))
        .agg(first=pl.col("row").min())
        .sort("file", "id_search", "first")
        .select(*_RESULT, "file", position=pl.when(place <= _LAST_PLACE).then(place))
    )


def _held_places(lake: Lake, seen: pl.DataFrame, redone: Collection[str]) -> pl.DataFrame:
    """The same of the lake's rows of these searches, as one file before all others."""
    schema = {"id_search": pl.String, "id_listing": pl.String, "file": pl.Int32}
    if not lake.exists(IMPRESSIONS.name):
        return pl.DataFrame(schema=schema | {"position": pl.Int32})
    impressions = without_files(lake.scan(IMPRESSIONS.name), redone)
    has_position = "position" in impressions.collect_schema().names()
    position = pl.col("position") if has_position else pl.lit(None, pl.Int32).alias("position")
    return (
        impressions.select(*_RESULT, pl.lit(_FROM_LAKE, pl.Int32).alias("file"), position)
        .join(seen.lazy().select("id_search").unique(), on="id_search", how="semi")
        .collect(engine="streaming")
    )


def _of_first_file(results: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Places of the results with a listing, as the first file of each search tells them.

    Also returns how many searches stand in more than one file.
    """
    files = results.group_by("id_search").agg(
        file=pl.col("file").min(), is_split=pl.col("file").min() < pl.col("file").max()
    )
    first = results.join(files, on=["id_search", "file"], how="semi")
    places = first.drop_nulls("id_listing").select(*_RESULT, "position")
    return places, int(files["is_split"].sum())


def _sentences(split: int, unplaced: int) -> tuple[str, ...]:
    if not split:
        return ()
    sentence = (
        "position is the order of the rows; searches that stand in more than one file, where the "
        f"first file decides: {split:,}; their results that only a later file has, left without a "
        f"position: {unplaced:,}"
    )
    return (sentence,)


def with_positions(accepted: pl.DataFrame, staging: Staging) -> pl.DataFrame:
    """The rows of one staged part with their places, as they are where none were written down."""
    buckets = sorted(staging.folder.glob(_POSITIONS))
    if not buckets or accepted.is_empty():
        return accepted
    line = pl.col("source_line")
    lines = line.is_between(accepted["source_line"].min(), accepted["source_line"].max())
    places = (
        pl.scan_parquet(buckets, glob=False)
        .filter(pl.col("source_id") == accepted["source_id"][0], lines)
        .select("source_line", "source_item", "position")
        .collect()
    )
    placed = with_lineage(accepted.drop("position")).join(
        places,
        on=["source_line", "source_item"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
        validate="1:1",
    )
    return placed.select(accepted.columns)
