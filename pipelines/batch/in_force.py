"""Which recommendations are in force, in sentences: what is published, and what the table holds.

The daily batch publishes. The main job, ``stayrank recommend`` and a backfill write the table and
publish nothing: whoever serves guests by ``published.json`` sees none of theirs.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from data.counted import counted
from data.lake.store import Lake
from data.schema.tables import RECOMMENDATIONS
from pipelines.batch.journal import Batch, BatchKind
from pipelines.config.home import write_json
from pipelines.promotion.champion_registry import find_champion
from pipelines.recommendation.published_pointer import Published, read_published
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import RANKER_MODEL, RUN_TAG

__all__ = ["lines_in_force", "note_main_job"]

NOTE = "recommended.json"
MILLISECONDS = 1_000
KINDS: tuple[BatchKind, ...] = ("daily", "backfill")


@dataclass(frozen=True, kw_only=True)
class _Made:
    """The newest day of the table.

    Attributes:
        day: that the rows are for.
        rows, guests: how many.
        version: of the table now.
        ranker: registered version of the ranker, or its run's name where it has none.
        written_at: when the day's files were written, milliseconds since 1970.
    """

    day: date
    rows: int
    guests: int
    version: int
    ranker: str
    written_at: int


def note_main_job(context: RunContext) -> None:
    """Note that the newest day of the table is the main job's; called at once after the write."""
    made = _newest(context)
    if made is not None:
        note = {"ds": made.day.isoformat(), "written_at": made.written_at}
        write_json(context.home.root / NOTE, note)


def lines_in_force(context: RunContext) -> list[str]:
    """What guests are shown, who made it and when; and what lies in the table beside it."""
    published, made = read_published(context.home), _newest(context)
    if made is None:
        return [
            f"{context.home.root} holds no recommendations, so nothing is in force. Make them "
            f"with: stayrank run {context.home.option}"
        ]
    if published is None:
        return [*_of_table(context, made), *_not_published(context)]
    lines = _of_pointer(context, published)
    if made.day.isoformat() > published.ds:
        later = f"beside it: {_counted(made)} for {made.day}, {_origin(context, made)}"
        lines.append(f"{later}: not published")
    return lines


def _of_pointer(context: RunContext, published: Published) -> list[str]:
    ranker = _ranker(context, published.ranker_version)
    return [
        f"in force: {counted(published.rows, 'recommendation')} for {published.ds}, published",
        f"  by       the scheduled daily batch (id {published.batch})",
        f"  when     {_when(context, datetime.fromisoformat(published.published_at))}",
        f"  made by  {ranker}, training run {published.run}",
        f"  where    version {published.version} of the table {_table(context)}",
    ]


def _of_table(context: RunContext, made: _Made) -> list[str]:
    written = datetime.fromtimestamp(made.written_at / MILLISECONDS, UTC)
    return [
        f"in the table: {_counted(made)} for {made.day}",
        f"  by       {_origin(context, made)}",
        f"  when     {_when(context, written)}",
        f"  made by  {_ranker(context, made.ranker)}{_training_run(context, made.ranker)}",
        f"  where    version {made.version} of the table {_table(context)}",
    ]


def _not_published(context: RunContext) -> list[str]:
    return [
        "nothing is published: a scheduled batch does that, and none has. Who reads the table "
        "finds these rows; who serves guests by published.json has nothing to serve",
        f"to publish a day: stayrank daily {context.home.option}",
    ]


def _origin(context: RunContext, made: _Made) -> str:
    """Which command made the newest day, as far as the home's records tell."""
    note = _note(context)
    if note.get("ds") == made.day.isoformat() and note.get("written_at") == made.written_at:
        return "the main job (stayrank run), not a scheduled batch"
    for kind in KINDS:
        batch = Batch(context=context, kind=kind, day=made.day, id="")
        if "recommend" in batch.results:
            journal = batch.journal()
            reason = f": {journal['reason']}" if journal.get("reason") else ""
            return f"the {kind} batch of {made.day} ({journal.get('status')}{reason})"
    return "stayrank run or stayrank recommend, not a scheduled batch"


def _ranker(context: RunContext, version: str) -> str:
    """``version 3 of the ranker, the champion``."""
    if not version.isdecimal():
        return f"the ranker of {version}, which is not registered"
    try:
        champion = find_champion(context.tracking).champion
    except Exception as error:  # noqa: BLE001  # whatever a server that is away raises
        return f"version {version} of the ranker (MLflow does not say more: {error})"
    if champion is None:
        return f"version {version} of the ranker; there is no champion"
    if champion.version == version:
        return f"version {version} of the ranker, the champion"
    return f"version {version} of the ranker; the champion is version {champion.version}"


def _training_run(context: RunContext, version: str) -> str:
    if not version.isdecimal():
        return ""
    with suppress(Exception):  # a server that is away was told of above
        run = context.tracking.versions.tags(RANKER_MODEL, version).get(RUN_TAG)
        return f", training run {run}" if run else ""
    return ""


def _newest(context: RunContext) -> _Made | None:
    # not the context's, which would make the folder of a home that is not there
    lake, name = Lake(context.home.root), RECOMMENDATIONS.name
    days = [day for _, day in lake.market_days(name)] if lake.exists(name) else []
    if not days:
        return None
    newest = lake.scan(name).filter(pl.col("ds") == max(days))
    rows, guests, ranker = (
        newest.select(
            pl.len(), guests=pl.col("id_user").n_unique(), ranker=pl.col("ranker_version").first()
        )
        .collect()
        .row(0)
    )
    return _Made(
        day=max(days),
        rows=rows,
        guests=guests,
        version=context.version(name),
        ranker=str(ranker),
        written_at=lake.written_at(name, max(days)),
    )


def _note(context: RunContext) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        note = json.loads((context.home.root / NOTE).read_text())
        if isinstance(note, dict):
            return note
    return {}


def _counted(made: _Made) -> str:
    return f"{counted(made.rows, 'recommendation')} for {counted(made.guests, 'guest')}"


def _table(context: RunContext) -> str:
    return str((context.home.root / "lake" / RECOMMENDATIONS.name).resolve())


def _when(context: RunContext, at: datetime) -> str:
    zone = context.settings.batch.time_zone
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"
