"""A guest's records in one raw log: where they are, for the file to be written without them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.erasure.json_text import Span
from data.erasure.log_readings import LogReading
from data.erasure.raw_bytes import LineUnit
from data.readers.files import SourceFile

__all__ = ["TO_THE_END", "GuestRecords", "Lines", "UnsearchableError"]

Lines = np.ndarray[Any, np.dtype[np.int64]]
TO_THE_END = np.iinfo(np.int64).max


class UnsearchableError(Exception):
    """Nobody can say whether a file names the guest; the message says why, in a few words."""


@dataclass(frozen=True, kw_only=True)
class GuestRecords:
    """The guest's records in one file.

    Attributes:
        file: as it was when it was read.
        unit: what ends its lines; ``None`` for Parquet.
        starts: the line (of Parquet: the row) at which each begins, from 1, ascending.
        ends: the line after each, where the next record begins.
        spans: of JSON that is no log of lines, offsets in its text instead.
        reading: what it was read with; ``None`` where no mapping knows its column of guests.
        is_named_by_folder: a folder above it gives the guest, so that all of it is the guest's.
    """

    file: SourceFile
    unit: LineUnit | None
    starts: Lines
    ends: Lines
    spans: tuple[Span, ...] = ()
    reading: LogReading | None = None
    is_named_by_folder: bool = False

    def __len__(self) -> int:
        return len(self.starts) + len(self.spans) or int(self.is_named_by_folder)
