"""Take a guest's own rows out of saved models: remembered events, and vectors kept by the id.

Each kind of model does that itself, by its class (``forget_guests``); trees, numbers and
pictures are never touched. What a model learned from the guest among others stays in its weights
until it is trained again; :func:`versions_of` names such models.

Sums: a model is opened only if its files are those that were saved. The new sums are those of
the files that the class has just written; all others stay as they were recorded, so that damage
never comes to pass for sound. A model that is not what was saved is left as it is, and named.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from data.erasure.guest import Guest
from data.errors import DataError
from data.lake.checksums import sha256_of, sha256_of_folder
from pipelines.config.home import Home, write_json
from pipelines.privacy.replacements import ChangedTag, Replacements
from pipelines.tracking.model_checksums import MANIFEST, check_manifest

__all__ = [
    "abandoned_runs",
    "erase_from_models",
    "model_folder_of",
    "models_naming",
    "remove_runs",
    "versions_of",
]

SHA256 = "sha256."
_Forget = Callable[[Path, Path, set[str]], tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A folder of a saved model whose files name guests, and how its class forgets one."""

    folder: Path
    guests: Callable[[Path], set[str]]
    forget: _Forget


def model_folder_of(path: Path, root: Path) -> Path | None:
    """The saved model that a file under ``root`` belongs to; ``None`` for any other file.

    It is the nearest folder with sums, or with the files of a model from before there were any.
    """
    for folder in path.parents:
        if (folder / MANIFEST).is_file() or _part_in(folder) is not None:
            return folder
        if folder == root:
            break
    return None


def models_naming(home: Home, guest: Guest) -> dict[Path, int]:
    """Model folder → how many of the guest's ids it names; without models that name none."""
    found: dict[Path, int] = {}
    for folder in _model_folders(home):
        try:
            count = sum(len(guest.ids & part.guests(part.folder)) for part in _parts_in(folder))
        except (OSError, ValueError):
            continue  # damaged: it cannot be read as a model, and is no model to anybody
        if count:
            found[folder] = count
    return found


def abandoned_runs(home: Home, guest: Guest) -> list[Path]:
    """Runs without a record whose models name the guest: a training that was cut off."""
    runs = {
        home.runs / folder.relative_to(home.runs).parts[0]
        for folder in models_naming(home, guest)
        if folder.is_relative_to(home.runs)
    }
    return sorted(run for run in runs if not (run / "run.json").is_file())


def erase_from_models(home: Home, guest: Guest) -> tuple[dict[Path, int], list[str]]:
    """Take the guest out of every saved model, copies in MLflow's artifacts included.

    Returns model folder → ids removed, and a sentence on each that could not be touched.
    Copies of one model change together with the tags of the version that they are.
    """
    naming, problems = models_naming(home, guest), []
    erased: dict[Path, int] = {}
    by_content: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for folder in naming:
        try:
            check_manifest(folder)
        except DataError as error:
            problems.append(f"{folder.relative_to(home.root)}: {error}")
            continue
        by_content.setdefault(tuple(sorted(sha256_of_folder(folder).items())), []).append(folder)
    for content, folders in by_content.items():
        try:
            _erase_copies(home, folders, dict(content), guest)
        except (DataError, OSError, ValueError) as error:
            problems += [f"{folder.relative_to(home.root)}: {error}" for folder in folders]
        else:
            erased |= {folder: naming[folder] for folder in folders}
    return erased, problems


def versions_of(home: Home, run: str) -> list[str]:
    """The registered versions that a training run made, such as ``stayrank-ranker 3``."""
    rows = _tag_rows(home)
    return sorted(f"{name} {v}" for name, v, key, value in rows if (key, value) == (RUN_KEY, run))


RUN_KEY = "stayrank.run"


def _erase_copies(home: Home, folders: list[Path], sums: dict[str, str], guest: Guest) -> None:
    together = Replacements(home)
    new_sums: dict[str, str] = {}
    for number, folder in enumerate(folders):
        drafts = together.drafts / str(number)
        for part in _parts_in(folder):
            within = part.folder.relative_to(folder)
            for name in part.forget(part.folder, drafts / within, set(guest.ids)):
                draft, place = drafts / within / name, (within / name).as_posix()
                new_sums[place] = sha256_of(draft)
                together.replace(folder / place, draft)
        if (folder / MANIFEST).is_file():
            _renew_manifest(folder, drafts / MANIFEST, new_sums)
            together.replace(folder / MANIFEST, drafts / MANIFEST)
            new_sums[MANIFEST] = sha256_of(drafts / MANIFEST)
    for tag in _changed_tags(home, sums, new_sums):
        together.set_tag(tag)
    _renew_waiting(home, together, sums, new_sums)
    together.carry_out()


def _renew_manifest(folder: Path, draft: Path, new_sums: dict[str, str]) -> None:
    recorded = json.loads((folder / MANIFEST).read_text())
    own = {name: digest for name, digest in new_sums.items() if name in recorded}
    draft.parent.mkdir(parents=True, exist_ok=True)
    write_json(draft, {**recorded, **own})


def _changed_tags(
    home: Home, sums: dict[str, str], new_sums: dict[str, str]
) -> Iterator[ChangedTag]:
    """The tags of the versions that were registered with exactly these files."""
    versions: dict[tuple[str, int], dict[str, str]] = {}
    for name, version, key, value in _tag_rows(home):
        if key.startswith(SHA256):
            versions.setdefault((name, version), {})[key.removeprefix(SHA256)] = value
    for (name, version), registered in versions.items():
        if registered == sums:
            for file, digest in new_sums.items():
                yield ChangedTag(name=name, version=version, key=SHA256 + file, value=digest)


def _renew_waiting(
    home: Home, together: Replacements, sums: dict[str, str], new_sums: dict[str, str]
) -> None:
    """The same in a registration that waits for MLflow's server (``outbox/``)."""
    waiting = sorted(home.outbox.glob("*.json")) if home.outbox.is_dir() else []
    for number, path in enumerate(waiting):
        call = json.loads(path.read_text())
        tags = call.get("arguments", {}).get("tags")
        if not isinstance(tags, dict):
            continue
        registered = {k.removeprefix(SHA256): v for k, v in tags.items() if k.startswith(SHA256)}
        if registered and registered == sums:
            tags.update({SHA256 + file: digest for file, digest in new_sums.items()})
            draft = together.drafts / f"call-{number}.json"
            write_json(draft, call)
            together.replace(path, draft)


def _tag_rows(home: Home) -> list[tuple[str, int, str, str]]:
    """Name, version, key and value of every tag of a registered version."""
    if not home.mlflow_database.is_file():
        return []
    address = f"{home.mlflow_database.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            return database.execute(
                "SELECT name, version, key, value FROM model_version_tags"
            ).fetchall()
    except sqlite3.Error:
        return []  # no database of MLflow's, or one from before it had versions


def _model_folders(home: Home) -> list[Path]:
    """Every saved model under the home, its components not counted by themselves."""
    beginnings = ("runs", "artifacts", "outbox")
    with_files = {
        path.parent
        for top in beginnings
        for name in (MANIFEST, *_KEY_FILES)
        for path in (home.root / top).rglob(name)
    }
    folders = {model_folder_of(folder / "any", home.root) for folder in with_files}
    found = sorted(folder for folder in folders if folder is not None)
    return [f for f in found if not any(other in f.parents for other in found)]


# Files by which a model that names guests is recognised, before its package is imported.
_KEY_FILES = ("events.arrow", "collaborative.json")


def _parts_in(folder: Path) -> list[_Part]:
    """The folder itself and the components under it, those that name guests."""
    folders = {path.parent for name in _KEY_FILES for path in folder.rglob(name)}
    return [part for inner in sorted(folders) if (part := _part_in(inner)) is not None]


def _part_in(folder: Path) -> _Part | None:
    if (folder / "events.arrow").is_file():
        from models.two_tower import storage

        if storage.is_saved_here(folder):
            return _Part(folder=folder, guests=storage.guests_of, forget=storage.forget_guests)
    if (folder / "collaborative.json").is_file():
        from models.baselines.implicit_als import ImplicitALS

        if ImplicitALS.is_saved_in(folder):
            return _Part(
                folder=folder, guests=ImplicitALS.guests_in, forget=ImplicitALS.forget_guests
            )
    return None


def remove_runs(runs: list[Path]) -> None:
    """Remove runs that were cut off: nothing can load them, and a training begins anew."""
    for run in runs:
        shutil.rmtree(run)
