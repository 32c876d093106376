"""The features on a Spark cluster: the arithmetic of one machine, where the rows lie.

Spark moves rows and nothing else; what is computed is computed by the functions of
:mod:`features.on_spark.partitions`, on Arrow batches, and so to the last bit as on one machine.

====  =================================  ==================================================
step  rows lie together by               what comes out
====  =================================  ==================================================
1     nothing: where they are            sums of few keys (cell, market, room type) by the
                                         hour: a small table, handed to every worker
2     day, clicks alone                  the vectors of the day: small, handed to every worker
3     guest, in order of time            packed sums of each search, and of each impression
4     listing, in order of time          packed sums of each impression
5     search, with its packed sums       the features
====  =================================  ==================================================

The driver holds the two small tables, and no row. A guest or a listing with very many rows makes
a long task, and not a large one: rows are sorted by Spark, on disk where need be, and are
fed block by block. Workers need this package (see ``docs/scaling.md``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from data.schema.tables import CLICKED
from features.build import build_features, planned
from features.formulas.listing_vectors import VectorConfig, vector_names
from features.history.clicked_vectors import ClickedVectorSums, ListingVectors, learnt_vectors
from features.history.known_totals import MOST_SUMS, stages_to_sum
from features.on_spark.handed import Handed
from features.on_spark.partitions import (
    SUMS_SCHEMA,
    entries,
    features_of_searches,
    sums_of_family,
)
from features.on_spark.spark_types import columns_of, frame_of, spark_schema, to_spark
from features.on_spark.work import Work

__all__ = ["build_on_spark"]

_ROWS_PER_GROUP = 50_000
_SUMS = tuple(f"s{n}" for n in range(MOST_SUMS))
_VECTORS = vector_names(VectorConfig())


def build_on_spark(
    impressions: Any, *, features: FeatureSet, rows: int, since_day: int | None = None
) -> Any:
    """The features of impressions, a Spark frame with their outcomes: as many rows, in any order.

    Args:
        impressions: a Spark frame of the impressions table.
        features: what to build.
        rows: about how many rows there are, to cut them into groups of bounded size.
        since_day: only rows of this day or later are built; days since 1970.

    The columns are those of :func:`features.build.build_features`, in Spark's types: what is
    unsigned there is signed here. Raises as that does.
    """
    columns = columns_of(impressions)
    plan = planned(columns, columns, features)
    work = Work.of(columns, features, since_day)
    handed = impressions.sparkSession.sparkContext.broadcast(_handed(impressions, work))
    events = impressions.select(*plan.read_of_events)
    built = impressions.select(*plan.read)
    if since_day is not None:
        built = built.filter(built["search_day"] >= since_day)
    families = [_sums(events, work, by, handed) for by in work.shuffles]
    return _beside(built, families, work, handed, rows)


def _handed(impressions: Any, work: Work) -> Handed:
    return Handed(totals=_totals(impressions, work), vectors=_vectors(impressions, work))


def _totals(impressions: Any, work: Work) -> dict[int, pl.DataFrame]:
    """The sums of few keys, of each part by its number."""
    from pyspark.sql import functions as f

    parts = stages_to_sum(work.summed)
    if not parts:
        return {}
    schema = f"part int, key string, value string, visible_s bigint, {_bigints(_SUMS)}"
    rows = impressions.select(*work.plan.read_of_events)
    found = rows.mapInArrow(partial(_entries, work=work), schema)
    # A distinct value counts from its earliest second, and once.
    first = found.filter("value is not null").groupBy("part", "key", "value")
    ones = [f.lit(int(name == _SUMS[0])).alias(name) for name in _SUMS]
    first = first.agg(f.min("visible_s").alias("visible_s"), *ones)
    sums = found.filter("value is null").select("part", "key", "visible_s", *_SUMS)
    together = sums.unionByName(first.select("part", "key", "visible_s", *_SUMS))
    added = [f.sum(name).cast("bigint").alias(name) for name in _SUMS]
    table = frame_of(together.groupBy("part", "key", "visible_s").agg(*added).toArrow())
    return {number: table.filter(pl.col("part") == number) for number in range(len(parts))}


def _vectors(impressions: Any, work: Work) -> dict[int, pl.DataFrame]:
    """The vectors of each day that is built, learnt from the clicks of the days before it."""
    from pyspark.sql import functions as f

    if not any(isinstance(s, ClickedVectorSums | ListingVectors) for s in work.plan.sources):
        return {}
    days = impressions.select("search_day").filter(f.col("search_day") >= work.since_day).distinct()
    clicks = impressions.filter((f.col("stage") >= int(CLICKED)) & f.col("id_user").isNotNull())
    pairs = clicks.groupBy("id_user", "id_listing").agg(f.min("search_day").alias("first_day"))
    known = f.broadcast(days).join(pairs, f.col("first_day") < f.col("search_day"))
    schema = f"search_day int, id_listing string, {_bigints(_VECTORS)}"
    learnt = known.select("search_day", "id_user", "id_listing").groupBy("search_day")
    table = frame_of(learnt.applyInArrow(_learnt, schema).toArrow())
    by_day = table.partition_by("search_day", as_dict=True, include_key=False)
    return {int(day[0]): of_day for day, of_day in by_day.items()}


def _sums(events: Any, work: Work, by: str, handed: Any) -> Any:
    """The packed sums of a family of sources: the rows of each key together, in order of time."""
    work_of = partial(_family, work=work, by=by, handed=handed)
    # A row without a key has no past of this family: its sums are null wherever they are asked.
    of_key = events.filter(events[by].isNotNull()).repartition(by).sortWithinPartitions("search_s")
    return of_key.mapInArrow(work_of, "id_search string, id_listing string, part int, sums binary")


def _beside(built: Any, families: list[Any], work: Work, handed: Any, rows: int) -> Any:
    """The rows of some searches together with their sums, and from both the features."""
    from pyspark.sql import functions as f

    session = built.sparkSession
    sums = families[0] if families else session.createDataFrame([], spark_schema(SUMS_SCHEMA))
    for further in families[1:]:
        sums = sums.unionByName(further)
    group = f.pmod(f.xxhash64("id_search"), f.lit(max(1, -(-rows // _ROWS_PER_GROUP))))
    left = built.withColumn("_group", group).groupBy("_group")
    right = sums.withColumn("_group", group).groupBy("_group")
    no_rows = build_features(work.empty(), work.empty(), features=work.features)
    schema = spark_schema(to_spark(no_rows).schema)
    return left.cogroup(right).applyInArrow(partial(_features, work=work, handed=handed), schema)


def _entries(batches: Iterator[pa.RecordBatch], work: Work) -> Iterator[pa.RecordBatch]:
    return entries(batches, work)


def _family(
    batches: Iterator[pa.RecordBatch], work: Work, by: str, handed: Any
) -> Iterator[pa.RecordBatch]:
    return sums_of_family(batches, work, by, handed.value)


def _features(rows: pa.Table, sums: pa.Table, work: Work, handed: Any) -> pa.Table:
    return features_of_searches(rows.drop_columns("_group"), sums, work, handed.value)


def _learnt(clicks: pa.Table) -> pa.Table:
    """The vectors of one day, from the pairs of guest and listing that were clicked before it."""
    frame = frame_of(clicks)
    learnt = learnt_vectors(frame["id_user"], frame["id_listing"], VectorConfig())
    day = pl.lit(frame["search_day"][0], pl.Int32).alias("search_day")
    return to_spark(learnt.select(day, "id_listing", *_VECTORS))


def _bigints(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} bigint" for name in names)
