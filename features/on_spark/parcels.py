"""Rows on their way through a shuffle, in parcels: some thousand rows in one value of bytes.

Spark handles rows one by one and value by value, at some hundred nanoseconds each; a row here
has some eighty. A parcel is one value, so a shuffle costs what its bytes cost.

>>> rows = pl.DataFrame({"id_user": ["a", "b", "a"], "seen": [1, 2, 3]})
>>> (parcel,) = opened(parcels([(0, rows)], by="id_user", count=1, day=9))
>>> parcel.part, parcel.kind, parcel.day, parcel.rows["seen"].to_list()
(0, 0, 9, [1, 2, 3])
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl
import pyarrow as pa

__all__ = ["PARCEL", "Parcel", "opened", "parcels"]

PARCEL = "part int, kind int, day int, parcel binary"
"""Where it goes, what it holds, the day of its rows where they are apart, and the rows."""

_TOGETHER = 400_000
_OLDEST = pl.CompatLevel.oldest()
_SCHEMA = pa.schema(
    [("part", pa.int32()), ("kind", pa.int32()), ("day", pa.int32()), ("parcel", pa.binary())]
)


@dataclass(frozen=True)
class Parcel:
    """Rows that travel together.

    Attributes:
        part: where they go; from 0.
        kind: what they are.
        day: of all of them, where days are apart; else 0.
        rows: in no order.
    """

    part: int
    kind: int
    day: int
    rows: pl.DataFrame

    def packed(self) -> pa.RecordBatch:
        """A batch with one row, the parcel."""
        stream = self.rows.write_ipc_stream(None, compat_level=_OLDEST).getvalue()
        row = {"part": self.part, "kind": self.kind, "day": self.day, "parcel": stream}
        return pa.RecordBatch.from_pylist([row], schema=_SCHEMA)


def parcels(
    frames: Iterable[tuple[int, pl.DataFrame]], *, by: str, count: int, day: int = 0
) -> Iterator[pa.RecordBatch]:
    """Frames of a kind each, parted by the column ``by``: a value goes to one of ``count`` parts.

    Rows without a value are left out.
    """
    for kind, frame in _together(frames):
        part = (pl.col(by).hash(seed=0) % count).cast(pl.Int32)
        known = frame.filter(pl.col(by).is_not_null()).with_columns(_part=part)
        for (number,), rows in known.partition_by(
            "_part", as_dict=True, maintain_order=False
        ).items():
            yield Parcel(int(number), kind, day, rows.drop("_part")).packed()


def opened(batches: Iterable[pa.RecordBatch]) -> Iterator[Parcel]:
    """The parcels of batches in order of part, kind and day; those of the same three in one."""
    for (part, kind, day), values in groupby(_each(batches), key=itemgetter(0)):
        yield Parcel(part, kind, day, pl.concat(_rows(value) for _, value in values))


def _each(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[tuple[int, int, int], Any]]:
    for batch in batches:
        keys = zip(*(batch[name].to_pylist() for name in ("part", "kind", "day")), strict=True)
        yield from zip(keys, batch["parcel"], strict=True)


def _rows(parcel: Any) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(pa.ipc.open_stream(parcel.as_buffer()).read_all()))


def _together(frames: Iterable[tuple[int, pl.DataFrame]]) -> Iterator[tuple[int, pl.DataFrame]]:
    """Frames of a kind in larger ones: a parcel of few rows costs as much as one of many."""
    waiting: dict[int, list[pl.DataFrame]] = defaultdict(list)
    for kind, frame in frames:
        waiting[kind].append(frame)
        if sum(part.height for part in waiting[kind]) >= _TOGETHER:
            yield kind, pl.concat(waiting.pop(kind))
    for kind, parts in waiting.items():
        yield kind, pl.concat(parts)
