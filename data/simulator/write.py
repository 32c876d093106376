"""Write a simulated week as files: the log in one folder, the truth in another.

Everything goes to a temporary folder beside the target, which is renamed when it is
complete: a reader finds the whole log or none. Each row of the log says that it is simulated
(column ``is_simulated``): ingest keeps it apart from real ones by that, not by its ids.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from data.errors import DataError
from data.schema.tables import SIMULATED_MARK
from data.schema.time import date_of
from data.simulator.scenario import SimulationConfig
from data.simulator.tables import LABELS
from data.simulator.week import Progress, SimulatedChunk, simulate

__all__ = ["WORLD_FILE", "FileFormat", "SimulationSummary", "write_simulation"]

FileFormat = Literal["csv", "parquet"]
FORMATS = ("csv", "parquet")
WORLD_FILE = "world.json"
"""The configuration of the simulation, beside both folders: the world is drawn again from it."""


@dataclass(frozen=True, kw_only=True)
class SimulationSummary:
    """What was written.

    Attributes:
        log: folder of the log's files, one per day.
        truth: folder of the truth's Parquet files, one per day.
        searches: searches that found at least one listing.
        impressions: rows of the log.
        labels: rows of each label.
    """

    log: Path
    truth: Path
    searches: int
    impressions: int
    labels: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: paths as text."""
        return {**asdict(self), "log": str(self.log), "truth": str(self.truth)}


class _DayFiles:
    """One open file per folder for the day that is being written."""

    def __init__(self, folder: Path, file_format: FileFormat) -> None:
        self._folder, self._format = folder, file_format
        self._day: int | None = None
        self._writer: Any = None

    def write(self, day: int, table: pa.Table) -> None:
        if day != self._day:
            self.close()
            self._day, self._writer = day, self._open(day, table.schema)
        self._writer.write_table(table)

    def path_of(self, day: int) -> Path:
        """The file of a day, since 1970."""
        return self._folder / f"{date_of(day)}.{self._format}"

    def _open(self, day: int, schema: pa.Schema) -> Any:
        path = str(self.path_of(day))
        if self._format == "csv":
            return pyarrow.csv.CSVWriter(path, schema)
        return pyarrow.parquet.ParquetWriter(path, schema, compression="zstd")

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def write_simulation(
    config: SimulationConfig,
    out: Path,
    file_format: FileFormat = "csv",
    progress: Progress | None = None,
) -> SimulationSummary:
    """Simulate into ``out/log/<day>.<format>`` and ``out/truth/<day>.parquet``.

    ``out`` may exist and be empty; a folder with something in it is refused. Raises
    ``ValueError`` on an unknown format and :class:`DataError` where the folder cannot be
    written or the disk is full; nothing half-written stays behind.
    """
    if file_format not in FORMATS:
        raise ValueError(f"unknown file format {file_format!r}; known are {', '.join(FORMATS)}")
    out = Path(out)
    with _whole_or_nothing(out) as staging:
        summary = _write_chunks(simulate(config, progress), staging, file_format)
        (staging / WORLD_FILE).write_text(json.dumps(config.to_dict(), indent=1) + "\n")
    return SimulationSummary(log=out / "log", truth=out / "truth", **summary)


@contextmanager
def _whole_or_nothing(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that becomes ``out`` at the end, or disappears."""
    staging = out.parent / f".{out.name}.{uuid4().hex[:8]}.partial"
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise DataError(f"{out} exists and is not empty: give another folder, or empty it")
        (staging / "log").mkdir(parents=True)
        (staging / "truth").mkdir()
        yield staging
        # a rename onto an existing empty folder is atomic too
        staging.replace(out)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"could not write the simulated log to {out}: {_reason(error)}. Nothing was kept; "
            "give a folder that can be written and has room"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _marked(log: pa.Table) -> pa.Table:
    """The log's rows, each of them saying that it is simulated."""
    return log.append_column(SIMULATED_MARK, pa.repeat(pa.scalar(True), log.num_rows))


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error).splitlines()[0]).rstrip(".")


def _write_chunks(
    chunks: Iterator[SimulatedChunk], staging: Path, file_format: FileFormat
) -> dict[str, Any]:
    log = _DayFiles(staging / "log", file_format)
    truth = _DayFiles(staging / "truth", "parquet")
    impressions = searches = 0
    labels = dict.fromkeys(LABELS, 0)
    try:
        for chunk in chunks:
            log.write(chunk.day, _marked(chunk.log))
            truth.write(chunk.day, chunk.truth)
            impressions += chunk.log.num_rows
            searches += pc.count_distinct(chunk.log["id_search"]).as_py()
            for counted in pc.value_counts(chunk.log["label"]).to_pylist():
                labels[counted["values"]] += counted["counts"]
    finally:
        log.close()
        truth.close()
    return {"searches": searches, "impressions": impressions, "labels": labels}
