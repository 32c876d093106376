"""How many of a file's rows may be rejected: some are a warning, most a refusal.

Of 1,000 rows of one file, with the limits as they come:

=====================================================  ========================================
1,000 rejected                                         refused, whatever the limits
600 rejected                                           refused (above ``refuse_share``, 50%)
80 rejected                                            warning (above ``warn_share``, 5%)
500 repeat a row of the file, all else equal           warning: written twice, nothing is lost
600 repeat a search and listing with other values      refused: ids that were cut or rounded
=====================================================  ========================================

In a file of fewer than ten rows a share says little: only the loss of all its rows refuses it,
and in a part of a larger log (``part-00007``, a Hive partition) not even that, as long as some
row of the ingest is accepted.

A row that repeats a search and listing which came before counts as rejected only where it says
something else of the listing (another price, another place) than the row that stays. An exact
repetition brings nothing that is lost, and neither does the lesser label of an event that went
further, or a row that an earlier file brought.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from data.errors import LogError
from data.ingest.deduplicate import DuplicateRows
from data.ingest.reason_examples import count_reasons, first_examples
from data.ingest.stage_file import StagedFile
from data.ingest.staging import Staging
from data.schema.reason_codes import MEANINGS, Reason

__all__ = ["RejectionLimits", "check_rejections"]

FEWEST_ROWS = 10
# What the rows of one result may differ in: how far the guest went, and where the row stands.
_MAY_DIFFER = (
    *("stage", "ds_book", "ds_contact", "book_day", "contact_day", "position", "source_line"),
)


@dataclass(frozen=True, kw_only=True)
class RejectionLimits:
    """Shares of a file's rows, above which it is warned about and refused."""

    warn_share: float = 0.05
    refuse_share: float = 0.5


def check_rejections(
    staged: Sequence[StagedFile],
    duplicates: DuplicateRows,
    limits: RejectionLimits,
    staging: Staging,
) -> dict[str, tuple[str, ...]]:
    """``source_id`` → warnings, a sentence each, of the staged files.

    Raises :class:`LogError` when too many rows of a file are rejected.
    """
    files = {file.source_id: _rejected(file, duplicates, limits, staging) for file in staged}
    if all(file.rejected == file.rows_in for file in files.values()):
        for file in files.values():
            file.refuse_if_whole()
    return {source_id: file.warnings(limits) for source_id, file in files.items()}


def _rejected(
    file: StagedFile, duplicates: DuplicateRows, limits: RejectionLimits, staging: Staging
) -> _Rejected:
    leaving = duplicates.new.filter(pl.col("source_id") == file.source_id)
    repeated = leaving.filter(pl.col("reasons") == str(Reason.DUPLICATE)).height
    is_suspicious = repeated > limits.warn_share * file.rows_in
    return _Rejected(
        file=file.name,
        is_part=file.is_part,
        rows_in=file.rows_in,
        duplicates=repeated,
        differing=_repeats_that_differ(staging, file.source_id) if is_suspicious else 0,
        rejected=file.rows_in - file.rows_accepted + leaving.height - repeated,
        reasons=file.reasons + count_reasons(leaving["reasons"]),
        examples={**first_examples(leaving, {}, {}), **file.rejected_examples},
    )


@dataclass(frozen=True, kw_only=True)
class _Rejected:
    """The quarantined rows of one file, by the rules of a row and over several rows.

    Attributes:
        file: its name.
        is_part: it is one of the many files that a larger log was written in.
        rows_in: all its rows.
        duplicates: rows quarantined for nothing but a search and listing that came before.
        differing: of these, how many tell something else of the listing.
        rejected: all other quarantined rows.
        reasons: rows per code.
        examples: per code, where it is first found: its line and the value there.
    """

    file: str
    is_part: bool
    rows_in: int
    duplicates: int
    differing: int
    rejected: int
    reasons: Counter[str]
    examples: dict[str, str]

    def warnings(self, limits: RejectionLimits) -> tuple[str, ...]:
        """Sentences for the report. Raises :class:`LogError` when the file is to be refused."""
        if self.rows_in >= FEWEST_ROWS or not self.is_part:
            self.refuse_if_whole()
        found = []
        if self._is_above(limits.refuse_share, self.rejected + self.differing):
            raise LogError(
                self.file,
                f"{self._share(self.rejected + self.differing)} would be quarantined"
                f"{self._main_reason()}. Nothing was written. Mend the file or its mapping; where "
                f"they are unusable indeed, raise the limit (now {limits.refuse_share:.0%}): "
                "refuse_share under [ingest] in stayrank.toml, or STAYRANK_INGEST__REFUSE_SHARE",
            )
        if self.rejected > limits.warn_share * self.rows_in:
            found.append(f"{self._share(self.rejected)} were quarantined{self._main_reason()}")
        if self.duplicates > limits.warn_share * self.rows_in:
            example = self.examples.get(Reason.DUPLICATE, "")
            found.append(
                f"{self._share(self.duplicates)} repeat a search and listing that came before"
                f"{example}{self._differing()}"
            )
        return tuple(found)

    def _is_above(self, share: float, rows: int) -> bool:
        return self.rows_in >= FEWEST_ROWS and rows > share * self.rows_in

    def refuse_if_whole(self) -> None:
        """Raise :class:`LogError` when every row is rejected."""
        if self.rows_in and self.rejected == self.rows_in:
            raise LogError(
                self.file,
                f"every one of its {self.rows_in:,} rows was rejected{self._main_reason()}"
                f"{self._hint()}",
            )

    def _hint(self) -> str:
        """What to do about the main reason, where that can be told."""
        code = self._code()
        if code == Reason.NOT_TEXT:
            return ". Name its encoding with --encoding"
        if code == Reason.TIME_UNREADABLE:
            number = _EPOCH.search(self.examples.get(code, ""))
            if number is None:
                return ". Write into the mapping how its times are written (time_format)"
            unit = next(name for digits, name in _EPOCH_UNITS if len(number[1]) >= digits)
            return f'. That looks like an epoch: write time_format = "{unit}" into the mapping'
        return ""

    def _share(self, rows: int) -> str:
        return f"{rows:,} of its {self.rows_in:,} rows ({rows / self.rows_in:.0%})"

    def _code(self) -> str:
        others = Counter({c: n for c, n in self.reasons.items() if c != Reason.DUPLICATE})
        more = others.most_common(1)
        if not more or self.differing > more[0][1]:
            return str(Reason.DUPLICATE)
        return more[0][0]

    def _main_reason(self) -> str:
        code = self._code()
        if code == Reason.DUPLICATE:
            return self._differing() + self.examples.get(code, "")
        rows = f"{self.reasons[code]:,}"
        return (
            f", most often ({rows}) because {MEANINGS[Reason(code)]}{self.examples.get(code, '')}"
        )

    def _differing(self) -> str:
        if not self.differing:
            return ""
        return (
            f"; {self.differing:,} rows give a search and listing that came before other values: "
            "ids that a spreadsheet has cut or rounded look so"
        )


# Seconds since 1970 have ten digits from 2001 to 2286.
_EPOCH = re.compile(r"'(\d{9,17})(?:\.\d+)?'")
_EPOCH_UNITS = ((15, "epoch_us"), (12, "epoch_ms"), (9, "epoch_s"))


def _repeats_that_differ(staging: Staging, source_id: str) -> int:
    """Rows of a staged file that repeat a search and listing of it with other values.

    Hashes are compared, 16 bytes a row, so that it is asked of a file with many repeats only.
    """
    hashes = []
    for part in staging.parts("accepted", source_id):
        frame = pl.read_parquet(part)
        rest = frame.drop(*_MAY_DIFFER, "id_search", "id_listing", strict=False)
        key = frame.select("id_search", "id_listing")
        hashes.append(pl.DataFrame({"key": key.hash_rows(), "rest": rest.hash_rows()}))
    groups = pl.concat(hashes).group_by("key").agg(rows=pl.len(), kinds=pl.col("rest").n_unique())
    differing = groups.filter(pl.col("kinds") > 1)
    return int((differing["rows"] - 1).sum() or 0)
