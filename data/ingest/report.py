"""The report of an ingest: every row counted, every nulled value and unused column named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from data.schema.reason_codes import MEANINGS, Reason
from data.validation.row_order_check import RowOrderCheck

__all__ = ["DayRows", "FileReport", "IngestReport", "NulledValues"]


@dataclass(frozen=True, kw_only=True)
class NulledValues:
    """Values of one column nulled for one reason, and the first of them."""

    column: str
    reason: str
    count: int
    line: int
    value: str


@dataclass(frozen=True, kw_only=True)
class DayRows:
    """Accepted rows of one market and day."""

    market: str
    ds_search: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """One file.

    Attributes:
        status: ``already ingested`` says that the same content is in the lake; its counts
            are then zero. ``redone``: it was, and these rows have replaced those.
        quarantined: rows per reason code. A row with two codes counts under both, so the
            counts may exceed ``rows_quarantined``.
        absent: contract columns that the log cannot give.
        ignored: columns of the log that the mapping does not use.
        market_days: where the accepted rows went.
        warnings: what somebody should look at before the rows are used, a sentence each.
        replaced: accepted rows that left the lake because the file was read again.
    """

    file: str
    source_id: str
    status: Literal["ingested", "already ingested", "redone"] = "ingested"
    rows_in: int = 0
    rows_accepted: int = 0
    rows_quarantined: int = 0
    quarantined: dict[str, int]
    nulled: tuple[NulledValues, ...] = ()
    absent: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    market_days: tuple[DayRows, ...] = ()
    warnings: tuple[str, ...] = ()
    replaced: int = 0

    def __post_init__(self) -> None:
        if self.rows_in != self.rows_accepted + self.rows_quarantined:
            raise ValueError(
                f"{self.file}: {self.rows_in} rows in, but {self.rows_accepted} accepted and "
                f"{self.rows_quarantined} quarantined"
            )

    def lines(self) -> list[str]:
        """The report on this file as plain text."""
        if self.status == "already ingested":
            return [f"{self.file}: already ingested, nothing to do"]
        again = f", in place of {self.replaced:,} accepted before" if self.replaced else ""
        lines = [f"{self.file}: {_row_counts(self)}{again}"]
        lines += [
            f"  quarantined {rows:,}: {code} ({MEANINGS[Reason(code)]})"
            for code, rows in sorted(self.quarantined.items())
        ]
        if Reason.NOT_TEXT in self.quarantined:
            lines.append("  if the file is not UTF-8, name its encoding with --encoding")
        lines += [
            f"  nulled {n.count:,} in {n.column}: {n.reason}, first in line {n.line} ({n.value!r})"
            for n in self.nulled
        ]
        return lines


def _row_counts(report: FileReport | IngestReport) -> str:
    return (
        f"{report.rows_in:,} rows in = {report.rows_accepted:,} accepted + "
        f"{report.rows_quarantined:,} quarantined"
    )


def _column_lines(title: str, by_file: dict[str, tuple[str, ...]]) -> list[str]:
    """Column names under a title: one line where all files agree, else one per file.

    >>> _column_lines("columns ignored", {"a.csv": ("colour",), "b.csv": ("colour",)})
    ['columns ignored: colour']
    >>> _column_lines("columns ignored", {"a.csv": ("colour",), "b.csv": ("size",), "c.csv": ()})
    ['a.csv: columns ignored: colour', 'b.csv: columns ignored: size']
    """
    texts = {f: f"{title}: {', '.join(names)}" for f, names in by_file.items() if any(names)}
    distinct = list(dict.fromkeys(texts.values()))
    return distinct if len(distinct) == 1 else [f"{file}: {text}" for file, text in texts.items()]


@dataclass(frozen=True, kw_only=True)
class IngestReport:
    """One ingest of one or several files.

    Attributes:
        source: name of the mapping.
        files: one report per file, in the order given.
        superseded: older rows that left the lake for the quarantine, because a file brought
            the same key with a further label or contradicted their search.
        findings: warnings about accepted rows, a sentence each; see
            :mod:`data.validation.warnings`.
        recovered: earlier ingests, cut off in the middle, that were completed first.
        row_order: what the order of the rows tells of a log whose columns give no position;
            ``None`` where they do, or where no search has two results.
    """

    source: str
    files: tuple[FileReport, ...]
    superseded: int = 0
    findings: tuple[str, ...] = ()
    recovered: int = 0
    row_order: RowOrderCheck | None = None

    @property
    def rows_in(self) -> int:
        return sum(file.rows_in for file in self.files)

    @property
    def rows_accepted(self) -> int:
        return sum(file.rows_accepted for file in self.files)

    @property
    def rows_quarantined(self) -> int:
        return sum(file.rows_quarantined for file in self.files)

    @property
    def market_days(self) -> list[tuple[str, str]]:
        """Market and ISO day of every partition that got rows, sorted."""
        return sorted({(d.market, d.ds_search) for f in self.files for d in f.market_days})

    def to_dict(self) -> dict[str, Any]:
        """The report as plain dictionaries and lists, with the totals."""
        totals = {
            "rows_in": self.rows_in,
            "rows_accepted": self.rows_accepted,
            "rows_quarantined": self.rows_quarantined,
        }
        row_order = (
            asdict(self.row_order) | {"sentence": self.row_order.sentence}
            if self.row_order
            else None
        )
        return asdict(self) | {"row_order": row_order} | totals

    def lines(self) -> list[str]:
        """The report as plain text, for a terminal."""
        lines = [line for file in self.files for line in file.lines()]
        lines += _column_lines("not in this log", {f.file: f.absent for f in self.files})
        lines += _column_lines("columns ignored", {f.file: f.ignored for f in self.files})
        if len(self.files) > 1:
            lines.append(f"all files: {_row_counts(self)}")
        if self.superseded:
            lines.append(f"older rows moved from impressions to quarantine: {self.superseded:,}")
        lines += [f"finding: {finding}" for finding in self.findings]
        if self.row_order is not None:
            lines.append(f"row order: {self.row_order.sentence}")
        if self.recovered:
            lines.append(f"completed {self.recovered} earlier ingest(s) that had been cut off")
        # last: what stands there is seen
        lines += [f"warning: {file.file}: {text}" for file in self.files for text in file.warnings]
        return lines
