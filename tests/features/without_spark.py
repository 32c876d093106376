"""A Spark session without Spark: the real job of :mod:`features.build_on_spark`, and no JVM.

The stand-in moves batches as Spark does (it knows the few methods that the job calls), in no
order of its own, and what a step of the job needs goes to it through a pickle.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
import polars as pl
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from features import build_on_spark as job
from features.all_features import available_features
from features.build import build_features
from features.on_spark import parcels, pieces

__all__ = ["build_in_partitions", "build_on_session"]

T = TypeVar("T")
Batches = list[pa.RecordBatch]
Step = Callable[[Iterator[pa.RecordBatch]], Iterable[pa.RecordBatch]]

_SEED = 5


def build_in_partitions(
    log: pl.DataFrame, features: FeatureSet | None = None, since_day: int | None = None
) -> pl.DataFrame:
    """The features of a log, built by the job in small parts, pieces and parcels."""
    with (
        TemporaryDirectory() as folder,
        patch.object(job, "_ROWS_PER_PART", 100),
        patch.object(job, "_ROWS_PER_FAMILY_PART", 120),
        patch.object(parcels, "_TOGETHER", 70),
        patch.dict(sys.modules, _without_pyspark()),
    ):
        return build_on_session(Session(), log, features, since_day, Path(folder))


def build_on_session(
    session: Any,
    log: pl.DataFrame,
    features: FeatureSet | None,
    since_day: int | None,
    folder: Path,
) -> pl.DataFrame:
    """The features as the job writes them, of a log in files by day; in no order."""
    chosen = available_features(dict(log.schema)) if features is None else features
    none = build_features(log.clear(), log.clear(), features=chosen)
    days = sorted(d for d in log["search_day"].unique() if since_day is None or d >= since_day)
    if not days:
        return none
    built = folder / "built"
    built.mkdir()
    with patch.object(pieces, "_ROWS", 45):
        of_log = pieces.pieces_of(_files(log, folder), dict(log.schema))
    files = job.build_on_spark(session, of_log, built, features=chosen, days=days)
    return pl.concat([none, *(pl.read_parquet(file) for file in files)])


def _files(log: pl.DataFrame, folder: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """A file per day, whose date is in its name alone where the log has it; rows in no order."""
    shuffled = log.sample(fraction=1, shuffle=True, seed=_SEED)
    for (day,), rows in shuffled.partition_by("search_day", as_dict=True).items():
        file = folder / f"{day}.parquet"
        rows.drop("ds_search", strict=False).write_parquet(file)
        constants = {"ds_search": rows["ds_search"][0]} if "ds_search" in rows.columns else {}
        yield str(file), rows.height, constants


def _without_pyspark() -> dict[str, Any]:
    """What the job imports of PySpark: a column is its name."""
    functions = SimpleNamespace(col=lambda name: name)
    return {"pyspark": SimpleNamespace(), "pyspark.sql": SimpleNamespace(functions=functions)}


class Session:
    """The methods of a Spark session that the job calls."""

    @property
    def sparkContext(self) -> Session:  # noqa: N802 (Spark's name)
        return self

    def broadcast(self, value: T) -> _Broadcast:
        return _Broadcast(_sent(value))

    def range(self, start: int, end: int, step: int, partitions: int) -> _Frame:
        numbers = np.array_split(np.arange(start, end, step), partitions)
        return _Frame([[pa.RecordBatch.from_pydict({"id": part})] for part in numbers])


@dataclass(frozen=True)
class _Broadcast:
    value: Any


@dataclass(frozen=True)
class _Frame:
    """The methods of a Spark frame that the job calls.

    Attributes:
        parts: batches of each partition.
    """

    parts: Sequence[Batches]

    def mapInArrow(self, step: Step, schema: str) -> _Frame:  # noqa: N802
        names = [field.split()[0] for field in schema.split(",")]
        mapped = [list(_sent(step)(iter(batches))) for batches in self.parts]
        assert all(batch.schema.names == names for batches in mapped for batch in batches)
        return _Frame(mapped)

    def unionByName(self, other: _Frame) -> _Frame:  # noqa: N802
        return _Frame([*self.parts, *other.parts])

    def repartitionById(self, count: int, by: str) -> _Frame:  # noqa: N802
        rows = _rows_of(self)
        parts = rows[by].to_numpy() if rows.num_rows else np.empty(0, dtype=np.int64)
        assert ((parts >= 0) & (parts < count)).all()
        return _Frame([_in_batches(rows.filter(pa.array(parts == n))) for n in range(count)])

    def sortWithinPartitions(self, *by: str) -> _Frame:  # noqa: N802
        ordered = []
        for part in self.parts:
            rows = _rows_of(_Frame([part]))
            order = np.random.default_rng(_SEED).permutation(rows.num_rows)
            shuffled = rows.take(pa.array(order)) if rows.num_rows else rows
            keys = [(name, "ascending") for name in by]
            ordered.append(_in_batches(shuffled.sort_by(keys) if rows.num_rows else rows))
        return _Frame(ordered)

    def toArrow(self) -> pa.Table:  # noqa: N802
        return _rows_of(self)

    def collect(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(**row) for row in _rows_of(self).to_pylist()]


def _rows_of(frame: _Frame) -> pa.Table:
    batches = [batch for part in frame.parts for batch in part]
    return pa.Table.from_batches(batches) if batches else pa.table({})


def _in_batches(rows: pa.Table) -> Batches:
    """Batches of a few rows."""
    batches: Batches = rows.to_batches(max_chunksize=2)
    return batches


def _sent(value: T) -> T:
    """What a worker gets: a copy that went through a pickle."""
    copy: Any = pickle.loads(pickle.dumps(value))  # noqa: S301 (our own, of this process)
    return copy  # type: ignore[no-any-return]
