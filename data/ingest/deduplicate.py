"""The rules over several rows, in bounded memory: duplicates and contradictory searches.

They hold over the rows of this ingest *and* those already in the lake. Only the narrow key
columns are read, one bucket of searches at a time (a bucket holds whole searches).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from data.ingest.staging import Staging
from data.lake.store import Lake
from data.schema.reason_codes import Reason

__all__ = ["DuplicateRows", "resolve"]

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
        "market": pl.String,
        "ds_search": pl.Date,
    }
)
_LOSER = ("source_id", "source_line", "market", "ds_search", "reasons")
_CONTRADICTIONS = (Reason.SEARCH_TWO_USERS, Reason.SEARCH_TWO_TIMES)


@dataclass(frozen=True, kw_only=True)
class DuplicateRows:
    """Rows that pass every row rule and are quarantined all the same, with reason codes.

    ``new`` are rows of this ingest, ``held`` rows that leave the lake. Columns:
    ``source_id``, ``source_line``, ``market``, ``ds_search``, ``reasons``.
    """

    new: pl.DataFrame
    held: pl.DataFrame


def resolve(staging: Staging, lake: Lake, order: list[str], rows: int) -> DuplicateRows:
    """Decide between the ``rows`` staged rows, and between them and the lake's.

    ``order`` lists the ``source_id`` of the files as they were given: of equal rows the
    first stays, and the lake's come before all.
    """
    parts = staging.parts("accepted")
    if not parts:
        nothing = _keys_of(pl.DataFrame(schema=_KEYS).lazy()).with_columns(reasons=pl.lit(""))
        empty = nothing.select(_LOSER).collect().clear()
        return DuplicateRows(new=empty, held=empty)
    staged = pl.scan_parquet(
        parts, schema=_KEYS, missing_columns="insert", extra_columns="ignore", glob=False
    )
    known_bad = _contradictory_searches(lake)
    buckets = max(1, -(-rows // ROWS_PER_BUCKET))
    decided = []
    for bucket in range(buckets):
        is_in_bucket = pl.col("id_search").hash(seed=0) % buckets == bucket
        new = staged.filter(is_in_bucket).collect(engine="streaming")
        decided.append(_resolve_bucket(new, _held(lake, new), order, known_bad))
    return DuplicateRows(
        new=pl.concat(new for new, _ in decided), held=pl.concat(held for _, held in decided)
    )


def _keys_of(frame: pl.LazyFrame) -> pl.LazyFrame:
    present = frame.collect_schema().names()
    return frame.select(
        pl.col(name) if name in present else pl.lit(None, dtype).alias(name)
        for name, dtype in _KEYS.items()
    )


def _held(lake: Lake, new: pl.DataFrame) -> pl.DataFrame:
    """The lake's rows of the searches in ``new``."""
    if not lake.exists("impressions"):
        return new.clear()
    searches = new.lazy().select("id_search").unique()
    held = _keys_of(lake.scan("impressions")).join(searches, on="id_search", how="semi")
    return held.collect(engine="streaming")


def _contradictory_searches(lake: Lake) -> pl.DataFrame:
    """Searches that were quarantined whole before: later rows of theirs follow them."""
    schema = {"id_search": pl.String, "known": pl.String}
    if not lake.exists("quarantine"):
        return pl.DataFrame(schema=schema)
    is_one = pl.col("reasons").str.contains_any([str(reason) for reason in _CONTRADICTIONS])
    return (
        lake.scan("quarantine")
        .filter(is_one)
        .select(
            pl.col("row").str.json_path_match("$.id_search").alias("id_search"),
            pl.col("reasons").alias("known"),
        )
        .unique(subset="id_search")
        .collect(engine="streaming")
    )


def _resolve_bucket(
    new: pl.DataFrame, held: pl.DataFrame, order: list[str], known_bad: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    rank = {source_id: number for number, source_id in enumerate(order)}
    rows = pl.concat(
        [
            new.with_columns(file=pl.col("source_id").replace_strict(rank, return_dtype=pl.Int32)),
            held.with_columns(file=pl.lit(-1, pl.Int32)),
        ]
    )
    contradictory = _contradictory(rows, known_bad)
    bad = rows.join(contradictory, on="id_search", how="inner")
    rest = rows.join(contradictory, on="id_search", how="anti")
    losers = pl.concat([bad.select(*_LOSER, "file"), _duplicates(rest).select(*_LOSER, "file")])
    is_new = pl.col("file") >= 0
    return losers.filter(is_new).drop("file"), losers.filter(~is_new).drop("file")


def _contradictory(rows: pl.DataFrame, known_bad: pl.DataFrame) -> pl.DataFrame:
    """``id_search`` and ``reasons`` of searches that name two users or two times."""
    names = pl.col("id_user").drop_nulls()
    found = (
        rows.group_by("id_search")
        .agg(
            two_users=(names.min() != names.max()),
            two_times=(pl.col("search_s").min() != pl.col("search_s").max()),
        )
        .join(known_bad, on="id_search", how="left")
        .filter(pl.col("two_users") | pl.col("two_times") | pl.col("known").is_not_null())
    )
    told = pl.concat_str(
        pl.when("two_users").then(pl.lit(str(Reason.SEARCH_TWO_USERS))),
        pl.when("two_times").then(pl.lit(str(Reason.SEARCH_TWO_TIMES))),
        separator=",",
        ignore_nulls=True,
    )
    reasons = pl.when(told == "").then(pl.col("known")).otherwise(told)
    return found.select("id_search", reasons.alias("reasons"))


def _duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    """All rows of one key but the one that stays: the furthest label, then the first."""
    key = ["id_search", "id_listing"]
    repeated = rows.group_by(key).len().filter(pl.col("len") > 1)
    several = rows.join(repeated, on=key, how="semi").sort(
        "stage", "file", "source_line", descending=[True, False, False]
    )
    place = pl.int_range(pl.len()).over(key)
    is_held = pl.col("file") < 0
    reason = pl.when(is_held).then(pl.lit(str(Reason.SUPERSEDED)))
    return several.filter(place > 0).with_columns(
        reasons=reason.otherwise(pl.lit(str(Reason.DUPLICATE)))
    )
