"""The rules over several rows, in bounded memory: duplicates and contradictory searches.

They hold over the rows of this ingest *and* those already in the lake:

=========  ==========  =======  ===========  =========  ==================================
id_search  id_listing  id_user  label        from       what becomes of the row
=========  ==========  =======  ===========  =========  ==================================
S1         L1          U1       clicked      the lake   leaves it: ``superseded``
S1         L1          U1       booked       line 2     stays: the furthest label of its key
S1         L1          U1       booked       line 7     ``duplicate``: as far, and later
S2         L1          U2       impressed    line 3     ``search_names_two_users``
S2         L8          U3       clicked      line 4     the same: which is right is unknown
=========  ==========  =======  ===========  =========  ==================================

Only the narrow key columns are read, one bucket of searches at a time. Buckets are made by
a hash of ``id_search``, so that each holds whole searches.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from data.ingest.lineage import LINEAGE
from data.ingest.redo import without_files
from data.ingest.staging import Staging
from data.lake.store import Lake
from data.schema.reason_codes import Reason

__all__ = ["DuplicateRows", "find_duplicates"]

ROWS_PER_BUCKET = 1_000_000

_KEYS = pl.Schema(
    {
        "id_search": pl.String,
        "id_listing": pl.String,
        "id_user": pl.String,
        "search_s": pl.Int64,
        "stage": pl.Int8,
        "source_id": pl.String,
        "source_line": pl.Int64,
        "source_item": pl.Int32,
        "market": pl.String,
        "ds_search": pl.Date,
    }
)
_COLUMNS = (*LINEAGE, "market", "ds_search", "reasons")
_FROM_LAKE = -1  # the file number of rows of the lake: before the first file of the ingest
_CONTRADICTIONS = (Reason.SEARCH_TWO_USERS, Reason.SEARCH_TWO_TIMES)


@dataclass(frozen=True, kw_only=True)
class DuplicateRows:
    """Rows that pass every row rule and are quarantined all the same, with reason codes.

    ``new`` are rows of this ingest, ``held`` rows that leave the lake. Columns:
    ``source_id``, ``source_line``, ``source_item``, ``market``, ``ds_search``, ``reasons``.
    """

    new: pl.DataFrame
    held: pl.DataFrame


def find_duplicates(
    staging: Staging, lake: Lake, order: list[str], rows: int, redone: Collection[str] = ()
) -> DuplicateRows:
    """Compare the ``rows`` staged rows with each other and with the lake's.

    ``order`` lists the ``source_id`` of the files in the order of the command line: of equal
    rows the first stays, and the lake's come before all. Rows of the ``redone`` files in the
    lake are left out: those that are staged stand in their place.
    """
    staged = pl.scan_parquet(
        staging.parts("accepted"),
        schema=_KEYS,
        missing_columns="insert",
        extra_columns="ignore",
        glob=False,
    )
    quarantined_before = _contradictory_before(lake, redone)
    buckets = max(1, -(-rows // ROWS_PER_BUCKET))
    results = []
    for bucket in range(buckets):
        is_in_bucket = pl.col("id_search").hash(seed=0) % buckets == bucket
        new = staged.filter(is_in_bucket).collect(engine="streaming")
        results.append(_in_bucket(new, _held(lake, new, redone), order, quarantined_before))
    return DuplicateRows(
        new=pl.concat(result.new for result in results),
        held=pl.concat(result.held for result in results),
    )


def _keys_of(frame: pl.LazyFrame) -> pl.LazyFrame:
    present = frame.collect_schema().names()
    return frame.select(
        pl.col(name) if name in present else pl.lit(None, dtype).alias(name)
        for name, dtype in _KEYS.items()
    )


def _held(lake: Lake, new: pl.DataFrame, redone: Collection[str]) -> pl.DataFrame:
    """The lake's rows of the searches in ``new``."""
    if not lake.exists("impressions"):
        return new.clear()
    searches = new.lazy().select("id_search").unique()
    others = without_files(lake.scan("impressions"), redone)
    held = _keys_of(others).join(searches, on="id_search", how="semi")
    return held.collect(engine="streaming")


def _contradictory_before(lake: Lake, redone: Collection[str]) -> pl.DataFrame:
    """``id_search`` and ``reasons_before`` of searches that an earlier ingest quarantined whole.

    Later rows of theirs are quarantined too: the rows that show the contradiction are no
    longer in the lake.
    """
    schema = {"id_search": pl.String, "reasons_before": pl.String}
    if not lake.exists("quarantine"):
        return pl.DataFrame(schema=schema)
    codes = [str(reason) for reason in _CONTRADICTIONS]
    return (
        without_files(lake.scan("quarantine"), redone)
        .filter(pl.col("reasons").str.contains_any(codes))
        .select(
            pl.col("row").str.json_path_match("$.id_search").alias("id_search"),
            pl.col("reasons").alias("reasons_before"),
        )
        .unique(subset="id_search")
        .collect(engine="streaming")
    )


def _in_bucket(
    new: pl.DataFrame, held: pl.DataFrame, order: list[str], quarantined_before: pl.DataFrame
) -> DuplicateRows:
    """The rows of one bucket of searches that leave: contradictory ones, then duplicates."""
    number = {source_id: number for number, source_id in enumerate(order)}
    file = pl.col("source_id").replace_strict(number, return_dtype=pl.Int32)
    rows = pl.concat(
        [new.with_columns(file=file), held.with_columns(file=pl.lit(_FROM_LAKE, pl.Int32))]
    )
    searches = _contradictory(rows, quarantined_before)
    contradictory = rows.join(searches, on="id_search", how="inner")
    rest = rows.join(searches, on="id_search", how="anti")
    leaving = pl.concat(
        [frame.select(*_COLUMNS, "file") for frame in (contradictory, _repeated(rest))]
    )
    is_held = pl.col("file") == _FROM_LAKE
    return DuplicateRows(
        new=leaving.filter(~is_held).drop("file"), held=leaving.filter(is_held).drop("file")
    )


def _contradictory(rows: pl.DataFrame, quarantined_before: pl.DataFrame) -> pl.DataFrame:
    """``id_search`` and ``reasons`` of searches that name two users or two times."""
    # a row without an id contradicts nobody: its guest may be the one named in another row
    users = pl.col("id_user").drop_nulls()
    searches = (
        rows.group_by("id_search")
        .agg(
            two_users=(users.min() != users.max()),
            two_times=(pl.col("search_s").min() != pl.col("search_s").max()),
        )
        .join(quarantined_before, on="id_search", how="left")
        .filter(pl.col("two_users") | pl.col("two_times") | pl.col("reasons_before").is_not_null())
    )
    reasons_now = pl.concat_str(
        pl.when("two_users").then(pl.lit(str(Reason.SEARCH_TWO_USERS))),
        pl.when("two_times").then(pl.lit(str(Reason.SEARCH_TWO_TIMES))),
        separator=",",
        ignore_nulls=True,
    )
    reasons = pl.when(reasons_now == "").then(pl.col("reasons_before")).otherwise(reasons_now)
    return searches.select("id_search", reasons.alias("reasons"))


def _repeated(rows: pl.DataFrame) -> pl.DataFrame:
    """All rows of one key but the one that stays: the furthest label, then the first."""
    key = ["id_search", "id_listing"]
    repeated = rows.group_by(key).len().filter(pl.col("len") > 1)
    candidates = rows.join(repeated, on=key, how="semi").sort(
        ["stage", "file", "source_line", "source_item"], descending=[True, False, False, False]
    )
    place = pl.int_range(pl.len()).over(key)
    reason = pl.when(pl.col("file") == _FROM_LAKE).then(pl.lit(str(Reason.SUPERSEDED)))
    return candidates.filter(place > 0).with_columns(
        reasons=reason.otherwise(pl.lit(str(Reason.DUPLICATE)))
    )
