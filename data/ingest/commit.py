"""From a decided staging folder into the lake: impressions, quarantine, ingests, in that order.

Each of the three is one Delta commit that also records the job's number, so that a restart
after a kill at any point does exactly what is left to do. A plan of job 7 after a kill between
the first and the second commit:

=============  ========  ===========================================
table          last job  ``commit`` of the next ingest
=============  ========  ===========================================
impressions    7         leaves it
quarantine     6         appends the quarantined rows, as job 7
ingests        6         appends the records of the files, as job 7
=============  ========  ===========================================

``ingests`` comes last: a file that stands there is taken for ingested and never read again.

A plan that redoes files replaces instead of appending: the partitions that hold rows of theirs
are written anew without them and with the new rows, and so is ``ingests``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import polars as pl
import pyarrow as pa

from data.errors import DataError, HomeError, UnfitLogError
from data.ingest.lineage import without_named_in
from data.ingest.redo import without_files
from data.ingest.row_positions import with_positions
from data.ingest.staging import IngestPlan, Staging, abandoned
from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, INGESTS, QUARANTINE

__all__ = ["HELD_DUPLICATES", "NEW_DUPLICATES", "check_types", "commit", "recover"]

# Lineage of the rows that leave the lake, and of staged rows that do not enter it.
HELD_DUPLICATES = "lost-held.parquet"
NEW_DUPLICATES = "lost-new.parquet"


def recover(lake: Lake) -> int:
    """Commit what dead ingests had decided and remove what they had not; how many committed.

    The caller holds the lake's lock. Raises :class:`HomeError` naming the folder when one
    cannot be committed now; it is kept.
    """
    committed = 0
    for staging in abandoned(lake.home):
        try:
            plan = staging.plan()
            if plan is not None:
                commit(staging, plan, lake)
                committed += 1
        except DataError as error:
            raise HomeError(
                f"{error}. This belongs to an earlier ingest that was cut off and is kept in "
                f"{staging.folder}; remove the cause and run again"
            ) from error
        finally:
            staging.close()
    return committed


def commit(staging: Staging, plan: IngestPlan, lake: Lake) -> None:
    """Write the plan into the tables that do not hold it yet, then remove the folder."""
    if lake.last_job("impressions") < plan.job:
        _write_impressions(staging, plan, lake)
    if lake.last_job("quarantine") < plan.job:
        _write_quarantine(staging, plan, lake)
    if lake.last_job("ingests") < plan.job:
        _write_ingests(plan, lake)
    staging.remove()


def _write_quarantine(staging: Staging, plan: IngestPlan, lake: Lake) -> None:
    new = chain.from_iterable(
        _batches(pl.read_parquet(part), QUARANTINE.schema)
        for kind in ("rejected", "lost")
        for part in staging.parts(kind)
    )
    if not plan.quarantine_days:
        stream = pa.RecordBatchReader.from_batches(QUARANTINE.schema, new)
        lake.append("quarantine", stream, job=plan.job)
        return
    held = chain.from_iterable(
        _batches(
            without_files(lake.scan("quarantine"), plan.redone)
            .filter(pl.col("ds_ingested") == day)
            .collect(),
            QUARANTINE.schema,
        )
        for day in plan.quarantine_days
    )
    stream = pa.RecordBatchReader.from_batches(QUARANTINE.schema, chain(held, new))
    days = [(day,) for day in plan.quarantine_days]
    lake.replace_partitions("quarantine", stream, days, job=plan.job)


def _write_ingests(plan: IngestPlan, lake: Lake) -> None:
    records = [_typed_record(record) for record in plan.ingest_records]
    new = pa.Table.from_pylist(records, INGESTS.schema)
    if not plan.redone:
        lake.append("ingests", new, job=plan.job)
        return
    held = without_files(lake.scan("ingests"), plan.redone).collect()
    batches = [*_batches(held, INGESTS.schema), *new.to_batches()]
    lake.replace_all("ingests", pa.Table.from_batches(batches, INGESTS.schema), job=plan.job)


def _typed_record(record: dict[str, object]) -> dict[str, object]:
    """A row of ``ingests``, its time read from the plan's JSON text."""
    at = pl.Series([record["ingested_at"]]).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
    return {**record, "ingested_at": at[0]}


def _write_impressions(staging: Staging, plan: IngestPlan, lake: Lake) -> None:
    parts = staging.parts("accepted")
    schema = _common_schema(parts, lake if plan.rewrites else None)
    new = _new_rows(staging, parts, schema)
    if not plan.rewrites:
        stream = pa.RecordBatchReader.from_batches(schema, new)
        lake.append("impressions", stream, job=plan.job)
        return
    held = _held_rows(staging, plan, lake, schema)
    stream = pa.RecordBatchReader.from_batches(schema, chain(held, new))
    lake.replace_partitions("impressions", stream, plan.market_days, job=plan.job)


def _common_schema(parts: list[Path], lake: Lake | None) -> pa.Schema:
    """The columns that any part (or the rewritten lake) has, in the contract's order."""
    types: dict[str, pa.DataType] = {}
    schemas = [pl.read_parquet_schema(part) for part in _one_per_file(parts)]
    if lake is not None:
        schemas.append(dict(lake.scan("impressions").collect_schema()))
    for schema in schemas:
        for name, dtype in schema.items():
            types.setdefault(name, _arrow_type(dtype))
    known = [column.field for column in IMPRESSIONS.columns if column.name in types]
    extra = [pa.field(n, t) for n, t in sorted(types.items()) if n not in IMPRESSIONS.names]
    return pa.schema([*known, *extra])


def _one_per_file(parts: list[Path]) -> list[Path]:
    return list({part.parent: part for part in parts}.values())


def _arrow_type(dtype: pl.DataType) -> pa.DataType:
    """Of an extra column: a mapping declares numbers, booleans and categories only."""
    if dtype == pl.Float64:
        return pa.float64()
    return pa.bool_() if dtype == pl.Boolean else pa.string()


def check_types(staging: Staging, lake: Lake) -> None:
    """Raise :class:`UnfitLogError` when an extra column has another type in the lake.

    Called before the plan is declared: a declared plan that cannot be committed would block
    every later ingest.
    """
    if not lake.exists("impressions"):
        return
    schema = _common_schema(staging.parts("accepted"), None)
    lake_schema = lake.scan("impressions").collect_schema()
    for field in schema:
        if field.name not in IMPRESSIONS.names and field.name in lake_schema:
            lake_type = _arrow_type(lake_schema[field.name])
            if lake_type != field.type:
                raise UnfitLogError(
                    f"{lake.home}: column {field.name} holds {lake_type} there and {field.type} "
                    "in this log; rename the extra column in the mapping, or use another --home"
                )


def _new_rows(staging: Staging, parts: list[Path], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The accepted rows without duplicates, part by part."""
    duplicates = pl.read_parquet(staging.folder / NEW_DUPLICATES)
    for part in parts:
        frame = pl.read_parquet(part)
        if duplicates.height:
            frame = without_named_in(frame, duplicates)
        yield from _batches(with_positions(frame, staging), schema)


def _held_rows(
    staging: Staging, plan: IngestPlan, lake: Lake, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """What the rewritten market-days hold already, without the rows that leave.

    Read one market-day at a time while the same table is written: until the commit a scan
    sees the version before it.
    """
    duplicates = pl.read_parquet(staging.folder / HELD_DUPLICATES)
    for market, day in plan.market_days:
        in_partition = (pl.col("market") == market) & (pl.col("ds_search") == day)
        held = without_files(lake.scan("impressions"), plan.redone).filter(in_partition)
        yield from _batches(without_named_in(held.collect(), duplicates), schema)


def _batches(frame: pl.DataFrame, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows under exactly this schema; a column that the frame lacks becomes null."""
    if frame.is_empty():
        return
    present = set(frame.columns)
    arrow = frame.select(name for name in schema.names if name in present).to_arrow()
    columns = [
        arrow[field.name].cast(field.type)
        if field.name in present
        else pa.nulls(frame.height, field.type)
        for field in schema
    ]
    yield from pa.table(columns, schema=schema).to_batches()
