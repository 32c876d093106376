"""Files that the lake holds already, and what each was read with.

What was ingested is a file's bytes *and* the mapping (and the encoding) that they were read with:

=================  =======================  ==================================================
the file's bytes   the mapping              ingest
=================  =======================  ==================================================
new                any                      reads it
known              makes the same rows      "already ingested", nothing to do
known              makes other rows         refused: says which keys differ, and how to redo
known              of another name          refused: one home holds one origin
=================  =======================  ==================================================

With ``redo`` a known file is read again and its rows replaced, except under another name. A log
from which a guest was erased stands for the one that it was: its redo replaces the rows of that.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import shlex
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from data.errors import LogError, UnfitLogError
from data.lake.store import Lake
from data.readers.files import SourceFile
from data.readers.open_log import Log
from data.schema.tables import INGESTS
from data.sources.mapping import Mapping
from data.sources.mapping_meaning import Meaning, differences, mapping_of, meaning_of

__all__ = [
    "KnownFile",
    "check_same_origin",
    "check_same_reading",
    "digest_of",
    "is_other_reading",
    "known_files",
    "originals_of",
    "reading_of",
    "remember_as_known",
]

_MAPPING, _ENCODING = "mapping", "encoding"
_STANDS_FOR = "stands_for"


@dataclass(frozen=True, kw_only=True)
class KnownFile:
    """A file of the table ``ingests``.

    Attributes:
        source: name of the mapping.
        rows_accepted: of it, when it was ingested.
        ingested_at: the day, in UTC.
        read_as: what it was read with; ``None`` where an older version ingested it.
        stands_for: ``source_id`` of the file that it was before a guest was erased from it.
        path: where it was, as it was given.
    """

    source: str
    rows_accepted: int
    ingested_at: str
    read_as: Meaning | None
    stands_for: str | None = None
    path: str = ""

    @property
    def mapping(self) -> Mapping | None:
        """The mapping that it was read with, where the lake remembers it."""
        return mapping_of(self.read_as[_MAPPING]) if self.read_as is not None else None

    @property
    def encoding(self) -> str | None:
        """The encoding that it was read with; ``None`` for UTF-8, Parquet and unknown."""
        return self.read_as.get(_ENCODING) if self.read_as is not None else None


def known_files(lake: Lake) -> dict[str, KnownFile]:
    """Every file that the lake holds, by ``source_id``."""
    if not lake.exists(INGESTS.name):
        return {}
    records = lake.scan(INGESTS.name).collect()
    if "read_as" not in records.columns:
        records = records.with_columns(read_as=pl.lit(None, pl.String))
    return {
        record["source_id"]: KnownFile(
            source=record["source"],
            rows_accepted=record["rows_accepted"],
            ingested_at=f"{record['ingested_at']:%Y-%m-%d}",
            read_as=json.loads(record["read_as"]) if record["read_as"] else None,
            stands_for=_stands_for(record["report"]),
            path=record["source_file"],
        )
        for record in records.iter_rows(named=True)
    }


def reading_of(mapping: Mapping, encoding: str | None, file: SourceFile) -> str:
    """What the file is read with, as JSON: the meaning of the mapping, and the encoding.

    UTF-8 is none, and Parquet has none.
    """
    reading: Meaning = {_MAPPING: meaning_of(mapping)}
    if encoding is not None and file.kind != "parquet":
        try:
            name = codecs.lookup(encoding).name
        except LookupError:
            name = encoding  # opening the file refuses it
        if name != "utf-8":
            reading[_ENCODING] = name
    return json.dumps(reading, sort_keys=True, ensure_ascii=False)


def digest_of(reading: str) -> str:
    """16 hexadecimal digits that tell two readings apart."""
    return hashlib.sha256(reading.encode()).hexdigest()[:16]


def check_same_origin(home: str, file: SourceFile, known: KnownFile, mapping: Mapping) -> None:
    """Raise :class:`UnfitLogError` when the home holds the file's rows under another name."""
    if known.rows_accepted and known.source != mapping.name:
        raise UnfitLogError(
            f"{home}: this home holds {known.source} rows, those of {file.name} too (ingested on "
            f"{known.ingested_at}); {mapping.name} rows belong in a home of their own. Name one "
            "with --home"
        )


def is_other_reading(known: KnownFile, reading: str) -> bool:
    """Whether the file was read with something else, which may yet make the same rows of it."""
    return known.read_as is not None and known.read_as != json.loads(reading)


def check_same_reading(
    log: Log, known: KnownFile, reading: str, *, source: str, home: Path
) -> None:
    """Raise :class:`LogError` when the file's rows in the lake were read with something else.

    ``source`` is the mapping as it was given, for the command that the message tells.
    """
    if known.read_as is None or not is_other_reading(known, reading):
        return
    now = json.loads(reading)
    found = differences(known.read_as[_MAPPING], now[_MAPPING], log.columns)
    before_encoding, encoding = (r.get(_ENCODING, "utf-8") for r in (known.read_as, now))
    if before_encoding != encoding:
        found.append(f"--encoding (was {before_encoding}, now {encoding})")
    if not found:
        return
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    words = ["stayrank", "ingest", log.file.name, "--source", source, "--redo", "--home", str(home)]
    words += ["--encoding", encoding] if encoding != "utf-8" else []
    raise LogError(
        log.file.name,
        f"was ingested on {known.ingested_at} with another mapping. What differs: "
        f"{'; '.join(found[:5])}{more}. The lake still holds its rows as they were read then; to "
        f"read it again and replace them: {shlex.join(words)}",
    )


def originals_of(known: Dict[str, KnownFile], source_id: str) -> frozenset[str]:
    """The files in whose place this one stands, as ``source_id``: their rows are its rows."""
    originals: set[str] = set()
    file = known.get(source_id)
    while file is not None and file.stands_for is not None and file.stands_for not in originals:
        originals.add(file.stands_for)
        file = known.get(file.stands_for)
    return frozenset(originals)


def remember_as_known(lake: Lake, rewritten: SourceFile, *, original: str) -> None:
    """Record in ``ingests`` that a rewritten log brings nothing new.

    It is the log ``original`` (a ``source_id``), from which a guest was erased: under its new
    hash it would be ingested again. Its record is that of the original, which keeps the rows, and
    counts none itself. Nothing is recorded where the lake does not know the original.
    """
    if not lake.exists(INGESTS.name):
        return
    ingests = lake.scan(INGESTS.name).collect()
    record = ingests.filter(pl.col("source_id") == original).head(1)
    if record.is_empty() or rewritten.source_id in ingests["source_id"].to_list():
        return
    none = pl.lit(0, pl.Int64)
    lake.append(
        INGESTS.name,
        record.with_columns(
            source_id=pl.lit(rewritten.source_id),
            rows_in=none,
            rows_accepted=none,
            rows_quarantined=none,
            ingested_at=pl.lit(datetime.now(UTC).replace(tzinfo=None)).cast(
                ingests["ingested_at"].dtype
            ),
            report=pl.lit(json.dumps({_STANDS_FOR: original})),
        ),
    )


def _stands_for(report: str | None) -> str | None:
    # the reports of all files would take seconds to read
    if report is None or not report.startswith(f'{{"{_STANDS_FOR}"'):
        return None
    return str(json.loads(report)[_STANDS_FOR])
