"""The job of a Spark cluster without Spark: its functions on Arrow batches of small partitions.

What Spark does between them (move rows, sort them, add sums up) is done here by Polars: see
:mod:`features.build_on_spark` for the steps.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar
from unittest.mock import patch

import polars as pl
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from data.schema.tables import CLICKED
from features.all_features import available_features
from features.build import planned
from features.formulas.listing_vectors import VectorConfig
from features.history.clicked_vectors import ClickedVectorSums, ListingVectors, learnt_vectors
from features.history.known_totals import MOST_SUMS, stages_to_sum
from features.on_spark import partitions
from features.on_spark.handed import Handed
from features.on_spark.partitions import (
    SUMS_SCHEMA,
    entries,
    features_of_searches,
    sums_of_family,
)
from features.on_spark.work import Work

__all__ = ["build_in_partitions", "merged_entries", "vectors_before"]

T = TypeVar("T")
_SUMS = [f"s{n}" for n in range(MOST_SUMS)]


def build_in_partitions(
    log: pl.DataFrame,
    features: FeatureSet | None = None,
    since_day: int | None = None,
    *,
    parts: int = 3,
    batch_rows: int = 25,
    block_rows: int = 60,
) -> pl.DataFrame:
    """The features, built in so many partitions a step, whose batches and blocks are small."""
    columns = dict(_without_order(log).schema)
    chosen = available_features(columns) if features is None else features
    plan = planned(columns, columns, chosen)
    work = _sent(Work.of(columns, chosen, since_day))
    handed = _sent(Handed(totals=_totals(log, work, parts), vectors=_vectors(log, work)))
    events = _without_order(log).select(plan.read_of_events)
    with patch.object(partitions, "_BLOCK_ROWS", block_rows):
        sums = [
            pa.Table.from_batches(
                sums_of_family(_batches(part.sort("search_s"), batch_rows), work, by, handed),
                schema=SUMS_SCHEMA,
            )
            for by in work.shuffles
            for part in _by_key(events.filter(pl.col(by).is_not_null()), by, parts)
        ]
    together = pa.concat_tables([SUMS_SCHEMA.empty_table(), *sums])
    built = log.select(plan.read)
    if since_day is not None:
        built = built.filter(pl.col("search_day") >= since_day)
    return pl.concat(_built(built, together, work, handed, parts))


def merged_entries(found: Iterable[pl.DataFrame], number: int) -> pl.DataFrame:
    """The sums of one part from the entries of several partitions, as Spark adds them up."""
    entries_ = pl.concat(found).filter(pl.col("part") == number)
    first = entries_.filter(pl.col("value").is_not_null()).group_by("key", "value")
    counted = first.agg(pl.col("visible_s").min()).with_columns(
        pl.lit(int(n == 0), pl.Int64).alias(name) for n, name in enumerate(_SUMS)
    )
    summed = entries_.filter(pl.col("value").is_null())
    columns = ["key", "visible_s", *_SUMS]
    both = pl.concat([summed.select(columns), counted.select(columns)])
    return both.group_by("key", "visible_s").agg(pl.col(_SUMS).sum())


def _totals(log: pl.DataFrame, work: Work, parts: int) -> dict[int, pl.DataFrame]:
    if not work.summed:
        return {}
    rows = _without_order(log).select(work.plan.read_of_events)
    found = [
        pl.DataFrame(pl.from_arrow(batch))
        for part in _by_key(rows, "id_search", parts)
        for batch in entries(_batches(part, 11), work)
    ]
    numbers = range(len(stages_to_sum(work.summed)))
    none = {"part": pl.Int32, "key": pl.String, "value": pl.String, "visible_s": pl.Int64}
    empty = pl.DataFrame(schema={**none, **dict.fromkeys(_SUMS, pl.Int64)})
    return {number: merged_entries([empty, *found], number) for number in numbers}


def _vectors(log: pl.DataFrame, work: Work) -> dict[int, pl.DataFrame]:
    if not any(isinstance(s, ClickedVectorSums | ListingVectors) for s in work.plan.sources):
        return {}
    days = log["search_day"].unique()
    return {day: vectors_before(log, day) for day in days if day >= work.since_day}


def vectors_before(log: pl.DataFrame, day: int) -> pl.DataFrame:
    """The vectors that are learnt from the clicks before this day."""
    clicks = log.filter(pl.col("stage") >= int(CLICKED), pl.col("id_user").is_not_null())
    known = clicks.filter(pl.col("search_day") < day)
    return learnt_vectors(known["id_user"], known["id_listing"], VectorConfig())


def _built(
    rows: pl.DataFrame, sums: pa.Table, work: Work, handed: Handed, parts: int
) -> Iterator[pl.DataFrame]:
    frame = pl.DataFrame(pl.from_arrow(sums))
    for number in range(parts):
        own = (_group(part, "id_search", parts) == number for part in (rows, frame))
        left, right = (part.filter(is_own) for part, is_own in zip((rows, frame), own, strict=True))
        table = features_of_searches(_arrow(left), _arrow(right).cast(SUMS_SCHEMA), work, handed)
        yield pl.DataFrame(pl.from_arrow(table))


def _by_key(rows: pl.DataFrame, by: str, parts: int) -> list[pl.DataFrame]:
    group = _group(rows, by, parts)
    return [rows.filter(group == number) for number in range(parts)]


def _group(rows: pl.DataFrame, by: str, parts: int) -> pl.Series:
    return rows[by].hash(seed=1) % parts


def _without_order(rows: pl.DataFrame) -> pl.DataFrame:
    """A cluster keeps no order of rows."""
    return rows.sample(fraction=1, shuffle=True, seed=5)


def _batches(rows: pl.DataFrame, size: int) -> Iterator[pa.RecordBatch]:
    yield from _arrow(rows).to_batches(max_chunksize=size)


def _arrow(rows: pl.DataFrame) -> pa.Table:
    """In the types that Spark hands to a worker: its texts and bytes are not large."""
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    small = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
    return table.cast(pa.schema([(f.name, small.get(f.type, f.type)) for f in table.schema]))


def _sent(value: T) -> T:
    """What a worker gets: a copy that went through a pickle."""
    copy: Any = pickle.loads(pickle.dumps(value))  # noqa: S301 (our own, of this process)
    return copy  # type: ignore[no-any-return]
