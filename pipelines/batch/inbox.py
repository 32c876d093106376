"""The inbox: ingest the files in it one by one, then classify the day's log as a whole.

Before the batch of 20 January, whose newest log is of the 19th, and after it::

    inbox/2026-01-19.parquet       inbox/taken/2026-01-19.parquet
    inbox/broken.csv               inbox/refused/broken.csv
                                   inbox/refused/broken.csv.reason.txt
    inbox/2026-01-20.csv.part      inbox/2026-01-20.csv.part     still being delivered

Where guests are pseudonymised a file is deleted when it was ingested or refused, since it holds
their ids; the reason of a refusal quotes nothing of it. The sender has the file.
A file is being delivered while its name begins with a dot or ends in ``.part`` or ``.tmp``.

The day is then one of these, the first that fits::

    sound, small   the 19th has rows in the lake: enough, or under ``batch.small_share`` of the
                   median of the days before
    rejected       it has none, and a file was refused
    empty          it has none, and a file had no row
    missing        it has none, and no file came
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, Literal

import polars as pl

from data.counted import counted
from data.errors import DataError, LogError
from data.ingest.pseudonyms import refusal_without_cells
from data.schema.tables import IMPRESSIONS
from data.schema.time import day_number
from data.sources.mapping import load_mapping
from pipelines.batch.journal import Batch
from pipelines.config.home import write_atomically, write_json
from pipelines.config.settings import BatchSettings, Behaviour
from pipelines.ingestion.ingest_logs import ingest_with_report

__all__ = ["Arrival", "collect_arrivals"]

Condition = Literal["sound", "missing", "empty", "small", "rejected"]
BEING_DELIVERED = (".part", ".tmp")


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """The day's log as it is in the lake, and the files that this batch found.

    Attributes:
        rows: impressions of the newest day expected, the day before the batch's.
        usual: median of the days before it; ``None`` when the lake has none.
        empty: files without a row.
        refused: file → why it was refused.
        taken: file → rows in, accepted and quarantined.
    """

    rows: int
    usual: float | None
    empty: tuple[str, ...]
    refused: dict[str, str]
    taken: dict[str, dict[str, int]]

    def condition(self, small_share: float) -> Condition:
        """The day's condition, as the table in this file's docstring says."""
        if self.rows:
            is_small = self.usual is not None and self.rows < small_share * self.usual
            return "small" if is_small else "sound"
        if self.refused:
            return "rejected"
        return "empty" if self.empty else "missing"

    def in_words(self, day: str) -> str:
        """A sentence on the day, for the log, the page and the alert."""
        usual = "" if self.usual is None else f" (usually {self.usual:,.0f})"
        parts = [f"the log of {day} has {counted(self.rows, 'impression')}{usual}"]
        parts += [f"{name} has no row" for name in self.empty]
        parts += [f"refused {reason}" for reason in self.refused.values()]
        return "; ".join(parts)


def collect_arrivals(batch: Batch) -> Mapping[str, Any]:
    """Ingest the files of the inbox, and decide whether the batch can go on.

    Raises ``DataError`` when the settings say that a day in this condition fails.
    """
    _ingest_inbox(batch)
    arrival = _arrival(batch)
    condition = arrival.condition(batch.context.settings.batch.small_share)
    log_day = (batch.day - timedelta(days=1)).isoformat()
    summary = f"{condition}: {arrival.in_words(log_day)}"
    behaviour = _configured_behaviour(condition, batch.context.settings.batch)
    batch.context.console.say(summary)
    if behaviour == "fail":
        raise DataError(f"{batch.name} stops. {summary}. {_what_to_do(batch, condition)}")
    if behaviour == "hold":
        batch.update_journal(status="held", reason=summary)
    # A sound day with a refused file goes on too, but somebody should look at the file.
    warning = summary if behaviour == "warn" or (arrival.refused and behaviour is None) else ""
    return {"condition": condition, "warning": warning, **asdict(arrival)}


def _configured_behaviour(condition: Condition, settings: BatchSettings) -> Behaviour | None:
    """What the settings say to do on a day in this condition; ``None`` for a sound one."""
    behaviours: dict[str, Behaviour] = {
        "missing": settings.when_missing,
        "empty": settings.when_empty,
        "small": settings.when_small,
        "rejected": settings.when_rejected,
    }
    return behaviours.get(condition)


def _what_to_do(batch: Batch, condition: Condition) -> str:
    inbox = batch.context.home.inside(batch.context.settings.batch.inbox)
    setting = f"batch.when_{condition}"
    return (
        f"The last recommendations stay published. Put a sound file into {inbox} and run "
        f"again, or set {setting} to warn or hold"
    )


def _ingest_inbox(batch: Batch) -> None:
    inbox = batch.context.home.prepare().inside(batch.context.settings.batch.inbox)
    inbox.mkdir(parents=True, exist_ok=True)
    for path in sorted(inbox.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.suffix not in BEING_DELIVERED:
            _ingest_file(batch, path)


def _ingest_file(batch: Batch, path: Path) -> None:
    """Ingest one file; what became of it is on disk before the file moves.

    Killed before the move, the next start finds the file in the inbox again. The lake knows it
    by its checksum and takes no row twice; its counts are in ``arrivals.json`` already.
    """
    before = path.stat()
    try:
        report = ingest_with_report(batch.context, [path], batch.context.settings.batch.source)
    except LogError as error:
        # Delivered without the ``.part`` of docs/operations.md: half a file is not a broken log.
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            batch.context.console.say(f"{path.name}: still being written; left for the next run")
            return
        reason = _refusal(batch, path, error)
        _record_file(batch, path.name, {"refused": reason})
        refused = path.parent / "refused"
        write_atomically(refused / f"{path.name}.reason.txt", f"{reason}\n")
        if _is_pseudonymised(batch):
            path.unlink()
        else:
            path.replace(refused / path.name)
        return
    counts = {
        "rows_in": report.rows_in,
        "rows_accepted": report.rows_accepted,
        "rows_quarantined": report.rows_in - report.rows_accepted,
    }
    is_again = report.files[0].status == "already ingested"
    _record_file(batch, path.name, {"again": is_again, **counts})
    if _is_pseudonymised(batch):
        path.unlink()
    else:
        (path.parent / "taken").mkdir(exist_ok=True)
        path.replace(path.parent / "taken" / path.name)


def _is_pseudonymised(batch: Batch) -> bool:
    return bool(batch.context.settings.pseudonym_key.get_secret_value())


def _refusal(batch: Batch, path: Path, error: Exception) -> str:
    """Why a file was refused; where guests are pseudonymised without a word of its cells."""
    if not _is_pseudonymised(batch):
        return str(error)
    columns = load_mapping(batch.context.settings.batch.source).columns.values()
    known = {name for rule in columns for name in rule.needs}
    reason = refusal_without_cells(str(error), path.name, known)
    return f"{reason}. The file was not kept, since it may name guests; mend it and deliver it anew"


def _record_file(batch: Batch, name: str, facts: dict[str, Any]) -> None:
    """Write a file's facts to ``arrivals.json``.

    A restart finds a file that it ingested before it was killed as "already ingested", with no
    new rows: the counts of the first time stay.
    """
    path = batch.folder / "arrivals.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    if not (facts.get("again") and name in known):
        write_json(path, {**known, name: facts})


def _arrival(batch: Batch) -> Arrival:
    path = batch.folder / "arrivals.json"
    files: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    rows, usual = _sizes(batch)
    return Arrival(
        rows=rows,
        usual=usual,
        empty=tuple(
            name
            for name, facts in files.items()
            if facts.get("rows_in") == 0 and not facts.get("again")
        ),
        refused={name: facts["refused"] for name, facts in files.items() if "refused" in facts},
        taken={name: facts for name, facts in files.items() if "rows_in" in facts},
    )


def _sizes(batch: Batch) -> tuple[int, float | None]:
    """Rows of the newest day expected, and the median of the days before it (``usual_days``)."""
    lake, settings = batch.context.lake, batch.context.settings.batch
    if not lake.exists(IMPRESSIONS.name):
        return 0, None
    newest = day_number(batch.day) - 1
    first = newest - settings.usual_days
    per_day = (
        lake.scan(IMPRESSIONS.name)
        .filter(pl.col("search_day").is_between(first, newest))
        .group_by("search_day")
        .agg(rows=pl.len())
        .collect()
    )
    rows = {int(day): int(count) for day, count in per_day.iter_rows()}
    earlier = [count for day, count in rows.items() if day != newest]
    return rows.get(newest, 0), float(median(earlier)) if earlier else None
