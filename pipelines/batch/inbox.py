"""What arrived in the inbox: taken into the lake file by file, and judged as a day.

A taken file moves to ``taken/`` in the inbox (it is deleted instead where guests are
pseudonymised, since it holds their ids), a refused one to ``refused/`` with the reason
beside it. A file whose name begins with a dot or ends in ``.part`` or ``.tmp`` is still
being delivered.
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

from data.errors import DataError, LogError
from data.schema.tables import IMPRESSIONS
from data.schema.time import day_number
from pipelines.batch.journal import Batch
from pipelines.config.home import write_json, write_whole
from pipelines.config.settings import BatchSettings, Behaviour
from pipelines.ingestion.ingest_logs import take_logs

__all__ = ["Arrival", "arrive", "judge"]

Condition = Literal["sound", "missing", "empty", "small", "rejected"]
BEING_DELIVERED = (".part", ".tmp")


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What the day's log came to.

    Attributes:
        rows: impressions of the newest day expected, the day before the batch's.
        usual: median of the days before it; ``None`` when the lake has none.
        empty: files of this batch without a row.
        refused: file → why it was refused, of this batch.
        taken: file → rows in, accepted and quarantined, of this batch.
    """

    rows: int
    usual: float | None
    empty: tuple[str, ...]
    refused: dict[str, str]
    taken: dict[str, dict[str, int]]

    def condition(self, small_share: float) -> Condition:
        """The one word for it."""
        if self.rows:
            is_small = self.usual is not None and self.rows < small_share * self.usual
            return "small" if is_small else "sound"
        if self.refused:
            return "rejected"
        return "empty" if self.empty else "missing"

    def in_words(self, day: str) -> str:
        """A sentence on the day, for the log, the page and the notice."""
        usual = "" if self.usual is None else f" (usually {self.usual:,.0f})"
        told = [f"the log of {day} has {self.rows:,} impressions{usual}"]
        told += [f"{name} has no row" for name in self.empty]
        told += [f"refused {why}" for why in self.refused.values()]
        return "; ".join(told)


def arrive(batch: Batch) -> Mapping[str, Any]:
    """Take in what lies in the inbox, and decide whether the day can go on.

    Raises ``DataError`` when the settings say that such a day fails.
    """
    _take_all(batch)
    arrival = _arrival(batch)
    condition = arrival.condition(batch.context.settings.batch.small_share)
    log_day = (batch.day - timedelta(days=1)).isoformat()
    told = f"{condition}: {arrival.in_words(log_day)}"
    behaviour = judge(condition, batch.context.settings.batch)
    batch.context.console.say(told)
    if behaviour == "fail":
        raise DataError(f"{batch.name} stops. {told}. {_advice(batch, condition)}")
    if behaviour == "hold":
        batch.note(status="held", reason=told)
    warning = told if behaviour == "warn" or (arrival.refused and behaviour is None) else ""
    return {"condition": condition, "warning": warning, **asdict(arrival)}


def judge(condition: Condition, settings: BatchSettings) -> Behaviour | None:
    """What the settings say about a day in this condition; ``None`` for a sound one."""
    behaviours: dict[str, Behaviour] = {
        "missing": settings.when_missing,
        "empty": settings.when_empty,
        "small": settings.when_small,
        "rejected": settings.when_rejected,
    }
    return behaviours.get(condition)


def _advice(batch: Batch, condition: Condition) -> str:
    inbox = batch.context.home.inside(batch.context.settings.batch.inbox)
    setting = f"batch.when_{condition}"
    return (
        f"The last recommendations stay published. Put a sound file into {inbox} and run "
        f"again, or set {setting} to warn or hold"
    )


def _take_all(batch: Batch) -> None:
    inbox = batch.context.home.prepare().inside(batch.context.settings.batch.inbox)
    inbox.mkdir(parents=True, exist_ok=True)
    for path in sorted(inbox.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.suffix not in BEING_DELIVERED:
            _take(batch, path)


def _take(batch: Batch, path: Path) -> None:
    """Take one file in; what became of it is on disk before the file moves."""
    before = path.stat()
    try:
        report = take_logs(batch.context, [path], batch.context.settings.batch.source)
    except LogError as error:
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            batch.context.console.say(f"{path.name}: still being written; left for the next run")
            return
        _remember(batch, path.name, {"refused": str(error)})
        refused = path.parent / "refused"
        write_whole(refused / f"{path.name}.reason.txt", f"{error}\n")
        path.replace(refused / path.name)
        return
    counts = {
        "rows_in": report.rows_in,
        "rows_accepted": report.rows_accepted,
        "rows_quarantined": report.rows_in - report.rows_accepted,
    }
    is_again = report.files[0].status == "already ingested"
    _remember(batch, path.name, {"again": is_again, **counts})
    if batch.context.settings.pseudonym_key.get_secret_value():
        path.unlink()
    else:
        (path.parent / "taken").mkdir(exist_ok=True)
        path.replace(path.parent / "taken" / path.name)


def _remember(batch: Batch, name: str, facts: dict[str, Any]) -> None:
    """Keep what is known of a file; a restart that finds it ingested keeps its counts."""
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
    """Rows of the newest day expected, and the median of the days before it."""
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
