"""The inbox: claim and ingest its files one by one, then classify the day's log as a whole.

Before the batch of 20 January, whose newest log is of the 19th, and after it::

    inbox/2026-01-19.parquet       inbox/taken/2026-01-19.parquet
    inbox/broken.csv               inbox/refused/broken.csv
                                   inbox/refused/broken.csv.reason.txt
    inbox/2026-01-20.csv.part      inbox/2026-01-20.csv.part     still being delivered

How files are claimed, and what is still being delivered: ``pipelines.ingestion.claims``. A file
that cannot be taken in is set aside, and the others go on. Where guests are pseudonymised a file is
deleted when it was ingested or refused, since it holds their ids (what was claimed and judged,
never what came meanwhile); the reason of a refusal quotes nothing of it. The sender has the file.

The day is then one of these, the first that fits::

    sound, small   the 19th has rows in the lake: enough, or under ``batch.small_share`` of the
                   median of the days before
    rejected       it has none, and a file was refused
    empty          it has none, and a file had no row
    missing        it has none, and no file came
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, Literal

import polars as pl
import pyarrow as pa

from data.counted import counted
from data.errors import DataError, LogError, UnfitLogError
from data.ingest.pseudonyms import refusal_without_cells
from data.schema.tables import IMPRESSIONS
from data.schema.time import day_number
from data.sources.mapping import load_mapping
from pipelines.batch.days_ahead import latest_day, quarantine_days_ahead
from pipelines.batch.journal import Batch
from pipelines.config.home import write_json
from pipelines.config.settings import BatchSettings, Behaviour
from pipelines.ingestion import claims
from pipelines.ingestion.ingest_logs import ingest_with_report

__all__ = ["Arrival", "collect_arrivals"]

Condition = Literal["sound", "missing", "empty", "small", "rejected"]
# What libraries raise on a file that nobody foresaw. It is the file's fault, not the home's: an
# ``OSError`` or another ``DataError`` is the home's, and stops the batch with the file claimed.
UNFORESEEN = (
    *(ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError),
    *(pa.ArrowException, pl.exceptions.PolarsError),
)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """The day's log as it is in the lake, and the files that this batch found.

    Attributes:
        rows: impressions of the newest day expected, the day before the batch's.
        usual: median of the days before it; ``None`` when the lake has none.
        empty: files without a row.
        refused: file → why it was refused.
        taken: file → rows in, accepted and quarantined.
        warnings: what of the files taken somebody should look at, a sentence each.
        growing: files that are still being written, left for the next run.
        ahead: a sentence on searches dated later than they can be; empty without any.
    """

    rows: int
    usual: float | None
    empty: tuple[str, ...]
    refused: dict[str, str]
    taken: dict[str, dict[str, int]]
    warnings: tuple[str, ...] = ()
    growing: tuple[str, ...] = ()
    ahead: str = ""

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
        parts += [f"{name} is still being written" for name in self.growing]
        parts += [f"refused {reason}" for reason in self.refused.values()]
        parts += self.warnings
        parts += [self.ahead] if self.ahead else []
        return "; ".join(parts)


def collect_arrivals(batch: Batch) -> Mapping[str, Any]:
    """Ingest the files of the inbox, and decide whether the batch can go on.

    Raises ``DataError`` when the settings say that a day in this condition fails.
    """
    growing = _ingest_inbox(batch)
    ahead = quarantine_days_ahead(batch.context, latest_day(batch.context.settings, batch.day))
    arrival = _arrival(batch, growing, ahead)
    condition = arrival.condition(batch.context.settings.batch.small_share)
    log_day = (batch.day - timedelta(days=1)).isoformat()
    summary = f"{condition}: {arrival.in_words(log_day)}"
    behaviour = _configured_behaviour(condition, batch.context.settings.batch)
    batch.context.console.say(summary)
    if behaviour == "fail":
        raise DataError(f"{batch.name} stops. {summary}. {_what_to_do(batch, condition)}")
    if behaviour == "hold":
        batch.update_journal(status="held", reason=summary)
    # A sound day with a refused or odd file goes on too, but somebody should look at the file.
    is_odd = bool(arrival.refused or arrival.warnings or arrival.ahead)
    warning = summary if behaviour == "warn" or (is_odd and behaviour is None) else ""
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


def _ingest_inbox(batch: Batch) -> list[str]:
    """Take in what has settled; returns the names of what is still being written."""
    inbox = batch.context.home.prepare().inside(batch.context.settings.batch.inbox)
    inbox.mkdir(parents=True, exist_ok=True)
    settle_s = batch.context.settings.batch.settle_s
    growing: list[str] = []
    for claimed in claims.left_claimed(inbox):
        growing += _judge(batch, claimed)
    settled, unsettled = claims.deliveries(inbox, settle_s)
    for path in settled:
        growing += _claim_and_judge(batch, path, settle_s)
    for folder in claims.folders_of(inbox):
        # perhaps the sender's own, to write in: it is not moved
        reason = (
            f"{folder.name}: is a folder, which is not read here; deliver the files in it, or read "
            "it whole with stayrank ingest"
        )
        _record_file(batch, folder.name, {"refused": reason})
    growing += unsettled
    for name in growing:
        batch.context.console.say(f"{name}: still being written; left for the next run")
    return growing


def _claim_and_judge(batch: Batch, path: Path, settle_s: float) -> list[str]:
    try:
        settled = claims.stamp_of(path)
        claimed = claims.claim(path, used=_recorded(batch))
    except FileNotFoundError:
        return []  # the sender took it back
    except OSError as error:
        reason = f"{path.name}: cannot be moved out of the inbox ({error.strerror}); left there"
        _record_file(batch, path.name, {"refused": reason})
        return []
    if claims.stamp_of(claimed) != settled:
        # Replaced in the moment before the rename: this is another file, seen for the first time.
        found = claims.stamp_of(claimed)
        time.sleep(settle_s)
        if claims.stamp_of(claimed) != found:
            claims.give_back(claimed)
            return [path.name]
    return _judge(batch, claimed)


def _judge(batch: Batch, claimed: Path) -> list[str]:
    """Ingest what was claimed and put it away; returns its name if it is still being written.

    What became of it is on disk before it is moved. Killed before the move, the next start finds
    it in ``claimed``. The lake knows it by its checksum and takes no row twice; its counts are in
    ``arrivals.json`` already.
    """
    name, before = claimed.name, claims.stamp_of(claimed)
    try:
        facts = _ingested(batch, claimed)
    except (LogError, UnfitLogError) as error:
        facts = {"refused": str(error).replace(str(claimed), name)}
    except UNFORESEEN as error:
        # a library quotes cells in its own way
        said = "" if _is_pseudonymised(batch) else f": {error}"
        facts = {"refused": f"{name}: cannot be read as a log ({type(error).__name__}{said})"}
    # Half a file is not a broken log, and the rest of one is not to be deleted unread.
    if claims.stamp_of(claimed) != before or claims.is_open_for_writing(claimed):
        claims.give_back(claimed)
        return [name]
    if "refused" in facts and name not in facts["refused"]:
        facts["refused"] = f"{name}: {facts['refused']}"
    if "refused" in facts:
        facts["refused"] = _refusal(batch, name, facts["refused"])
    _record_file(batch, name, facts)
    if "refused" in facts:
        claims.refuse(claimed, facts["refused"], is_kept=not _is_pseudonymised(batch))
    elif _is_pseudonymised(batch):
        claimed.unlink()
    else:
        claims.keep(claimed, is_known=facts["again"])
    return []


def _ingested(batch: Batch, claimed: Path) -> dict[str, Any]:
    """Ingest the file; its facts for ``arrivals.json``. Raises ``LogError`` for what is no file."""
    if kind := claims.what_it_is(claimed):
        # Never opened: a link may lead anywhere, and a pipe would be waited on for ever.
        raise LogError(claimed, f"is a {kind}, which is not read; deliver the file itself")
    report = ingest_with_report(batch.context, [claimed], batch.context.settings.batch.source)
    return {
        "again": report.files[0].status == "already ingested",
        "rows_in": report.rows_in,
        "rows_accepted": report.rows_accepted,
        "rows_quarantined": report.rows_in - report.rows_accepted,
        "warnings": [warning for file in report.files for warning in file.warnings],
    }


def _is_pseudonymised(batch: Batch) -> bool:
    return bool(batch.context.settings.pseudonym_key.get_secret_value())


def _refusal(batch: Batch, name: str, reason: str) -> str:
    """Why a file was refused; where guests are pseudonymised without a word of its cells."""
    if not _is_pseudonymised(batch):
        return reason
    columns = load_mapping(batch.context.settings.batch.source).columns.values()
    known = {name for rule in columns for name in rule.needs}
    reason = refusal_without_cells(reason, name, known)
    return f"{reason}. The file was not kept, since it may name guests; mend it and deliver it anew"


def _record_file(batch: Batch, name: str, facts: dict[str, Any]) -> None:
    """Write a file's facts to ``arrivals.json``.

    A restart finds a file that it ingested before it was killed as "already ingested", with no
    new rows: the counts of the first time stay.
    """
    known = _recorded(batch)
    if not (facts.get("again") and name in known):
        write_json(batch.folder / "arrivals.json", {**known, name: facts})


def _recorded(batch: Batch) -> dict[str, Any]:
    path = batch.folder / "arrivals.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _arrival(batch: Batch, growing: Sequence[str], ahead: str) -> Arrival:
    files = _recorded(batch)
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
        taken={name: _counts(facts) for name, facts in files.items() if "rows_in" in facts},
        warnings=tuple(
            f"{name}: {warning}"
            for name, facts in files.items()
            for warning in facts.get("warnings", ())
        ),
        growing=tuple(growing),
        ahead=ahead,
    )


def _counts(facts: Mapping[str, Any]) -> dict[str, int]:
    return {name: count for name, count in facts.items() if name != "warnings"}


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
