"""Decides, under the lake's lock, what an ingest will commit, and writes it down."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

import polars as pl

from data.errors import HomeError
from data.ingest.commit import LOST_HELD, LOST_NEW, check_types
from data.ingest.deduplicate import DuplicateRows, resolve
from data.ingest.report import DayRows, FileReport, NulledValues
from data.ingest.stage_file import StagedFile, as_quarantine, count_reasons
from data.ingest.staging import IngestPlan, Staging
from data.lake.store import Lake
from data.sources.mapping import Mapping
from data.validation.validate_chunk import rows_as_json

__all__ = ["IngestDecision", "decide"]

_TABLES = ("impressions", "quarantine", "ingests")
_LINEAGE = ["source_id", "source_line"]


@dataclass(frozen=True, kw_only=True)
class IngestDecision:
    """The plan, now on disk; the report on each file; how many older rows leave the lake."""

    plan: IngestPlan
    reports: dict[str, FileReport]
    superseded: int


def decide(
    staged: list[StagedFile], mapping: Mapping, staging: Staging, lake: Lake
) -> IngestDecision:
    """Apply the rules over several rows, then declare the staging folder ready.

    Raises :class:`HomeError` when the home holds another origin, or an extra column of
    another type.
    """
    is_simulated = any(file.simulated for file in staged)
    _check_origin(lake, mapping, is_simulated, has_rows=any(f.rows_accepted for f in staged))
    check_types(staging, lake)
    order = [file.source_id for file in staged]
    losers = resolve(staging, lake, order, sum(file.rows_accepted for file in staged))
    losers.new.select(_LINEAGE).write_parquet(staging.folder / LOST_NEW)
    losers.held.select(_LINEAGE).write_parquet(staging.folder / LOST_HELD)
    _store_lost(losers, staged, staging, lake)
    days = _market_days(staging, losers)
    reports = {file.source_id: _report(file, losers, days) for file in staged}
    plan = IngestPlan(
        job=1 + max(lake.last_job(table) for table in _TABLES),
        ledger=[_ingest_record(reports[f.source_id], mapping, bool(f.simulated)) for f in staged],
        market_days=_touched(days, losers),
        rewrites=losers.held.height > 0,
    )
    staging.declare_ready(plan)
    return IngestDecision(plan=plan, reports=reports, superseded=losers.held.height)


def _check_origin(lake: Lake, mapping: Mapping, is_simulated: bool, *, has_rows: bool) -> None:
    """One home holds one origin: figures of a simulated and a real log never mix."""
    if not has_rows or not lake.exists("ingests"):
        return
    held = lake.scan("ingests").filter(pl.col("rows_accepted") > 0)
    origins = held.select("source", "is_simulated").unique().collect().rows()
    own = _origin(mapping.name, is_simulated)
    for source, simulated in origins:
        there = _origin(source, simulated)
        if there != own:
            raise HomeError(
                f"{lake.home}: this home holds {there} rows; {own} rows belong in a home of "
                "their own. Name one with --home"
            )


def _origin(source: str, is_simulated: bool) -> str:
    return "simulated" if is_simulated else source


def _store_lost(
    losers: DuplicateRows, staged: list[StagedFile], staging: Staging, lake: Lake
) -> None:
    """Quarantine rows of the losers: the typed row as JSON, with its own lineage."""
    names = {file.source_id: file.name for file in staged}
    reasons = losers.new.select(*_LINEAGE, "reasons")
    if losers.new.height:
        for number, part in enumerate(staging.parts("accepted")):
            _store_part(pl.read_parquet(part), reasons, names, (staging, part.parent.name, number))
    if losers.held.height:
        names = dict(lake.scan("ingests").select("source_id", "source_file").collect().rows())
        reasons = losers.held.select(*_LINEAGE, "reasons")
        days = losers.held.select("market", "ds_search").unique().sort("market", "ds_search")
        for number, (market, day) in enumerate(days.rows()):
            here = (pl.col("market") == market) & (pl.col("ds_search") == day)
            held = lake.scan("impressions").filter(here).collect()
            _store_part(held, reasons, names, (staging, "held", number))


def _store_part(
    rows: pl.DataFrame,
    reasons: pl.DataFrame,
    names: dict[str, str],
    where: tuple[Staging, str, int],
) -> None:
    lost = rows.join(reasons, on=_LINEAGE, how="inner")
    if lost.is_empty():
        return
    whole = lost.drop("reasons", *_LINEAGE)
    staging, folder, number = where
    quarantined = as_quarantine(lost.with_columns(rows_as_json(whole)), names)
    staging.write(folder, "lost", number, quarantined)


def _market_days(staging: Staging, losers: DuplicateRows) -> pl.DataFrame:
    """``source_id``, ``market``, ``ds_search``, ``rows`` of what will be accepted."""
    by = ["source_id", "market", "ds_search"]
    schema = {"source_id": pl.String, "market": pl.String, "ds_search": pl.Date}
    rows = pl.scan_parquet(
        staging.parts("accepted"), schema=schema, extra_columns="ignore", glob=False
    )
    accepted = rows.group_by(by).agg(rows=pl.len().cast(pl.Int64)).collect(engine="streaming")
    lost = losers.new.group_by(by).agg(lost=pl.len().cast(pl.Int64))
    return (
        accepted.join(lost, on=by, how="left")
        .with_columns(rows=pl.col("rows") - pl.col("lost").fill_null(0))
        .filter(pl.col("rows") > 0)
        .sort(by)
        .drop("lost")
    )


def _touched(days: pl.DataFrame, losers: DuplicateRows) -> list[tuple[str, date]]:
    both = pl.concat([frame.select("market", "ds_search") for frame in (days, losers.held)])
    return both.unique().sort("market", "ds_search").rows()


def _report(file: StagedFile, losers: DuplicateRows, days: pl.DataFrame) -> FileReport:
    lost = losers.new.filter(pl.col("source_id") == file.source_id)
    reasons: Counter[str] = file.reasons + count_reasons(lost["reasons"])
    own_days = days.filter(pl.col("source_id") == file.source_id)
    accepted = file.rows_accepted - lost.height
    return FileReport(
        file=file.name,
        source_id=file.source_id,
        rows_in=file.rows_in,
        rows_accepted=accepted,
        rows_quarantined=file.rows_in - accepted,
        quarantined=dict(sorted(reasons.items())),
        nulled=tuple(_nulled(file)),
        absent=file.absent,
        ignored=file.ignored,
        market_days=tuple(
            DayRows(market=market, ds_search=day.isoformat(), rows=rows)
            for _, market, day, rows in own_days.rows()
        ),
    )


def _nulled(file: StagedFile) -> list[NulledValues]:
    return [
        NulledValues(
            column=column,
            reason=str(reason),
            count=count,
            line=file.examples[column, reason].line,
            value=file.examples[column, reason].value,
        )
        for (column, reason), count in sorted(file.nulled.items())
    ]


def _ingest_record(report: FileReport, mapping: Mapping, is_simulated: bool) -> dict[str, object]:
    return {
        "source_id": report.source_id,
        "source_file": report.file,
        "source": mapping.name,
        "is_simulated": is_simulated,
        "rows_in": report.rows_in,
        "rows_accepted": report.rows_accepted,
        "rows_quarantined": report.rows_quarantined,
        "ingested_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "report": json.dumps(asdict(report)),
    }
