"""From a decided staging folder into the lake: impressions, quarantine, ledger, in that order.

Each of the three is one Delta commit that also records the job's number, so that a restart
after a kill at any point does exactly what is left to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from data.errors import DataError, HomeError
from data.ingest.staging import IngestPlan, Staging, abandoned
from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, INGESTS, QUARANTINE

__all__ = ["check_types", "commit", "recover"]

LOST_HELD = "lost-held.parquet"
LOST_NEW = "lost-new.parquet"


def recover(lake: Lake) -> int:
    """Finish what dead ingests had decided, discard what they had not; how many finished.

    The caller holds the lake's lock. Raises :class:`HomeError` naming the folder when one
    cannot be finished now; it is kept.
    """
    finished = 0
    for staging in abandoned(lake.home):
        try:
            plan = staging.plan()
            if plan is not None:
                commit(staging, plan, lake)
                finished += 1
        except DataError as error:
            raise HomeError(
                f"{error}. This belongs to an earlier ingest that was cut off and is kept in "
                f"{staging.folder}; remove the cause and run again"
            ) from error
        finally:
            staging.close()
    return finished


def commit(staging: Staging, plan: IngestPlan, lake: Lake) -> None:
    """Write the plan into the tables that do not hold it yet, then remove the folder."""
    if lake.last_job("impressions") < plan.job:
        _write_impressions(staging, plan, lake)
    if lake.last_job("quarantine") < plan.job:
        parts = [*staging.parts("rejected"), *staging.parts("lost")]
        lake.append("quarantine", _reader(parts, QUARANTINE.schema), job=plan.job)
    if lake.last_job("ingests") < plan.job:
        ledger = pa.Table.from_pylist([_ingest_record(row) for row in plan.ledger], INGESTS.schema)
        lake.append("ingests", ledger, job=plan.job)
    staging.remove()


def _ingest_record(row: dict[str, object]) -> dict[str, object]:
    at = pl.Series([row["ingested_at"]]).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
    return {**row, "ingested_at": at[0]}


def _write_impressions(staging: Staging, plan: IngestPlan, lake: Lake) -> None:
    parts = staging.parts("accepted")
    schema = _schema(parts, lake if plan.rewrites else None)
    new = _winners(staging, parts, schema)
    if not plan.rewrites:
        stream = pa.RecordBatchReader.from_batches(schema, new)
        lake.append("impressions", stream, job=plan.job)
        return
    kept = _kept(staging, plan, lake, schema)
    stream = pa.RecordBatchReader.from_batches(schema, _chain(kept, new))
    lake.replace_partitions("impressions", stream, plan.market_days, job=plan.job)


def _chain(*streams: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for stream in streams:
        yield from stream


def _schema(parts: list[Path], lake: Lake | None) -> pa.Schema:
    """The columns that any part (or the rewritten lake) has, in the contract's order."""
    found: dict[str, pa.DataType] = {}
    schemas = [pl.read_parquet_schema(part) for part in _one_per_file(parts)]
    if lake is not None:
        schemas.append(dict(lake.scan("impressions").collect_schema()))
    for schema in schemas:
        for name, dtype in schema.items():
            found.setdefault(name, _arrow_type(dtype))
    if not found:
        return IMPRESSIONS.schema
    known = [column.field for column in IMPRESSIONS.columns if column.name in found]
    extra = [pa.field(n, t) for n, t in sorted(found.items()) if n not in IMPRESSIONS.names]
    return pa.schema([*known, *extra])


def _one_per_file(parts: list[Path]) -> list[Path]:
    return list({part.parent: part for part in parts}.values())


def _arrow_type(dtype: pl.DataType) -> pa.DataType:
    if dtype == pl.Float64:
        return pa.float64()
    return pa.bool_() if dtype == pl.Boolean else pa.string()


def check_types(staging: Staging, lake: Lake) -> None:
    """Raise :class:`HomeError` when an extra column has another type in the lake.

    Before the plan is declared: what is declared must be possible.
    """
    if not lake.exists("impressions"):
        return
    schema = _schema(staging.parts("accepted"), None)
    held = lake.scan("impressions").collect_schema()
    for field in schema:
        if field.name not in IMPRESSIONS.names and field.name in held:
            there = _arrow_type(held[field.name])
            if there != field.type:
                raise HomeError(
                    f"{lake.home}: column {field.name} holds {there} there and {field.type} in "
                    "this log; rename the extra column in the mapping, or use another --home"
                )


def _winners(staging: Staging, parts: list[Path], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The accepted rows without the losers, part by part."""
    lost = pl.read_parquet(staging.folder / LOST_NEW)
    for part in parts:
        frame = pl.read_parquet(part)
        if lost.height:
            frame = frame.join(lost, on=["source_id", "source_line"], how="anti")
        yield from _conformed(frame, schema)


def _kept(
    staging: Staging, plan: IngestPlan, lake: Lake, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """What the rewritten market-days hold already, without the rows that leave."""
    lost = pl.scan_parquet(staging.folder / LOST_HELD)
    for market, day in plan.market_days:
        here = (pl.col("market") == market) & (pl.col("ds_search") == day)
        held = lake.scan("impressions").filter(here)
        frame = held.join(lost, on=["source_id", "source_line"], how="anti").collect()
        yield from _conformed(frame, schema)


def _conformed(frame: pl.DataFrame, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
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


def _reader(parts: list[Path], schema: pa.Schema) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        for part in parts:
            yield from _conformed(pl.read_parquet(part), schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
