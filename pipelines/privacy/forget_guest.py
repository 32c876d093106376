"""Forget a guest: erase the guest's data, and name the models that were trained on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
from cronsim import CronSim

from data.counted import counted
from data.erasure.erase_guest import erase_from_lake
from data.erasure.find_guest import Traces, find_traces, token_of
from data.errors import DataError
from data.ingest.known_files import remember_as_known
from data.ingest.pseudonyms import pseudonym
from data.lake.checksums import sha256_of
from data.lake.lock import file_lock
from data.lake.store import Lake
from data.schema.tables import RECOMMENDATIONS, TABLES
from pipelines.config.home import Home, write_json
from pipelines.config.settings import Settings, SettingsError
from pipelines.feature_table.kept_totals import remove_kept_totals
from pipelines.privacy.erase_databases import erase_from_database
from pipelines.privacy.erase_files import Guest, erase_from_file
from pipelines.recommendation.published_pointer import read_published, write_published
from pipelines.run_context import RunContext
from pipelines.tracking.model_checksums import MANIFEST, write_manifest
from pipelines.training.run_record import RunRecord, read_record

__all__ = ["Erasure", "forget_guest"]

SHORTEST_ID = 3


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What was removed, and what was not.

    Attributes:
        rows: table → rows removed.
        files: file under the home → rows removed or ids replaced.
        not_rewritten: files that still hold the id, because they could not be rewritten.
        trained_runs: runs whose training or validation window holds searches of the guest.
        retrained_at: when the weekly batch next trains models without the guest.
        server: the MLflow server whose artifacts are not under this home; else empty.
        was_in_lake: whether a table, or an older version of one, knew the guest.
    """

    rows: dict[str, int]
    files: dict[str, int]
    not_rewritten: tuple[str, ...]
    trained_runs: tuple[str, ...]
    retrained_at: str
    server: str
    was_in_lake: bool

    @property
    def was_found(self) -> bool:
        """Whether there was any trace of the guest."""
        return self.was_in_lake or bool(self.files) or bool(self.not_rewritten)

    def lines(self, guest_id: str) -> list[str]:
        """The report, for a terminal; ``guest_id`` as the person typed it."""
        if not self.was_found:
            lines = [f"no trace of {guest_id} was found; nothing was removed"]
        else:
            lines = [
                f"{table}: {counted(rows, 'row')} removed" for table, rows in self.rows.items()
            ]
            lines += [f"{name}: {count:,} removed" for name, count in self.files.items()]
            lines += [f"STILL HOLDS THE ID, remove it by hand: {n}" for n in self.not_rewritten]
            lines += self._consequences()
        if self.server:
            lines.append(f"files kept by the MLflow server {self.server} were not looked at")
        return lines

    def _consequences(self) -> list[str]:
        lines = []
        if self.was_in_lake:
            lines.append("older versions of every table are gone; earlier runs cannot be repeated")
        if self.trained_runs:
            runs = ", ".join(self.trained_runs)
            lines.append(
                f"models that learned from the guest among others: {runs}; the weekly batch "
                f"trains without the guest at {self.retrained_at}"
            )
        else:
            lines.append("no model was trained on the guest")
        return lines


def forget_guest(context: RunContext, guest_id: str) -> Erasure:
    """Remove a guest from everything under the home; waits for a batch that runs.

    ``guest_id`` is the id as the logs have it; where a pseudonym key is set the pseudonym
    is removed too. Raises ``SettingsError`` for an id too short to be looked for, and
    ``DataError`` for a folder that is no home, which is left as it is.
    """
    if len(guest_id.strip()) < SHORTEST_ID:
        raise SettingsError(f"{guest_id!r} is too short for a guest's id; it may match anything")
    _refuse_without_lake(context.home)
    ids = frozenset(_ids_of(guest_id.strip(), context.settings))
    wait_s = context.settings.batch.wait_s
    home = context.home.prepare()
    with file_lock(home.root / "batch.lock", "a batch is running", wait_s=wait_s):
        traces = find_traces(context.lake, ids, wait_s=wait_s)
        guest = Guest(ids=ids, searches=traces.searches, token=token_of(ids))
        # The files first: some name the guest only by search ids, which the lake tells. Killed
        # half-way, the erasure can be repeated as long as the lake still knows them.
        if traces.is_known:
            remove_kept_totals(home.past)
        files, not_rewritten = _erase_files(context, guest)
        rows: dict[str, int] = {}
        if traces.is_known:
            rows = erase_from_lake(context.lake, ids, wait_s=wait_s)
            _update_published(context)
    report = Erasure(
        rows=rows,
        files=files,
        not_rewritten=not_rewritten,
        trained_runs=tuple(record.name for record in _trained_on(home, traces)),
        retrained_at=next_training(context.settings),
        server=context.settings.tracking_uri,
        was_in_lake=traces.is_known,
    )
    if report.was_found:
        # How much was erased, and no word of the guest.
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
        write_json(home.root / "erasures" / f"{at}.json", {"rows": rows, "files": len(files)})
    return report


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
    yield guest_id
    key = settings.pseudonym_key.get_secret_value()
    if key:
        yield pseudonym(key, guest_id)


def _erase_files(context: RunContext, guest: Guest) -> tuple[dict[str, int], tuple[str, ...]]:
    """Erase from every file but those of the tables, and update the checksums of models.

    Returns file → rows or ids erased, and the files that could not be rewritten.
    """
    root, erased, not_rewritten = context.home.root, {}, []
    new_sums: dict[str, str] = {}
    for path in _files(context.home):
        if not path.is_file():
            continue  # the log of a database, which went with it when it was closed
        name = path.relative_to(root).as_posix()
        model = _model_folder(path)
        before = _checksums(model)
        try:
            count = erase_from_file(path, guest, is_model=model is not None)
        except (ValueError, OSError, pa.ArrowException):
            count = 0  # damaged, or of no known format: only searched for the id, below
        if count:
            erased[name] = count
            if model is not None:
                write_manifest(model)
                after = _checksums(model)
                new_sums |= {before[n]: after[n] for n in before if before[n] != after[n]}
            _keep_log_known(context, path)
        elif _holds_id(path, guest):
            not_rewritten.append(name)
    _update_registered_checksums(context.home, new_sums)
    return erased, tuple(not_rewritten)


def _files(home: Home) -> list[Path]:
    tables = {home.root / "lake" / table.name for table in TABLES}
    return [
        path
        for path in sorted(home.root.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and path.stat().st_size
        and path.name != MANIFEST
        and not tables.intersection(path.parents)
    ]


def _model_folder(path: Path) -> Path | None:
    """The saved model that a file belongs to: the nearest folder with checksums."""
    return next((folder for folder in path.parents if (folder / MANIFEST).is_file()), None)


def _checksums(folder: Path | None) -> dict[str, str]:
    """File name → SHA-256, ``SHA256SUMS.json`` itself included."""
    if folder is None:
        return {}
    return {p.name: sha256_of(p) for p in folder.iterdir() if p.is_file()}


def _update_registered_checksums(home: Home, new_sums: dict[str, str]) -> None:
    """Replace old checksums by new ones in MLflow's database, where tags of versions hold them.

    Otherwise a registered model whose files were rewritten would pass for damaged.
    """
    # A file may change more than once: SHA256SUMS.json does with every file of its folder. So
    # {a: b, b: c} becomes {a: c, b: c}.
    final_sums = {}
    for before, after in new_sums.items():
        last = after
        while last in new_sums:
            last = new_sums[last]
        final_sums[before] = last
    if final_sums and home.mlflow_database.is_file():
        erase_from_database(
            home.mlflow_database, token_of(final_sums), lambda match: final_sums[match[0]]
        )


def _holds_id(path: Path, guest: Guest) -> bool:
    text = path.read_bytes().decode("utf-8", errors="replace")
    return guest.token.search(text) is not None


def _keep_log_known(context: RunContext, path: Path) -> None:
    """Tell the lake the new checksum of a raw log, or it would be ingested once more."""
    if {"taken", "log"} & {path.parent.name}:
        remember_as_known(context.lake, path.name, sha256_of(path))


def _update_published(context: RunContext) -> None:
    """Point at the version without the guest's recommendations: the published one is gone."""
    published = read_published(context.home)
    version = context.lake.version(RECOMMENDATIONS.name)
    if published is None or version is None:
        return
    day = pl.col("ds") == date.fromisoformat(published.ds)
    remaining = context.lake.scan(RECOMMENDATIONS.name, version=version).filter(day)
    rows = remaining.select(pl.len()).collect().item()
    write_published(context.home, replace(published, version=version, rows=rows))


def _trained_on(home: Home, traces: Traces) -> list[RunRecord]:
    """Runs whose training or validation window holds a search of the guest."""
    records = []
    for path in sorted(home.runs.glob("*/run.json")):
        try:
            record = read_record(home, path.parent.name)
        except DataError:
            continue
        first, last = record.windows["train"][0], record.windows["valid"][1]
        if any(first <= day <= last for day in traces.days):
            records.append(record)
    return records
