"""The order of an ingest: read and judge, then decide and commit under the lake's lock.

The work goes file by file and block by block into a staging folder; only when every file
has been read and every rule applied does the lake change. See ``data.ingest.staging`` for
what a kill leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.errors import DataError, HomeError
from data.ingest.commit import commit, recover
from data.ingest.plan import decide
from data.ingest.pseudonyms import check_key
from data.ingest.report import FileReport, IngestReport
from data.ingest.stage_file import StagedFile, stage_file
from data.ingest.staging import Staging, abandoned_exist
from data.lake.lock import lake_lock
from data.lake.store import Lake
from data.readers.files import SourceFile, find_files, identify
from data.readers.open_log import Log, open_log
from data.sources.mapping import Mapping, load_mapping
from data.validation.warnings import find_warnings

__all__ = ["IngestOptions", "ingest"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class IngestOptions:
    """How to read, and how long to wait.

    Attributes:
        encoding: of text that is neither UTF-8 nor carries a BOM, such as ``latin-1``.
        wait_s: how long to wait for another run that writes to the same home.
        pseudonym_key: puts a keyed hash in place of each guest's id; empty keeps the ids.
    """

    encoding: str | None = None
    wait_s: float = 600.0
    pseudonym_key: str = field(default="", repr=False)


def ingest(
    paths: Sequence[str | Path],
    source: str | Path = "airbnb",
    *,
    home: Path,
    options: IngestOptions | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Take the logs at ``paths`` (files, folders, globs) into the lake under ``home``.

    ``source`` is a built-in mapping or the path of a TOML file. ``progress`` is told the
    bytes read and the bytes in all. All files are taken or none: raises
    :class:`data.errors.DataError`, with the lake unchanged, when one cannot be. Content
    that the lake holds already is reported as such and left alone. Work that an earlier
    run had decided and not finished is finished first.
    """
    options = options or IngestOptions()
    mapping = load_mapping(source)
    lake = Lake(home)
    try:
        recovered = _recover(lake, options)
        check_key(home, options.pseudonym_key, has_rows=lake.rows("impressions") > 0)
        files = _identified(paths)
        known = _known(lake)
        fresh = [file for file in files if file.source_id not in known]
        logs = [open_log(file, encoding=options.encoding) for file in fresh]
        for log in logs:
            mapping.rules_for(log.columns, log.file.name)
        return _take_in(files, logs, mapping, lake, (options, progress, recovered))
    except DataError:
        raise
    except OSError as error:
        raise HomeError(f"{home}: {error.strerror or error} ({error.filename})") from error


def _recover(lake: Lake, options: IngestOptions) -> int:
    if not abandoned_exist(lake.home):
        return 0
    with lake_lock(lake.home, wait_s=options.wait_s):
        return recover(lake)


def _identified(paths: Sequence[str | Path]) -> list[SourceFile]:
    """The files, each content once: the first name it came under counts."""
    return list({f.source_id: f for f in map(identify, find_files(paths))}.values())


def _known(lake: Lake) -> set[str]:
    """``source_id`` of every file that the lake holds."""
    if not lake.exists("ingests"):
        return set()
    return set(lake.scan("ingests").select("source_id").collect()["source_id"].to_list())


def _take_in(
    files: list[SourceFile],
    logs: list[Log],
    mapping: Mapping,
    lake: Lake,
    how: tuple[IngestOptions, Progress | None, int],
) -> IngestReport:
    options, progress, recovered = how
    reports: dict[str, FileReport] = {}
    superseded, findings = 0, []
    if logs:
        staging = Staging.create(lake.home)
        try:
            staged = _staged(logs, mapping, staging, (options.pseudonym_key, progress))
            with lake_lock(lake.home, wait_s=options.wait_s):
                recovered += recover(lake)
                known = _known(lake)
                for file in staged:
                    if file.source_id in known:
                        staging.drop(file.source_id)
                staged = [file for file in staged if file.source_id not in known]
                if staged:
                    findings = find_warnings(staging.parts("accepted"))
                    decision = decide(staged, mapping, staging, lake)
                    reports, superseded = decision.reports, decision.superseded
                    commit(staging, decision.plan, lake)
        finally:
            staging.close()
    return IngestReport(
        source=mapping.name,
        files=tuple(reports.get(file.source_id) or _already(file) for file in files),
        superseded=superseded,
        findings=tuple(findings),
        recovered=recovered,
    )


def _staged(
    logs: list[Log], mapping: Mapping, staging: Staging, how: tuple[str, Progress | None]
) -> list[StagedFile]:
    key, progress = how
    total = sum(log.file.stamp[0] for log in logs)
    before = 0
    staged = []
    for log in logs:

        def told(done: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        staged.append(stage_file(log, mapping, staging, told, pseudonym_key=key))
        told(log.file.stamp[0])
        before += log.file.stamp[0]
    return staged


def _already(file: SourceFile) -> FileReport:
    return FileReport(
        file=file.name, source_id=file.source_id, status="already ingested", quarantined={}
    )
