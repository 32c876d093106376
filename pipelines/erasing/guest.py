"""Forget a guest: what is removed where, and which models still carry what was learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
from cronsim import CronSim

from data.contract import RECOMMENDATIONS, TABLES
from data.erasure import Erased, erase_from_lake, token_of
from data.errors import DataError
from data.ingest.known import remember_as_known
from data.lock import file_lock
from data.pseudonyms import pseudonym
from pipelines.erasing.databases import erase_from_database
from pipelines.erasing.files import Guest, erase_from_file
from pipelines.home import Home, write_json
from pipelines.manifest import MANIFEST, sha256_of, write_manifest
from pipelines.published import read_published, write_published
from pipelines.settings import Settings, SettingsError
from pipelines.steps.context import RunContext
from pipelines.steps.run_record import RunRecord, read_record

__all__ = ["Erasure", "forget_guest"]

SHORTEST_ID = 3


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What was removed, and what was not.

    Attributes:
        rows: table → rows removed.
        files: file under the home → rows or places removed.
        left: files that still hold the id and could not be rewritten.
        trained: training runs whose training window holds searches of the guest.
        retrained_at: when the weekly batch next trains models without the guest.
        server: the MLflow server whose artifacts are not under this home; else empty.
    """

    rows: dict[str, int]
    files: dict[str, int]
    left: tuple[str, ...]
    trained: tuple[str, ...]
    retrained_at: str
    server: str

    def lines(self) -> list[str]:
        """The report, for a terminal."""
        told = [f"{table}: {rows:,} rows removed" for table, rows in self.rows.items()]
        told += [f"{name}: {count:,} removed" for name, count in self.files.items()]
        told += [f"STILL HOLDS THE ID, remove it by hand: {name}" for name in self.left]
        told.append("older versions of every table are gone; earlier runs cannot be repeated")
        if self.trained:
            runs = ", ".join(self.trained)
            told.append(
                f"models that learned from the guest among others: {runs}; the weekly batch "
                f"trains without the guest at {self.retrained_at}"
            )
        else:
            told.append("no model was trained on the guest")
        if self.server:
            told.append(f"files kept by the MLflow server {self.server} were not looked at")
        return told


def forget_guest(context: RunContext, guest_id: str) -> Erasure:
    """Remove a guest from everything under the home; waits for a batch that runs.

    ``guest_id`` is the id as the logs have it; where a pseudonym key is set the pseudonym
    is removed too. Raises ``SettingsError`` for an id too short to be looked for.
    """
    if len(guest_id.strip()) < SHORTEST_ID:
        raise SettingsError(f"{guest_id!r} is too short for a guest's id; it may match anything")
    ids = frozenset(_ids_of(guest_id.strip(), context.settings))
    wait_s = context.settings.batch.wait_s
    home = context.home.prepare()
    with file_lock(home.root / "batch.lock", "a batch is running", wait_s=wait_s):
        erased = erase_from_lake(context.lake, ids, wait_s=wait_s)
        guest = Guest(ids=ids, searches=erased.searches, token=token_of(ids))
        files, left = _erase_files(context, guest)
        _point_at_what_is_left(context, erased)
    report = Erasure(
        rows=erased.rows,
        files=files,
        left=left,
        trained=tuple(record.name for record in _trained_on(home, erased)),
        retrained_at=next_training(context.settings),
        server=context.settings.tracking_uri,
    )
    # What was done, and nothing of whom.
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
    write_json(home.root / "erasures" / f"{at}.json", {"rows": report.rows, "files": len(files)})
    return report


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
    """Every file but the tables'; a model's checksums are written anew where it changed."""
    root, done, left = context.home.root, {}, []
    sums: dict[str, str] = {}
    for path in _files(context.home):
        name = path.relative_to(root).as_posix()
        model = _model_folder(path)
        before = _sums(model)
        try:
            count = erase_from_file(path, guest, is_model=model is not None)
        except (ValueError, OSError, pa.ArrowException):
            count = 0  # damaged or of no known format: searched for the id as it lies there
        if count:
            done[name] = count
            if model is not None:
                write_manifest(model)
                after = _sums(model)
                sums |= {before[n]: after[n] for n in before if before[n] != after[n]}
            _remember_log(context, path)
        elif _still_holds(path, guest):
            left.append(name)
    _tell_registry(context.home, sums)
    return done, tuple(left)


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


def _sums(folder: Path | None) -> dict[str, str]:
    if folder is None:
        return {}
    return {p.name: sha256_of(p) for p in folder.iterdir() if p.is_file()}


def _tell_registry(home: Home, sums: dict[str, str]) -> None:
    """The registry knows registered files by their checksums: those of before, replaced."""
    # A file may have changed twice (its folder's checksums do with every file).
    settled = {}
    for before, after in sums.items():
        last = after
        while last in sums:
            last = sums[last]
        settled[before] = last
    if settled and home.mlflow_database.is_file():
        erase_from_database(
            home.mlflow_database, token_of(settled), lambda found: settled[found[0]]
        )


def _still_holds(path: Path, guest: Guest) -> bool:
    text = path.read_bytes().decode("utf-8", errors="replace")
    return guest.token.search(text) is not None


def _remember_log(context: RunContext, path: Path) -> None:
    """A raw log that was rewritten is still the log that the lake has taken in."""
    if {"taken", "log"} & {path.parent.name}:
        remember_as_known(context.lake, path.name, sha256_of(path))


def _point_at_what_is_left(context: RunContext, erased: Erased) -> None:
    """The published recommendations, without the guest's, under the version they have now."""
    published = read_published(context.home)
    version = context.lake.version(RECOMMENDATIONS.name)
    if published is None or version is None:
        return
    from dataclasses import replace

    rows = published.rows - erased.rows.get(RECOMMENDATIONS.name, 0)
    write_published(context.home, replace(published, version=version, rows=max(rows, 0)))


def _trained_on(home: Home, erased: Erased) -> list[RunRecord]:
    """Runs whose training or validation window holds a search of the guest."""
    found = []
    for path in sorted(home.runs.glob("*/run.json")):
        try:
            record = read_record(home, path.parent.name)
        except DataError:
            continue
        first, last = record.windows["train"][0], record.windows["valid"][1]
        if any(first <= day <= last for day in erased.days):
            found.append(record)
    return found
