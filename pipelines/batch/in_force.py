"""Which recommendations are in force, in sentences: what is published, and what the table holds.

The daily batch publishes. The main job, ``stayrank recommend`` and a backfill write the table and
publish nothing: whoever serves guests by ``published.json`` sees none of theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
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
from pipelines.config.redaction import redact
from pipelines.recommendation.published_pointer import Published, read_published
from pipelines.run_context import RunContext
from pipelines.verdict.who_recommends import WhoRecommends, who_recommends, who_would

__all__ = ["lines_in_force", "note_main_job"]

NOTE = "recommended.json"
NOTHING_PUBLISHED = (
    "nothing is published: a scheduled batch does that, and none has. Whoever reads the table "
    "finds these rows; whoever serves guests by published.json has nothing to serve"
)
MILLISECONDS = 1_000
KINDS: tuple[BatchKind, ...] = ("daily", "backfill")


@dataclass(frozen=True, kw_only=True)
class _Made:
    """The newest day of the table.

    Attributes:
        day: that the rows are for.
        rows, guests: how many.
        version: of the table now.
        written_at: when the day's files were written, milliseconds since 1970.
    """

    day: date
    rows: int
    guests: int
    version: int
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
    if published is not None:
        return [*_of_pointer(context, published), *_beside(context, published, made)]
    if made is None:
        none = f"{context.home.root} holds no recommendations, so nothing is in force"
        return [f"{none}. Make them with: stayrank run {context.home.option}"]
    written = datetime.fromtimestamp(made.written_at / MILLISECONDS, UTC)
    return [
        f"in force: the newest day of the table, {made.day}: {_counted(made)}",
        f"  made by  {_origin(context, made)}, {_when(context, written)}",
        f"  models   {_told(lambda: who_recommends(context))}",
        f"  table    version {made.version} of {_table(context)}",
        f"  {NOTHING_PUBLISHED}",
        f"  to publish a day: stayrank daily {context.home.option}",
    ]


def _of_pointer(context: RunContext, published: Published) -> list[str]:
    when = _when(context, datetime.fromisoformat(published.published_at))
    rows = counted(published.rows, "recommendation")
    models = f"version {published.ranker_version} of the ranker"
    return [
        f"in force: the published day, {published.ds}: {rows}",
        f"  made by  the daily batch of that day (id {published.batch}), published {when}",
        f"  models   {models}; {_told(lambda: who_would(context, published.run))}",
        f"  table    version {published.version} of {_table(context)}",
    ]


def _beside(context: RunContext, published: Published, made: _Made | None) -> list[str]:
    """What the table holds of a later day, which nobody is shown yet."""
    if made is None or made.day.isoformat() <= published.ds:
        return []
    return [
        f"beside it, not published: {made.day}, {_counted(made)}, made by {_origin(context, made)}"
    ]


def _told(look_up: Callable[[], WhoRecommends]) -> str:
    """Who recommends, in words, and its training run; that MLflow is away where it is."""
    from mlflow.exceptions import MlflowException

    try:
        who = look_up()
    except MlflowException as error:
        return redact(f"MLflow does not say who recommends ({str(error).splitlines()[0]})")
    return f"{who.text}; training run {who.run}"


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


def _newest(context: RunContext) -> _Made | None:
    # not the context's, which would make the folder of a home that is not there
    lake, name = Lake(context.home.root), RECOMMENDATIONS.name
    days = [day for _, day in lake.market_days(name)] if lake.exists(name) else []
    if not days:
        return None
    newest = lake.scan(name).filter(pl.col("ds") == max(days))
    counts = newest.select(pl.len(), guests=pl.col("id_user").n_unique())
    rows, guests = counts.collect().row(0)
    return _Made(
        day=max(days),
        rows=rows,
        guests=guests,
        version=context.version(name),
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
