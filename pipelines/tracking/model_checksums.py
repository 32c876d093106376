"""Checksums of a model's files: what is loaded is what was written, or it is refused.

In the home's ``runs`` they lie beside the model (``SHA256SUMS.json``); those of a registered
model are tags of its version in MLflow.
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

    A folder without checksums, written before there were any, is taken as it is.
    """
    path = folder / MANIFEST
    if not path.exists():
        return
    try:
        expected = dict(json.loads(path.read_text()))
        found = _sums(folder)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); train again") from error
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            what = "is missing" if name not in found else "is not the file that was saved"
            raise DataError(
                f"{folder / name}: {what} (its SHA-256 differs from {MANIFEST}). "
                "Restore it from a back-up, or train again"
            )


def damage_of(folder: Path, expected: Mapping[str, str]) -> str | None:
    """What is wrong with a registered model's files, in a few words; ``None`` when all is well.

    ``expected`` maps each file's path in ``folder`` to its SHA-256 at registration. Without
    any entry the files cannot be vouched for, which counts as damage.
    """
    if not expected:
        return f"{folder} has no recorded checksums"
    found = sha256_of_folder(folder) if folder.is_dir() else {}
    for name, digest in expected.items():
        if name not in found:
            return f"{folder / name} is missing"
        if found[name] != digest:
            return f"{folder / name} is not the file that was registered (its SHA-256 differs)"
    strange = sorted(set(found) - set(expected))
    return f"{folder / strange[0]} was not there when the model was registered" if strange else None


def _sums(folder: Path) -> dict[str, str]:
    sums = sha256_of_folder(folder)
    return {name: digest for name, digest in sums.items() if Path(name).name != MANIFEST}
