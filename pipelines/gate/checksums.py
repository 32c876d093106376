"""Whether the files of a model are still those that were saved."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

__all__ = ["checksums_of", "damage_of"]


def checksums_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under ``folder``, by its path within."""
    return {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def damage_of(folder: Path, expected: Mapping[str, str]) -> str | None:
    """What is wrong with the files of ``folder``, in a few words; ``None`` when all is well.

    ``expected`` is what :func:`checksums_of` gave when the model was saved; without any
    entry the files cannot be vouched for, which counts as damage.
    """
    if not expected:
        return f"{folder} has no recorded checksums"
    found = checksums_of(folder) if folder.is_dir() else {}
    for name, digest in expected.items():
        if name not in found:
            return f"{folder / name} is missing"
        if found[name] != digest:
            return f"{folder / name} is not the file that was registered (its SHA-256 differs)"
    strange = sorted(set(found) - set(expected))
    return f"{folder / strange[0]} was not there when the model was registered" if strange else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
