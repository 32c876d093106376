"""The steps of an ingest: read and validate, then decide and commit under the lake's lock.

Files are read one after the other, chunk by chunk, into a staging folder; only when every
file has been read and every rule applied does the lake change. ``data.ingest.staging`` says
what a kill at each step leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from data.errors import DataError, HomeError
from data.ingest.commit import commit, recover
from data.ingest.known_files import known_files, originals_of
from data.ingest.logs_to_read import Asked, logs_to_read
from data.ingest.plan import IngestTerms, decide
from data.ingest.pseudonyms import check_key
from data.ingest.rejections import RejectionLimits
from data.ingest.report import FileReport, IngestReport
from data.ingest.stage_file import StagedFile, stage_file
from data.ingest.staging import Staging, abandoned_exist
from data.ingest.time_readings import read_times_as, refuse_mixed_clocks
from data.ingest.unreadable_columns import unreadable_columns
from data.lake.lock import lake_lock
from data.lake.store import Lake
from data.readers.files import SourceFile
from data.readers.open_log import Log
from data.sources.mapping import load_mapping
from data.validation.alike_markets import alike_markets
from data.validation.row_order_check import RowOrderCheck, check_row_order
from data.validation.time_reading import OffsetFoundError, TimeReading
from data.validation.warnings import find_warnings

__all__ = ["IngestOptions", "ingest"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class IngestOptions:
    """How one ingest goes about it.

    Attributes:
        encoding: of text that is neither UTF-8 nor carries a BOM, such as ``latin-1``.
        wait_s: how long to wait for another run that writes to the same home.
        pseudonym_key: puts a keyed hash in place of each guest's id; empty keeps the ids.
        redo: reads files that the lake holds again and replaces their rows: the way to correct
            a mapping.
        limits: how many rows of a file may be rejected before it is refused.
    """

    encoding: str | None = None
    wait_s: float = 600.0
    pseudonym_key: str = field(default="", repr=False)
    redo: bool = False
    limits: RejectionLimits = field(default_factory=RejectionLimits)


def ingest(
    paths: Sequence[str | Path],
    source: str | Path = "airbnb",
    *,
    home: Path,
    options: IngestOptions | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Take the logs at ``paths`` (files, folders, globs) into the lake under ``home``.

    ``source`` is a built-in mapping or the path of a TOML file. ``progress`` is called with
    the bytes read so far and the bytes of all files. All files are ingested or none: raises
    :class:`data.errors.DataError`, with the lake unchanged, when one cannot be. Content
    that the lake holds already is reported as such and left alone; where this mapping makes
    other rows of it than those that the lake holds it is refused, unless ``options.redo``
    replaces them. What an earlier run had decided and not committed is committed first.
    """
    options = options or IngestOptions()
    mapping = load_mapping(source)
    asked = Asked(mapping=mapping, source=source, encoding=options.encoding, redo=options.redo)
    job = _Job(asked=asked, lake=Lake(home), options=options, progress=progress)
    try:
        return _ingest(paths, job)
    except DataError:
        raise
    except OSError as error:
        raise HomeError(f"{home}: {error.strerror or error} ({error.filename})") from error


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What holds for all files of one ingest."""

    asked: Asked
    lake: Lake
    options: IngestOptions
    progress: Progress | None


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What was committed: ``reports`` by ``source_id``, the rest as in ``IngestReport``."""

    reports: dict[str, FileReport] = field(default_factory=dict)
    superseded: int = 0
    findings: tuple[str, ...] = ()
    recovered: int = 0
    row_order: RowOrderCheck | None = None


def _ingest(paths: Sequence[str | Path], job: _Job) -> IngestReport:
    recovered = _recover_abandoned(job)
    has_rows = job.lake.rows("impressions") > 0
    check_key(job.lake.home, job.options.pseudonym_key, has_rows=has_rows)
    found = logs_to_read(paths, job.asked, job.lake)
    outcome = _ingest_logs(list(found.logs), job) if found.logs else _Outcome()
    return IngestReport(
        source=job.asked.mapping.name,
        files=tuple(outcome.reports.get(f.source_id) or _already_ingested(f) for f in found.files),
        superseded=outcome.superseded,
        findings=(*found.findings, *outcome.findings),
        recovered=recovered + outcome.recovered,
        row_order=outcome.row_order,
    )


def _recover_abandoned(job: _Job) -> int:
    if not abandoned_exist(job.lake.home):
        return 0
    with lake_lock(job.lake.home, wait_s=job.options.wait_s):
        return recover(job.lake)


def _ingest_logs(logs: list[Log], job: _Job) -> _Outcome:
    """Stage the logs, then commit those that no other process has ingested meanwhile."""
    staging = Staging.create(job.lake.home)
    try:
        readings, found = read_times_as(logs, job.asked.mapping, job.lake)
        staged = _stage_logs(logs, readings, job, staging)
        with lake_lock(job.lake.home, wait_s=job.options.wait_s):
            recovered = recover(job.lake)
            # looked up again: the lock was not held while the logs were read
            known = known_files(job.lake)
            for log in logs:
                if log.file.source_id in known and not job.options.redo:
                    job.asked.check_same_reading(log, known, job.lake.home)
                    staging.drop(log.file.source_id)
            redone = frozenset(known) if job.options.redo else frozenset()
            staged = [f for f in staged if job.options.redo or f.source_id not in known]
            if not staged:
                return _Outcome(recovered=recovered)
            parts = staging.parts("accepted")
            held = {market for market, _ in job.lake.market_days()}
            findings = [
                *found,
                *unreadable_columns(staged, job.asked.mapping),
                *find_warnings(parts),
            ]
            findings += alike_markets(parts, held)
            row_order = check_row_order(parts, is_declared=job.asked.mapping.position_is_row_order)
            terms = IngestTerms(
                mapping=job.asked.mapping,
                readings={log.file.source_id: job.asked.reading_of(log.file) for log in logs},
                redone=redone & {file.source_id for file in staged},
                originals={
                    file.source_id: originals_of(known, file.source_id)
                    for file in staged
                    if file.source_id in redone
                },
                limits=job.options.limits,
            )
            decision = decide(staged, terms, staging, job.lake)
            commit(staging, decision.plan, job.lake)
            return _Outcome(
                reports=decision.reports,
                superseded=decision.superseded,
                findings=(*findings, *decision.findings),
                recovered=recovered,
                row_order=row_order,
            )
    finally:
        staging.close()


def _stage_logs(
    logs: list[Log], readings: Sequence[TimeReading], job: _Job, staging: Staging
) -> list[StagedFile]:
    """Stage the logs; anew, with instants, when the first time with an offset is met."""
    try:
        return _stage_with(logs, readings, job, staging)
    except OffsetFoundError:
        redone = [log.file.source_id for log in logs] if job.options.redo else []
        refuse_mixed_clocks(job.lake, logs[0].file.name, redone)
        for log in logs:
            staging.drop(log.file.source_id)
        told = [replace(reading, keeps_instants=True) for reading in readings]
        return _stage_with(logs, told, job, staging)


def _stage_with(
    logs: list[Log], readings: Sequence[TimeReading], job: _Job, staging: Staging
) -> list[StagedFile]:
    total = sum(log.file.stamp[0] for log in logs)
    bytes_before = 0
    staged = []
    for log, times in zip(logs, readings, strict=True):

        def report(bytes_read: int, bytes_before: int = bytes_before) -> None:
            if job.progress is not None:
                job.progress(bytes_before + bytes_read, total)

        key = job.options.pseudonym_key
        staged.append(
            stage_file(log, job.asked.mapping, staging, report, times=times, pseudonym_key=key)
        )
        report(log.file.stamp[0])
        bytes_before += log.file.stamp[0]
    return staged


def _already_ingested(file: SourceFile) -> FileReport:
    return FileReport(
        file=file.name, source_id=file.source_id, status="already ingested", quarantined={}
    )
