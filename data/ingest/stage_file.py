"""Read one log into the staging folder: validated rows as parts, counts in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from data.errors import LogError
from data.ingest.pseudonyms import pseudonymised, without_examples
from data.ingest.row_positions import SeenRows
from data.ingest.staging import Staging
from data.prefetch import prefetched
from data.readers.chunk import Chunk
from data.readers.open_log import Log
from data.schema.reason_codes import MEANINGS, Nulled, Reason
from data.sources.mapping import TARGETS, Mapping
from data.validation.row_results import Example
from data.validation.validate_chunk import ValidatedChunk, validate_chunk

__all__ = ["SIMULATED_PREFIX", "StagedFile", "stage_file"]

# Ids of the simulator begin so; a simulated log is always recognisable as one.
SIMULATED_PREFIX = "sim"


@dataclass(kw_only=True)
class StagedFile:
    """One file as staged; filled chunk by chunk.

    Attributes:
        source_id, name: as in ``data.readers.files.SourceFile``.
        rows_in, rows_accepted: so far, by the row rules alone.
        simulated: accepted rows whose search id is the simulator's.
        reasons: quarantined rows per reason code.
        nulled, examples: as in ``data.validation.validate_chunk.ValidatedChunk``.
        absent, ignored: as in ``data.ingest.report.FileReport``.
    """

    source_id: str
    name: str
    rows_in: int = 0
    rows_accepted: int = 0
    simulated: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    nulled: Counter[tuple[str, Nulled]] = field(default_factory=Counter)
    examples: dict[tuple[str, Nulled], Example] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def add(self, validated: ValidatedChunk, rows: int) -> None:
        """Count one chunk of ``rows`` rows."""
        self.rows_in += rows
        self.rows_accepted += validated.accepted.height
        is_simulated = validated.accepted["id_search"].str.starts_with(SIMULATED_PREFIX)
        self.simulated += int(is_simulated.sum())
        self.reasons += count_reasons(validated.rejected["reasons"])
        self.nulled += validated.nulled
        # the earlier example wins
        self.examples = validated.examples | self.examples


def count_reasons(reasons: pl.Series) -> Counter[str]:
    """Rows per code; a row with two codes counts under both.

    >>> counts = count_reasons(pl.Series(["label_missing,time_missing", "label_missing"]))
    >>> sorted(counts.items())
    [('label_missing', 2), ('time_missing', 1)]
    """
    counts: Counter[str] = Counter()
    for codes, rows in reasons.value_counts(name="rows").iter_rows():
        for code in codes.split(","):
            counts[code] += rows
    return counts


def stage_file(
    log: Log,
    mapping: Mapping,
    staging: Staging,
    progress: Callable[[int], None],
    *,
    pseudonym_key: str = "",
) -> StagedFile:
    """Read, validate and store the whole file; ``progress`` is called with the bytes read.

    Raises :class:`data.errors.LogError` when the file cannot be read to its end, changes
    while it is read, mixes simulated with real rows, or has no row that can be accepted.
    """
    file = log.file
    rules = mapping.rules_for(log.columns, file.name)
    used = {name for rule in rules.values() for name in rule.needs}
    staged = StagedFile(
        source_id=file.source_id,
        name=file.name,
        absent=tuple(name for name in TARGETS if name not in rules and name != "ds_search"),
        ignored=tuple(name for name in log.columns if name not in used),
    )
    # an empty first part: a log without rows still says which columns it has
    no_rows = pl.DataFrame(schema=dict.fromkeys(log.columns, pl.String))
    no_lines = pl.Series("source_line", [], dtype=pl.Int64)
    empty = validate_chunk(Chunk(rows=no_rows, lines=no_lines), rules, mapping, file.source_id)
    staging.write(file.source_id, "accepted", 0, empty.accepted)
    seen = SeenRows(file.source_id, staging) if mapping.position_is_row_order else None
    # the next chunk is read while this one is validated
    with prefetched(log.chunks(), ahead=1) as chunks:
        for number, raw in enumerate(chunks, start=1):
            chunk = pseudonymised(raw, rules, pseudonym_key) if pseudonym_key else raw
            validated = validate_chunk(chunk, rules, mapping, file.source_id)
            if pseudonym_key:
                validated = without_examples(validated)
            staged.add(validated, chunk.row_count)
            _store(validated, number, staged, staging)
            if seen is not None:
                seen.add(validated.keys, number)
            progress(chunk.bytes_read)
    file.check_unchanged()
    _check_usable(staged)
    return staged


def _store(validated: ValidatedChunk, number: int, staged: StagedFile, staging: Staging) -> None:
    if validated.accepted.height:
        staging.write(staged.source_id, "accepted", number, validated.accepted)
    if validated.rejected.height:
        rows = as_quarantine(
            validated.rejected.with_columns(source_id=pl.lit(staged.source_id)),
            {staged.source_id: staged.name},
        )
        staging.write(staged.source_id, "rejected", number, rows)


def as_quarantine(rows: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Rows of the table ``quarantine``; ``names`` gives the file name of each source_id."""
    return rows.select(
        "source_id",
        "source_line",
        pl.col("source_id").replace_strict(names, return_dtype=pl.String).alias("source_file"),
        "reasons",
        "row",
        pl.lit(datetime.now(UTC).date()).alias("ds_ingested"),
    )


def _check_usable(staged: StagedFile) -> None:
    if staged.rows_in and not staged.rows_accepted:
        code, rows = staged.reasons.most_common(1)[0]
        hint = ". Name its encoding with --encoding" if code == Reason.NOT_TEXT else ""
        raise LogError(
            staged.name,
            f"every one of its {staged.rows_in:,} rows was rejected, most often ({rows:,}) "
            f"because {MEANINGS[Reason(code)]}{hint}",
        )
    if 0 < staged.simulated < staged.rows_accepted:
        raise LogError(
            staged.name,
            f"{staged.simulated:,} of {staged.rows_accepted:,} searches have simulated ids "
            f"({SIMULATED_PREFIX}…); simulated and real rows are never mixed. Split the file",
        )
