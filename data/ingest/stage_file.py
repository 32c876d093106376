"""Read one log into the staging folder: validated rows as parts, counts in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from data.ingest.exact_ids import refuse_inexact_ids
from data.ingest.lineage import LINEAGE
from data.ingest.provenance import ProvenanceCount
from data.ingest.pseudonyms import pseudonymised, refusal_without_cells, without_examples
from data.ingest.reason_examples import count_reasons, first_examples
from data.ingest.row_positions import SeenRows
from data.ingest.staging import Staging
from data.prefetch import prefetched
from data.readers.chunk import Chunk
from data.readers.open_log import Log
from data.readers.partitions import PartitionCheck
from data.schema.reason_codes import Nulled, Reason
from data.schema.tables import IMPRESSIONS, SIMULATED_MARK, Kind
from data.sources.column_rules import Rule
from data.sources.explode import explode_chunks
from data.sources.mapping import TARGETS, Mapping
from data.validation.date_order import refuse_contradiction
from data.validation.row_results import Example
from data.validation.time_reading import TimeReading
from data.validation.validate_chunk import ValidatedChunk, validate_chunk

__all__ = ["StagedFile", "as_quarantine", "stage_file"]


@dataclass(kw_only=True)
class StagedFile:
    """One file as staged; filled chunk by chunk.

    Attributes:
        source_id, name: as in ``data.readers.files.SourceFile``.
        rows_in, rows_accepted: so far, by the row rules alone.
        is_part: it is one of the many files that a larger log was written in.
        is_simulated: as its rows are marked; known when the file is read whole.
        reasons: quarantined rows per reason code.
        rejected_examples: where each code is first found, in words.
        nulled, examples: as in ``data.validation.validate_chunk.ValidatedChunk``.
        filled: cells of accepted rows that were not empty, by column: read or nulled.
        absent, ignored: as in ``data.ingest.report.FileReport``.
        findings: sentences for the report.
        quotes_cells: whether examples show what stands in the log; not where guests are
            pseudonymised, since any cell may hold the id of a shifted row.
    """

    source_id: str
    name: str
    is_part: bool = False
    rows_in: int = 0
    rows_accepted: int = 0
    is_simulated: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    rejected_examples: dict[str, str] = field(default_factory=dict)
    nulled: Counter[tuple[str, Nulled]] = field(default_factory=Counter)
    examples: dict[tuple[str, Nulled], Example] = field(default_factory=dict)
    filled: Counter[str] = field(default_factory=Counter)
    absent: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    quotes_cells: bool = True

    def add(self, validated: ValidatedChunk, rows: int, rules: dict[str, Rule]) -> None:
        """Count one chunk of ``rows`` rows."""
        self.rows_in += rows
        self.rows_accepted += validated.accepted.height
        self.reasons += count_reasons(validated.rejected["reasons"])
        rejected = validated.rejected if self.quotes_cells else validated.rejected.drop("row")
        self.rejected_examples |= first_examples(rejected, rules, self.rejected_examples)
        self.nulled += validated.nulled
        self.filled.update({column.name: column.count() for column in validated.accepted})
        for (column, _), cells in validated.nulled.items():
            self.filled[column] += cells
        # the earlier example wins
        self.examples = validated.examples | self.examples


def stage_file(
    log: Log,
    mapping: Mapping,
    staging: Staging,
    progress: Callable[[int], None],
    *,
    times: TimeReading,
    pseudonym_key: str = "",
) -> StagedFile:
    """Read, validate and store the whole file; ``progress`` is called with the bytes read.

    Raises :class:`data.errors.LogError` when the file cannot be read to its end, changes
    while it is read, mixes simulated with real rows, has ids in a type that cannot hold them, or
    dates that contradict each other; and
    :class:`data.validation.time_reading.OffsetFoundError` as that says.
    """
    file = log.file
    rules = mapping.rules_for(log.columns, file.name, log.nested)
    used = mapping.columns_read(rules)
    staged = StagedFile(
        source_id=file.source_id,
        name=file.name,
        is_part=bool(file.partition) or file.path.name.startswith("part-"),
        absent=tuple(name for name in TARGETS if name not in rules and name != "ds_search"),
        ignored=tuple(n for n in log.columns if n not in used and n != SIMULATED_MARK),
        quotes_cells=not pseudonym_key,
    )
    # an empty first part: a log without rows still says which columns it has
    no_rows = pl.DataFrame(schema=dict.fromkeys(log.columns, pl.String))
    no_lines = pl.Series("source_line", [], dtype=pl.Int64)
    nothing = Chunk(rows=no_rows, lines=no_lines)
    (first,) = explode_chunks([nothing], mapping, rules, file.name)
    empty = validate_chunk(first, rules, mapping, file.source_id, times)
    staging.write(file.source_id, "accepted", 0, empty.accepted)
    seen = SeenRows(file.source_id, staging) if mapping.position_is_row_order else None
    provenance, folders = ProvenanceCount(), PartitionCheck(file.partition, log.own_columns)
    # the next chunk is read while this one is validated
    with prefetched(log.chunks(), ahead=1) as chunks:
        exploded = explode_chunks(chunks, mapping, rules, file.name)
        for number, raw in enumerate(exploded, start=1):
            refuse_inexact_ids(raw, rules, file.name)
            chunk = pseudonymised(raw, rules, pseudonym_key) if pseudonym_key else raw
            validated = validate_chunk(chunk, rules, mapping, file.source_id, times)
            if pseudonym_key:
                validated = without_examples(validated)
            staged.add(validated, chunk.row_count, rules)
            provenance.add(raw.rows, validated.accepted)
            folders.add(raw.rows, raw.lines)
            _store(validated, number, staged, staging)
            if seen is not None:
                seen.add(validated.keys, number)
            progress(chunk.bytes_read)
    file.check_unchanged()
    # the order of day and month was decided by the first dates that tell it: later ones may not
    # agree
    if times.time_format != mapping.time_format and _has_unreadable_times(staged):
        refuse_contradiction(log, rules)
    staged.is_simulated = provenance.is_simulated(file.name)
    of_folders = folders.sentences()
    if pseudonym_key:
        of_folders = tuple(refusal_without_cells(s, file.name, used) for s in of_folders)
    staged.findings = (*_respelled(log), *of_folders)
    return staged


def _has_unreadable_times(staged: StagedFile) -> bool:
    nulled = {column for column, reason in staged.nulled if reason == Nulled.UNREADABLE}
    dates = {column.name for column in IMPRESSIONS.columns if column.kind == Kind.DATE}
    return staged.reasons[Reason.TIME_UNREADABLE] > 0 or bool(nulled & dates)


def _respelled(log: Log) -> tuple[str, ...]:
    if not log.spelled:
        return ()
    names = ", ".join(f"{own} as {name}" for name, own in list(log.spelled.items())[:5])
    more = f" and {len(log.spelled) - 5} more" if len(log.spelled) > 5 else ""
    return (f"columns read in another case than the mapping has them: {names}{more}",)


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
        *LINEAGE,
        pl.col("source_id").replace_strict(names, return_dtype=pl.String).alias("source_file"),
        "reasons",
        "row",
        pl.lit(datetime.now(UTC).date()).alias("ds_ingested"),
    )
