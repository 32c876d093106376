"""The files of a home beside the lake's tables, by what an erasure can do with each.

raw       logs as they came: ``inbox/``, ``simulated/*/log``, and others that were read from a
          place in the home; read with the mapping
columns   other Parquet and Arrow files
model     part of a saved model: left to the model's class
database  of MLflow and Prefect
json, html, lines   texts, whose records name a guest or do not
other     pictures, weights, settings: an id can only be found there, not taken out
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.erasure.raw_bytes import reading, writing
from data.readers.folders import PACKED
from data.readers.unpack import DamagedArchiveError
from data.schema.tables import TABLES
from pipelines.config.home import Home
from pipelines.privacy.atomic_rewrite import is_draft
from pipelines.privacy.columns import is_columnar
from pipelines.privacy.erase_databases import is_database, is_of_database
from pipelines.privacy.erase_models import model_folder_of
from pipelines.tracking.model_checksums import MANIFEST

__all__ = ["HomeFile", "Kind", "files_of", "text_of", "write_text"]

Kind = Literal["raw", "columns", "model", "database", "json", "html", "lines", "other"]

# Made again from the log (past), carried through or thrown away (staging, erasing), or written
# by erasures and holding no name.
_ELSEWHERE = ("past", "staging", "erasing", "erasures", "checksums")
_LINES = (".log", ".txt", ".md", ".csv", ".tsv", ".psv", ".jsonl", ".ndjson", ".out", ".err")
_PAGES = (".html", ".htm")
_JSON = (".json", ".ipynb")
# Bytes that are no text: no id can be told from chance in them.
_OPAQUE = (".png", ".svg", ".jpg", ".safetensors", ".npy", ".ico", ".woff", ".woff2")


@dataclass(frozen=True)
class HomeFile:
    """One file and its kind."""

    path: Path
    kind: Kind


def files_of(home: Home, inbox: Path, logs: Collection[Path] = ()) -> Iterator[HomeFile]:
    """Every file that may name a guest, sorted; those of the tables are the lake's.

    ``logs``: resolved paths of raw logs outside the inbox.
    """
    tables = {home.root / "lake" / table.name for table in TABLES}
    skipped = {home.root / name for name in _ELSEWHERE}
    for path in sorted(home.root.rglob("*")):
        if path.is_symlink() or not path.is_file() or not path.stat().st_size:
            continue
        if is_draft(path) or is_of_database(path) or path.name == MANIFEST:
            continue
        if (tables | skipped).intersection(path.parents):
            continue
        yield HomeFile(path, _kind_of(path, home, inbox, logs))


def _kind_of(path: Path, home: Home, inbox: Path, logs: Collection[Path]) -> Kind:
    if _is_raw(path, home, inbox) or path.resolve() in logs:
        return "raw"
    if is_database(path):
        return "database"
    if model_folder_of(path, home.root) is not None:
        return "model"
    if is_columnar(path):
        return "columns"
    suffix = Path(path.stem).suffix if path.suffix in PACKED else path.suffix
    for suffixes, kind in ((_JSON, "json"), (_PAGES, "html"), (_LINES, "lines")):
        if suffix.lower() in suffixes:
            return kind  # type: ignore[return-value]
    return "other"


def _is_raw(path: Path, home: Home, inbox: Path) -> bool:
    if inbox in path.resolve().parents:
        return not path.name.endswith(".reason.txt")
    return home.simulated_log in path.parents and path.parent.name == "log"


def text_of(file: HomeFile) -> str | None:
    """The file's text; bytes that are no UTF-8 come back unchanged by :func:`write_text`.

    ``None`` where the file is no text: pictures, weights, an archive that cannot be unpacked.
    """
    if file.path.suffix.lower() in _OPAQUE:
        return None
    try:
        with reading(file.path) as stream:
            raw = stream.read()
    except DamagedArchiveError:
        return None
    return None if b"\x00" in raw else raw.decode("utf-8", errors="surrogateescape")


def write_text(file: HomeFile, text: str, draft: Path) -> None:
    """Write a changed text to ``draft``, packed as the file is."""
    with writing(draft, like=file.path) as out:
        out.write(text.encode("utf-8", errors="surrogateescape"))
