"""Checksums of a saved model's files: what is loaded is what was written, or it is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from data.errors import DataError
from pipelines.home import write_json

__all__ = ["MANIFEST", "check_manifest", "sha256_of", "write_manifest"]

MANIFEST = "SHA256SUMS.json"
CHUNK_BYTES = 1 << 20


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


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
