"""Put a rewritten file in the place of the old one, in one step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["drafts_left_in", "is_draft", "rewrite"]

_BEGINNING = ".erasing."
# ``.journal.json.4711`` of a process that was killed before it renamed the file, and ours
_DRAFT = re.compile(r"\..+\.\d+|\.erasing\..+|\.writable-\d+")


def rewrite(path: Path, write: Callable[[Path], object], *, check: Callable[[Path], bool]) -> bool:
    """Write a draft beside the file, then rename it; whether that was done.

    ``check`` looks at the draft: one that it refuses is removed, and the old file stays. A kill
    leaves the old file or the new one.
    """
    # a raw log's kind is told by how its name ends
    draft = path.with_name(f"{_BEGINNING}{path.name}")
    write(draft)
    if not check(draft):
        draft.unlink()
        return False
    draft.chmod(path.stat().st_mode)
    draft.replace(path)
    return True


def is_draft(path: Path) -> bool:
    """Whether a killed process left this file behind; while the home is held it is nobody's."""
    return _DRAFT.fullmatch(path.name) is not None


def drafts_left_in(root: Path) -> Iterator[Path]:
    """What killed processes left behind under ``root``."""
    return (path for path in root.rglob(".*") if path.is_file() and is_draft(path))
