"""The features on a Spark cluster: the arithmetic of one machine, where the rows lie.

Spark moves parcels of rows (:mod:`features.on_spark.parcels`) and nothing else; workers read the
log's files, and write those of the features. What is computed is computed by the functions of
:mod:`features.on_spark.partitions`, and so to the last bit as on one machine.

====  =================================  ==================================================
step  rows lie together by               what comes out
====  =================================  ==================================================
1     cell, market, room type            their sums by the hour: a small table, handed to
                                         every worker
2     day, clicks alone                  the vectors of the day: small, handed to every worker
3     guest, day by day                  sums of each search, and of each impression
4     listing, day by day                sums of each impression
5     search, with its sums              the features, written by the worker
====  =================================  ==================================================

The driver holds the two small tables, and no row. A guest or a listing with very many rows makes
a long task, and not a large one: a day of a part is in memory at a time, and the totals of its
keys. Workers need this package (``docs/scaling.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from data.schema.time import DAY_S
from features.build import planned
from features.history.clicked_vectors import ClickedVectorSums, ListingVectors
from features.market_days import tells_instants
from features.on_spark.handed import Handed
from features.on_spark.parcels import PARCEL, Parcel, opened, parcels
from features.on_spark.partitions import (
    clicks_before,
    entries,
    features_of_searches,
    summed_entries,
    sums_of_family,
    vectors_of_clicks,
)
from features.on_spark.pieces import Piece
from features.on_spark.work import Work

__all__ = ["build_on_spark"]

_ROWS_PER_PART = 150_000
_ROWS_PER_FAMILY_PART = 1_000_000
_ROWS = -1  # the kind of a parcel that holds rows of the log; of sums it is their number

# A step of a worker: some batches in, and out what goes on from there.
_Step = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def build_on_spark(
    session: Any,
    pieces: Sequence[Piece],
    folder: Path,
    *,
    features: FeatureSet,
    days: Sequence[int],
) -> list[Path]:
    """Build the features of a log, and write them into ``folder``; returns the files.

    Args:
        session: of Spark.
        pieces: all rows of the impressions table, with outcomes; at least one.
        folder: that all workers reach. A task that fails and is tried again leaves a file
            behind: those returned are the ones that count.
        features: what to build.
        days: the days to build, since 1970: the last ones of the log; earlier ones are history.

    Columns and bits are those of :func:`features.build.build_features`, the rows in no
    particular order. Raises as that does.
    """
    columns = pieces[0].columns
    planned(columns, columns, features)  # raises where a column is absent or of another type
    return _Job(session, pieces, Work.of(columns, features, min(days))).write(folder, days)


class _Job:
    def __init__(self, session: Any, pieces: Sequence[Piece], work: Work) -> None:
        self._session, self._pieces, self._work = session, pieces, work
        rows = sum(piece.rows for piece in pieces)
        self._parts = -(-rows // _ROWS_PER_PART) or 1
        self._parts_of_family = max(2, -(-rows // _ROWS_PER_FAMILY_PART))

    def write(self, folder: Path, days: Sequence[int]) -> list[Path]:
        work, parts = self._work, self._parts
        handed = self._session.sparkContext.broadcast(self._handed(days))
        whole = self._read(partial(_by_search, work=work, parts=parts))
        for by in work.shuffles:
            of_keys = self._read(partial(_by_key, work=work, by=by, parts=self._parts_of_family))
            answer = partial(_answers, work=work, by=by, handed=handed, parts=parts)
            whole = whole.unionByName(self._shuffled(of_keys, self._parts_of_family, answer))
        write = partial(_write, work=work, handed=handed, folder=str(folder))
        written = self._by_part(whole, parts).mapInArrow(write, "file string")
        return [Path(row.file) for row in written.collect()]

    def _handed(self, days: Sequence[int]) -> Handed:
        work, parts = self._work, self._parts_of_family
        totals, vectors = pl.DataFrame(), pl.DataFrame()
        if work.summed:
            found = self._read(partial(_entries, work=work, parts=parts))
            totals = _rows_of(self._shuffled(found, parts, _summed))
        if any(isinstance(s, ClickedVectorSums | ListingVectors) for s in work.plan.sources):
            asked = _days_of_vectors(days, dict(work.columns))
            clicks = self._read(partial(_clicks, days=asked))
            vectors = _rows_of(self._shuffled(clicks, len(asked), partial(_learnt, days=asked)))
        return Handed.of(totals, vectors)

    def _read(self, step: Callable[..., Iterator[pa.RecordBatch]]) -> Any:
        """The pieces, each read and cut into parcels by a task."""
        count = len(self._pieces)
        numbers = self._session.range(0, count, 1, count)
        return numbers.mapInArrow(partial(_of_pieces, pieces=self._pieces, step=step), PARCEL)

    def _shuffled(self, frame: Any, parts: int, step: _Step) -> Any:
        return self._by_part(frame, parts).mapInArrow(step, PARCEL)

    @staticmethod
    def _by_part(frame: Any, parts: int) -> Any:
        """The parcels of one part together, in order of kind and day."""
        from pyspark.sql import functions as f

        return frame.repartitionById(parts, f.col("part")).sortWithinPartitions("kind", "day")


def _days_of_vectors(days: Sequence[int], columns: Collection[str]) -> tuple[int, ...]:
    """The days, of the clock that all seconds are counted on, in which rows of ``days`` lie.

    Where a log tells instants, a day of a market's own clock reaches into the next or the one
    before.
    """
    if not tells_instants(columns):
        return tuple(days)
    return tuple(sorted({day + by for day in days for by in (-1, 0, 1)}))


def _rows_of(frame: Any) -> pl.DataFrame:
    """All rows of the parcels, on the driver: of small tables alone."""
    found = [parcel.rows for parcel in opened(frame.toArrow().to_batches())]
    return pl.concat(found) if found else pl.DataFrame()


# What follows runs in the workers.


def _of_pieces(
    batches: Iterator[pa.RecordBatch],
    pieces: Sequence[Piece],
    step: Callable[[Piece], Iterator[pa.RecordBatch]],
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for number in batch["id"].to_pylist():
            yield from step(pieces[number])


def _by_search(piece: Piece, work: Work, parts: int) -> Iterator[pa.RecordBatch]:
    rows = piece.read(work.plan.read).filter(pl.col("search_day") >= work.since_day)
    return parcels([(_ROWS, rows)], by="id_search", count=parts)


def _by_key(piece: Piece, work: Work, by: str, parts: int) -> Iterator[pa.RecordBatch]:
    # Days of the clock that all seconds are counted on: those of several markets overlap.
    rows = piece.read(work.plan.read_of_events)
    rows = rows.with_columns(_day=pl.col("search_s") // DAY_S)
    for (day,), own in rows.partition_by("_day", as_dict=True, include_key=False).items():
        yield from parcels([(_ROWS, own)], by=by, count=parts, day=int(day))


def _entries(piece: Piece, work: Work, parts: int) -> Iterator[pa.RecordBatch]:
    found = entries(piece.read(work.plan.read_of_events), work)
    return parcels([(_ROWS, found)], by="key", count=parts)


def _summed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for parcel in opened(batches):
        yield Parcel(parcel.part, _ROWS, 0, summed_entries(parcel.rows)).packed()


def _clicks(piece: Piece, days: tuple[int, ...]) -> Iterator[pa.RecordBatch]:
    rows = piece.read(("id_user", "id_listing", "search_s", "stage"))
    for number, day in enumerate(days):
        yield Parcel(number, _ROWS, 0, clicks_before(rows, day)).packed()


def _learnt(batches: Iterator[pa.RecordBatch], days: tuple[int, ...]) -> Iterator[pa.RecordBatch]:
    for parcel in opened(batches):
        learnt = vectors_of_clicks(parcel.rows, days[parcel.part])
        yield Parcel(parcel.part, _ROWS, 0, learnt).packed()


def _answers(
    batches: Iterator[pa.RecordBatch], work: Work, by: str, handed: Any, parts: int
) -> Iterator[pa.RecordBatch]:
    days = (parcel.rows for parcel in opened(batches))
    return parcels(sums_of_family(days, work, by, handed.value), by="id_search", count=parts)


def _write(
    batches: Iterator[pa.RecordBatch], work: Work, handed: Any, folder: str
) -> Iterator[pa.RecordBatch]:
    by_kind = {parcel.kind: parcel.rows for parcel in opened(batches)}
    rows = by_kind.pop(_ROWS, None)
    if rows is not None:
        file = str(Path(folder) / f"{uuid4().hex}.parquet")
        features_of_searches(rows, by_kind, work, handed.value).write_parquet(file)
        yield pa.RecordBatch.from_pydict({"file": [file]})
