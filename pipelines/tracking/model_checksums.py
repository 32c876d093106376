"""Checksums of a model's files, checked before the model is loaded.

A model in the home's ``runs`` has them beside it, in ``SHA256SUMS.json``; a registered model
has them in the tags of its MLflow version, ``sha256.FILE``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from data.errors import DataError
from data.lake.checksums import sha256_of_folder
from pipelines.config.home import write_json

__all__ = ["MANIFEST", "check_manifest", "damage_of", "write_manifest"]

MANIFEST = "SHA256SUMS.json"


def write_manifest(folder: Path) -> None:
    """Write ``SHA256SUMS.json``: file name → SHA-256 of every file in ``folder``."""
    write_json(folder / MANIFEST, _sums(folder))


def check_manifest(folder: Path) -> None:
    """Raise ``DataError`` naming the first file that is missing, added or altered.

    A folder without ``SHA256SUMS.json``, from before there were checksums, is not checked.
    """
    path = folder / MANIFEST
    if not path.exists():
        return
    try:
        expected = dict(json.loads(path.read_text()))
        actual = _sums(folder)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); train again") from error
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            damage = "is missing" if name not in actual else "is not the file that was saved"
            raise DataError(
                f"{folder / name}: {damage} (its SHA-256 differs from {MANIFEST}). "
                "Restore it from a back-up, or train again"
            )


def damage_of(folder: Path, expected: Mapping[str, str]) -> str | None:
    """What is wrong with a registered model's files, in a few words; ``None`` if nothing is.

    ``expected`` maps each file's path in ``folder`` to its SHA-256 at registration. No entry
    at all counts as damage, since the files cannot be checked.
    """
    if not expected:
        return f"{folder} has no recorded checksums"
    actual = sha256_of_folder(folder) if folder.is_dir() else {}
    for name, digest in expected.items():
        if name not in actual:
            return f"{folder / name} is missing"
        if actual[name] != digest:
            return f"{folder / name} is not the file that was registered (its SHA-256 differs)"
    added = sorted(set(actual) - set(expected))
    return f"{folder / added[0]} was not there when the model was registered" if added else None


def _sums(folder: Path) -> dict[str, str]:
    sums = sha256_of_folder(folder)
    return {name: digest for name, digest in sums.items() if Path(name).name != MANIFEST}
