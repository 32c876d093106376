"""Forget a guest: erase the guest's data, and name the models that were trained on them.

By meaning, never by the letters of an id: rows by the guest's column, in every table and raw
log; a model's own entries by its class; texts by the records that name the guest. In steps::

    1  hold the home alone: no training, batch or ingest runs that has read the guest's rows
    2  look everywhere; where nobody has this id, end here with not one byte changed
    3  write down the guest's searches, for a call that is cut off
    4  files, then models, then databases, then the lake, whose impressions tell the searches
    5  look everywhere once more, with the same readers; say what is left, or that nothing is

Each step can be done again: a call that was cut off is finished by the same command.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from cronsim import CronSim

from data.erasure.erase_guest import end_history, erase_rows
from data.erasure.find_guest import Traces, files_of_guest, find_traces
from data.erasure.guest import CONTRACT_COLUMN, Guest, as_read
from data.erasure.log_readings import Readings
from data.errors import DataError, MappingError
from data.ingest.commit import recover
from data.ingest.known_files import known_files
from data.ingest.pseudonyms import pseudonym
from data.lake.lock import lake_lock
from data.lake.store import Lake
from data.schema.tables import INGESTS, RECOMMENDATIONS, TABLES
from data.sources.mapping import Mapping, built_in, load_mapping
from pipelines.config.home import Home, write_json
from pipelines.config.home_use import erasing_from_home
from pipelines.config.settings import Settings, SettingsError
from pipelines.feature_table.kept_totals import remove_kept_totals
from pipelines.privacy.erase_files import Files
from pipelines.privacy.erase_models import (
    abandoned_runs,
    erase_from_models,
    models_naming,
    remove_runs,
    versions_of,
)
from pipelines.privacy.erasure import Erasure
from pipelines.privacy.replacements import finish_replacements
from pipelines.privacy.unfinished import Unfinished
from pipelines.recommendation.published_pointer import read_published, write_published
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord, read_record

__all__ = ["forget_guest"]


def forget_guest(context: RunContext, guest_id: str, source: str | None = None) -> Erasure:
    """Remove a guest from everything under the home; waits for runs that use it.

    ``guest_id`` is the id as the logs have it; where a pseudonym key is set the pseudonym is
    removed too. ``source`` names the column mapping of logs that neither the home nor the
    settings know. Raises ``SettingsError`` for no id at all, and ``DataError`` for a folder that
    is no home, which is left as it is.
    """
    ids = frozenset(_ids_of(guest_id, context.settings))
    _refuse_without_lake(context.home)
    named = list(_mappings(context, source))
    with erasing_from_home(context):
        finish_replacements(context.home)
        unfinished = Unfinished.of(context.home, as_read(guest_id))
        readings = Readings(named, known_files(context.lake))
        guest = replace(_guest(ids, readings), searches=unfinished.searches)
        traces = find_traces(context.lake, guest)
        guest = replace(guest, searches=traces.searches)
        files = Files(context, readings, guest)
        is_known = (
            unfinished.is_resumed
            or traces.is_known
            or files.are_known()
            or bool(models_naming(context.home, guest))
        )
        if not is_known:
            return Erasure(
                rows={},
                files={},
                not_rewritten=(*_unreadable(traces), *files.unsearchable()),
                server=context.settings.tracking_uri,
            )
        return _erase(context, guest_id, readings, guest, traces, unfinished)


def _erase(
    context: RunContext,
    guest_id: str,
    readings: Readings,
    guest: Guest,
    traces: Traces,
    unfinished: Unfinished,
) -> Erasure:
    home, lake = context.home.prepare(), context.lake
    unfinished = unfinished.write(as_read(guest_id), traces.searches, traces.days)
    outside = tuple(dict.fromkeys(_outside(context, files_of_guest(lake, guest))))
    with lake_lock(home.root, wait_s=context.settings.batch.wait_s):
        if recover(lake):  # what an ingest had decided when it was cut off
            traces = find_traces(lake, guest)
            guest = replace(guest, searches=traces.searches | guest.searches)
            unfinished = unfinished.write(as_read(guest_id), traces.searches, traces.days)
        remove_kept_totals(home.past)
        remove_runs(abandoned_runs(home, guest))
        files = Files(context, readings, guest)
        erased, problems = files.erase()
        in_models, model_problems = erase_from_models(home, guest)
        erased |= {p.relative_to(home.root).as_posix(): n for p, n in in_models.items()}
        in_databases, database_problems = files.erase_from_databases()
        rows = erase_rows(lake, guest)
        ended = find_traces(lake, guest).tables - _with_problems(rows.problems)
        if RECOMMENDATIONS.name in ended:
            _update_published(context)  # before the version that it names is gone
        end_history(lake, ended)
        problems += [*model_problems, *database_problems, *rows.problems]
        named = {problem.partition(": ")[0] for problem in problems}
        left = _left(context, readings, guest)
        problems += [problem for problem in left if problem.partition(": ")[0] not in named]
    trained = list(_trained_on(home, unfinished.days))
    if not problems:
        _record(home, rows, len(erased) + len(in_databases))
        unfinished.finish()
    return Erasure(
        rows=dict(rows),
        files=erased | in_databases,
        not_rewritten=tuple(dict.fromkeys(problems)),
        trained_runs=tuple(record.name for record in trained),
        versions=tuple(v for record in trained for v in versions_of(home, record.name)),
        retrained_at=next_training(context.settings),
        server=context.settings.tracking_uri,
        ended=tuple(sorted(ended)),
        outside=outside,
        was_known=True,
    )


def _unreadable(traces: Traces) -> Iterator[str]:
    for path in traces.unreadable:
        yield f"{path}: is damaged, so that it could not be searched; restore it from a back-up"


def _with_problems(problems: list[str]) -> set[str]:
    return {t.name for t in TABLES if any(p.startswith(f"table {t.name}:") for p in problems)}


def _left(context: RunContext, readings: Readings, guest: Guest) -> Iterator[str]:
    """What still names the guest, a sentence each, read with the same readers as before."""
    traces = find_traces(context.lake, guest)
    yield from _unreadable(traces)
    for table in sorted(traces.tables):
        yield f"table {table}: still holds rows of the guest"
    for folder in models_naming(context.home, guest):
        yield f"{folder.relative_to(context.home.root)}: the model still names the guest"
    yield from Files(context, readings, guest).left()


def _record(home: Home, rows: dict[str, int], files: int) -> None:
    # How much was erased, and no word of the guest.
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
    write_json(home.root / "erasures" / f"{at}.json", {"rows": dict(rows), "files": files})


def _refuse_without_lake(home: Home) -> None:
    if not any(Lake(home.root).exists(table.name) for table in TABLES):
        raise DataError(
            f"{home.root} holds no lake: no log was ever taken in there, so there is nobody to "
            "forget. Name the home that holds the guest: --home DIR"
        )


def next_training(settings: Settings) -> str:
    """When the weekly batch starts next, local time, ISO."""
    now = datetime.now(ZoneInfo(settings.batch.time_zone))
    following: datetime = next(CronSim(settings.batch.weekly_cron, now))
    return following.isoformat(timespec="minutes")


def _ids_of(guest_id: str, settings: Settings) -> Iterator[str]:
    name = as_read(guest_id)
    if not name:
        raise SettingsError(f"{guest_id!r} is no guest's id: a log with it names no guest")
    yield name
    key = settings.pseudonym_key.get_secret_value()
    if key:
        yield pseudonym(key, name)


def _mappings(context: RunContext, source: str | None) -> Iterator[Mapping]:
    """The column mappings that logs of this home may have, the likeliest first."""
    names = [source, context.settings.batch.source, *_ingested_sources(context.lake), *built_in()]
    for name in dict.fromkeys(name for name in names if name):
        try:
            yield load_mapping(name)
        except MappingError:
            if name == source:
                raise


def _ingested_sources(lake: Lake) -> list[str]:
    if not lake.exists(INGESTS.name):
        return []
    names = lake.scan(INGESTS.name).select(pl.col("source").unique()).collect()["source"]
    return sorted(name for name in names if name)


def _guest(ids: frozenset[str], readings: Readings) -> Guest:
    """The guest by the columns and rules of the mappings that the lake's rows were read with."""
    rules = [r for m in readings.of_lake if (r := m.columns.get("id_user")) is not None]
    lists = {name: spec.column for m in readings.of_lake for name, spec in m.explode.items()}
    plain = {lists.get(rule.column, rule.column) for rule in rules if rule.column}
    computed = [r for r in rules if r.needs and (r.column is None or r.after_last is not None)]
    return Guest(
        ids=ids, columns=frozenset({CONTRACT_COLUMN, *plain}), rules=tuple(dict.fromkeys(computed))
    )


def _outside(context: RunContext, files: frozenset[str]) -> Iterator[str]:
    """The logs, as they were named, that brought the guest from outside the home.

    Not those that are gone from where they were; of a relative name that cannot be told.
    """
    known, root = known_files(context.lake), context.home.root.resolve()
    for source_id in sorted(files & known.keys()):
        path = Path(known[source_id].path)
        is_there = path.exists() or not path.is_absolute()
        if is_there and not path.resolve().is_relative_to(root):
            yield known[source_id].path


def _update_published(context: RunContext) -> None:
    """Point at the version without the guest's recommendations: the published one will be gone."""
    published = read_published(context.home)
    version = context.lake.version(RECOMMENDATIONS.name)
    if published is None or version is None or published.version == version:
        return
    day = pl.col("ds") == date.fromisoformat(published.ds)
    remaining = context.lake.scan(RECOMMENDATIONS.name, version=version).filter(day)
    rows = remaining.select(pl.len()).collect().item()
    write_published(context.home, replace(published, version=version, rows=rows))


def _trained_on(home: Home, days: frozenset[int]) -> Iterator[RunRecord]:
    """Runs whose training or validation window holds a search of the guest."""
    for path in sorted(home.runs.glob("*/run.json")):
        try:
            record = read_record(home, path.parent.name)
        except DataError:
            continue
        first, last = record.windows["train"][0], record.windows["valid"][1]
        if any(first <= day <= last for day in days):
            yield record
