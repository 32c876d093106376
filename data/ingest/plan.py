"""Decide, under the lake's lock, what an ingest will commit, and write it down as its plan."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from collections.abc import Mapping as Dict
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from data.errors import LogError, UnfitLogError
from data.ingest.commit import HELD_DUPLICATES, NEW_DUPLICATES, check_types
from data.ingest.deduplicate import DuplicateRows, find_duplicates
from data.ingest.known_files import digest_of
from data.ingest.lineage import LINEAGE, only_named_in
from data.ingest.reason_examples import count_reasons
from data.ingest.redo import LeavingRows, leaving_rows, without_files
from data.ingest.rejections import RejectionLimits, check_rejections
from data.ingest.report import DayRows, FileReport, NulledValues
from data.ingest.row_positions import place_rows
from data.ingest.stage_file import StagedFile, as_quarantine
from data.ingest.staging import IngestPlan, Staging
from data.lake.store import Lake
from data.readers.chunk import rows_as_json
from data.sources.mapping import Mapping

__all__ = ["IngestDecision", "IngestTerms", "decide"]

_TABLES = ("impressions", "quarantine", "ingests")


@dataclass(frozen=True, kw_only=True)
class IngestTerms:
    """What an ingest is decided by, beside its rows.

    Attributes:
        mapping: of all its files.
        readings: ``source_id`` → what the file is read with (``data.ingest.known_files``).
        redone: ``source_id`` of the files whose rows in the lake are replaced.
        originals: redone file → files in whose place it stands: their rows are replaced.
        limits: how many rows of a file may be rejected.
    """

    mapping: Mapping
    readings: Dict[str, str] = field(default_factory=dict)
    redone: frozenset[str] = frozenset()
    originals: Dict[str, frozenset[str]] = field(default_factory=dict)
    limits: RejectionLimits = field(default_factory=RejectionLimits)


@dataclass(frozen=True, kw_only=True)
class IngestDecision:
    """The plan, now on disk; the report on each file; how many older rows leave the lake.

    ``findings`` are sentences for the report.
    """

    plan: IngestPlan
    reports: dict[str, FileReport]
    superseded: int
    findings: tuple[str, ...] = ()


def decide(
    staged: list[StagedFile], terms: IngestTerms, staging: Staging, lake: Lake
) -> IngestDecision:
    """Apply the rules over several rows, then declare the staging folder ready.

    Raises :class:`UnfitLogError` when the home holds another origin, or an extra column of
    another type; :class:`LogError` when too many rows of a file are rejected, or when simulated
    and real files come together.
    """
    mapping, redone = terms.mapping, terms.redone.union(*terms.originals.values())
    is_simulated = _is_simulated(staged)
    if any(file.rows_accepted for file in staged):
        _check_origin(lake, _origin(mapping.name, is_simulated=is_simulated), redone)
    check_types(staging, lake)
    order = [file.source_id for file in staged]
    rows = sum(file.rows_accepted for file in staged)
    duplicates = find_duplicates(staging, lake, order, rows, redone)
    warnings = check_rejections(staged, duplicates, terms.limits, staging)
    duplicates.new.select(LINEAGE).write_parquet(staging.folder / NEW_DUPLICATES)
    duplicates.held.select(LINEAGE).write_parquet(staging.folder / HELD_DUPLICATES)
    findings = (
        place_rows(staging, lake, order, sum(file.rows_in for file in staged), redone)
        if mapping.position_is_row_order
        else ()
    )
    _quarantine_new(duplicates.new, staged, staging)
    _quarantine_held(duplicates.held, staging, lake)
    leaving = leaving_rows(lake, redone, staging)
    days = _market_days(staging, duplicates)
    reports = {
        file.source_id: _report(
            file, duplicates, days, warnings[file.source_id], _status(file, terms, leaving)
        )
        for file in staged
    }
    plan = IngestPlan(
        # above the last job of every table: one of them may have been made only later
        job=1 + max(lake.last_job(table) for table in _TABLES),
        ingest_records=[
            _ingest_record(
                reports[file.source_id],
                mapping,
                terms.readings.get(file.source_id),
                is_simulated=file.is_simulated,
            )
            for file in staged
        ],
        market_days=_changed_market_days(days, duplicates, leaving),
        rewrites=duplicates.held.height > 0 or bool(leaving.market_days),
        redone=sorted(redone),
        quarantine_days=list(leaving.quarantine_days),
    )
    staging.declare_ready(plan)
    findings = (*(text for file in staged for text in _of_file(file)), *findings)
    return IngestDecision(
        plan=plan,
        reports=reports,
        superseded=duplicates.held.height,
        findings=(*findings, *leaving.findings),
    )


def _of_file(file: StagedFile) -> list[str]:
    return [f"{file.name}: {finding}" for finding in file.findings]


def _is_simulated(staged: list[StagedFile]) -> bool:
    """Whether the files with rows are simulated; they are all, or none."""
    with_rows = [file for file in staged if file.rows_accepted]
    simulated = [file for file in with_rows if file.is_simulated]
    real = [file for file in with_rows if not file.is_simulated]
    if simulated and real:
        raise LogError(
            simulated[0].name,
            f"is simulated and {real[0].name} is not; simulated and real rows are never mixed. "
            "Ingest them into homes of their own (--home)",
        )
    return bool(simulated)


def _status(file: StagedFile, terms: IngestTerms, leaving: LeavingRows) -> dict[str, Any]:
    if file.source_id not in terms.redone:
        return {}
    own = {file.source_id, *terms.originals.get(file.source_id, ())}
    return {"status": "redone", "replaced": sum(leaving.accepted.get(name, 0) for name in own)}


def _check_origin(lake: Lake, own: str, redone: Collection[str]) -> None:
    """One home holds one origin: figures of a simulated and a real log never mix."""
    if not lake.exists("ingests"):
        return
    # a file without accepted rows has put nothing into the lake
    records = without_files(lake.scan("ingests"), redone).filter(pl.col("rows_accepted") > 0)
    for source, is_simulated in records.select("source", "is_simulated").unique().collect().rows():
        origin = _origin(source, is_simulated=is_simulated)
        if origin != own:
            raise UnfitLogError(
                f"{lake.home}: this home holds {origin} rows; {own} rows belong in a home of "
                "their own. Name one with --home"
            )


def _origin(source: str, *, is_simulated: bool) -> str:
    return "simulated" if is_simulated else source


def _quarantine_new(new: pl.DataFrame, staged: list[StagedFile], staging: Staging) -> None:
    """Stage quarantine rows for staged rows that do not enter the lake."""
    if new.is_empty():
        return
    names = {file.source_id: file.name for file in staged}
    for number, part in enumerate(staging.parts("accepted")):
        rows = _quarantine_rows(pl.read_parquet(part), new, names)
        if rows.height:
            staging.write(part.parent.name, "lost", number, rows)


def _quarantine_held(held: pl.DataFrame, staging: Staging, lake: Lake) -> None:
    """Stage quarantine rows for rows that leave the lake, read one market-day at a time."""
    if held.is_empty():
        return
    names = dict(lake.scan("ingests").select("source_id", "source_file").collect().rows())
    days = held.select("market", "ds_search").unique().sort("market", "ds_search")
    for number, (market, day) in enumerate(days.rows()):
        in_partition = (pl.col("market") == market) & (pl.col("ds_search") == day)
        impressions = lake.scan("impressions").filter(in_partition).collect()
        # under a folder of its own: these rows belong to none of the files of this ingest
        staging.write("held", "lost", number, _quarantine_rows(impressions, held, names))


def _quarantine_rows(
    impressions: pl.DataFrame, duplicates: pl.DataFrame, names: dict[str, str]
) -> pl.DataFrame:
    """The duplicates among these impressions as rows of ``quarantine``: the typed row as JSON."""
    rows = only_named_in(impressions, duplicates.select(*LINEAGE, "reasons"))
    whole = rows.drop("reasons", *LINEAGE)
    return as_quarantine(rows.with_columns(rows_as_json(whole)), names)


def _market_days(staging: Staging, duplicates: DuplicateRows) -> pl.DataFrame:
    """``source_id``, ``market``, ``ds_search``, ``rows`` of what will be accepted."""
    by = ["source_id", "market", "ds_search"]
    schema = {"source_id": pl.String, "market": pl.String, "ds_search": pl.Date}
    rows = pl.scan_parquet(
        staging.parts("accepted"), schema=schema, extra_columns="ignore", glob=False
    )
    accepted = rows.group_by(by).agg(rows=pl.len().cast(pl.Int64)).collect(engine="streaming")
    leaving = duplicates.new.group_by(by).agg(leaving=pl.len().cast(pl.Int64))
    return (
        accepted.join(leaving, on=by, how="left")
        .with_columns(rows=pl.col("rows") - pl.col("leaving").fill_null(0))
        .filter(pl.col("rows") > 0)
        .sort(by)
        .drop("leaving")
    )


def _changed_market_days(
    days: pl.DataFrame, duplicates: DuplicateRows, leaving: LeavingRows
) -> list[tuple[str, date]]:
    both = pl.concat([frame.select("market", "ds_search") for frame in (days, duplicates.held)])
    return sorted({*both.rows(), *leaving.market_days})


def _report(
    file: StagedFile,
    duplicates: DuplicateRows,
    days: pl.DataFrame,
    warnings: tuple[str, ...],
    status: dict[str, Any],
) -> FileReport:
    leaving = duplicates.new.filter(pl.col("source_id") == file.source_id)
    reasons: Counter[str] = file.reasons + count_reasons(leaving["reasons"])
    own_days = days.filter(pl.col("source_id") == file.source_id)
    accepted = file.rows_accepted - leaving.height
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
        warnings=warnings,
        **status,
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


def _ingest_record(
    report: FileReport, mapping: Mapping, reading: str | None, *, is_simulated: bool
) -> dict[str, object]:
    """A row of the table ``ingests``, as JSON can hold it."""
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
        "read_as": reading,
        "read_as_digest": digest_of(reading) if reading else None,
    }
