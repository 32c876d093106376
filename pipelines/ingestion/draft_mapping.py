"""Draft a mapping for a log, and try it on the log's own rows before anybody trusts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import polars as pl

from data.counted import counted
from data.errors import DataError, LogError
from data.readers.chunk import Chunk
from data.readers.files import identify
from data.readers.folders import find_files
from data.readers.open_log import Log, open_log
from data.schema.reason_codes import MEANINGS, Reason
from data.sources.column_rules import Rule
from data.sources.draft import Draft, draft_mapping
from data.sources.explode import explode_chunks
from data.sources.mapping import Mapping, load_mapping
from data.validation.date_order import date_order
from data.validation.time_reading import OffsetFoundError, TimeReading
from data.validation.validate_chunk import validate_chunk

__all__ = ["DraftedMapping", "draft_for"]

# So many rows are looked at, of the beginning of each of the first chunks: a file of many
# gigabytes is not read to its end for a draft.
CHUNKS = 8
ROWS_OF_FIRST = 5_000
ROWS_OF_LATER = 1_000


@dataclass(frozen=True, kw_only=True)
class DraftedMapping:
    """The text of the mapping, and what was found out about it.

    Attributes:
        toml: the text, comments and evidence in it.
        missing: per required column for which the log shows nothing, what is to be written.
        tried: a sentence about a trial on the sampled rows; empty where one is missing.
    """

    toml: str
    missing: dict[str, str]
    tried: str


def draft_for(
    paths: Sequence[str | Path], folder: Path, encoding: str | None = None
) -> DraftedMapping:
    """A mapping for the first of the logs at ``paths``; ``folder`` takes a file for the trial.

    Raises :class:`data.errors.LogError` where it cannot be read, or has no rows.
    """
    log = open_log(identify(find_files(paths).files[0]), encoding=encoding)
    chunks = [chunk for chunk in _sampled(log) if chunk.rows.height]
    if not chunks:
        raise LogError(log.file.name, "has no rows from which a mapping could be drafted")
    rows = pl.concat([chunk.rows for chunk in chunks], how="diagonal_relaxed")
    draft = draft_mapping(rows, Path(log.file.name).name)
    if draft.missing:
        return DraftedMapping(toml=draft.as_toml(), missing=draft.missing, tried="")
    try:
        tried = _trial(draft, log, chunks, folder)
    except DataError as error:
        # the draft is of use all the same: its lines can be mended
        tried = f"It does not run yet: {error}."
    return DraftedMapping(toml=draft.as_toml(tried), missing={}, tried=tried)


def _sampled(log: Log) -> Iterator[Chunk]:
    for number, chunk in enumerate(islice(log.chunks(), CHUNKS)):
        most = ROWS_OF_LATER if number else ROWS_OF_FIRST
        yield Chunk(rows=chunk.rows.head(most), lines=chunk.lines.head(most))


def _trial(draft: Draft, log: Log, chunks: list[Chunk], folder: Path) -> str:
    """What the row rules say of the sample under the draft, read from a file as ingest will."""
    path = folder / f"{draft.name}.toml"
    path.write_text(draft.as_toml(), encoding="utf-8")
    mapping: Mapping = load_mapping(path)
    rules = mapping.rules_for(log.columns, log.file.name, log.nested)
    order = date_order(replace(log, chunks=lambda: iter(chunks)), rules, mapping.time_format, None)
    times = TimeReading(time_format=order.time_format)
    exploded = list(explode_chunks(chunks, mapping, rules, log.file.name))
    try:
        accepted, reasons = _validated(exploded, rules, mapping, times)
    except OffsetFoundError:
        told = replace(times, keeps_instants=True)
        accepted, reasons = _validated(exploded, rules, mapping, told)
    rejected = sum(chunk.row_count for chunk in exploded) - accepted
    sentence = f"Tried on the sample: {counted(accepted, 'row')} accepted"
    if not rejected:
        return f"{sentence}, none quarantined by the row rules."
    code, rows = reasons.most_common(1)[0]
    return (
        f"{sentence}, {rejected:,} quarantined, most often ({rows:,}) because "
        f"{MEANINGS[Reason(code)]}."
    )


def _validated(
    chunks: Sequence[Chunk], rules: dict[str, Rule], mapping: Mapping, times: TimeReading
) -> tuple[int, Counter[str]]:
    """How many rows are accepted, and the reasons of the others."""
    accepted, reasons = 0, Counter[str]()
    for chunk in chunks:
        validated = validate_chunk(chunk, rules, mapping, "trial", times)
        accepted += validated.accepted.height
        for codes in validated.rejected["reasons"].to_list():
            reasons.update(codes.split(","))
    return accepted, reasons
