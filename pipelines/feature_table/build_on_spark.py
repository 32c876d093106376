"""Build the features on Spark instead of Polars; the table and its types are the same.

Spark needs no Delta jar: it reads the Parquet files that the lake's table names, and writes
plain Parquet into a staging folder, which this process then writes to the features table in
one commit.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from data.errors import DataError
from data.lake.store import streamed
from data.schema.feature_set import FeatureSet
from data.schema.tables import FEATURES, IMPRESSIONS
from features.build import build_features
from features.build_on_spark import build_on_spark as spark_frame_of_features
from pipelines.feature_table.rebuild_plan import RebuildPlan
from pipelines.run_context import RunContext

__all__ = ["SparkOptions", "build_on_spark", "spark_session", "with_tasks_for"]

_BATCH_ROWS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class SparkOptions:
    """Where Spark runs.

    Attributes:
        master: as Spark knows it: ``local[*]``, ``spark://host:7077``, ``yarn``.
        staging: folder that driver and executors both reach; the home by default.
    """

    master: str = "local[*]"
    staging: Path | None = None


def build_on_spark(context: RunContext, plan: RebuildPlan, options: SparkOptions) -> None:
    """Build the days of the plan on Spark, and write them in one commit.

    Raises ``DataError`` where PySpark or Java is missing.
    """
    lake = context.lake
    staging = options.staging or context.home.root
    with (
        spark_session(options.master) as session,
        tempfile.TemporaryDirectory(dir=staging, prefix=".features-") as folder,
    ):
        if plan.days:
            rows = lake.rows(IMPRESSIONS.name)
            with_tasks_for(session, rows)
            log = _impressions(session, lake.path(IMPRESSIONS.name), lake.files(IMPRESSIONS.name))
            # All rows are read, since the history before ``since`` counts; only later are built.
            since = None if plan.is_whole else min(plan.days)
            built = spark_frame_of_features(log, features=plan.features, rows=rows, since_day=since)
            built.write.mode("overwrite").parquet(str(Path(folder) / "built"))
        stream = _read_back(Path(folder) / "built", _expected(context, plan.features))
        if plan.is_whole:
            lake.replace_all(FEATURES.name, stream)
        else:
            lake.replace_partitions(FEATURES.name, stream, plan.partitions)


@contextmanager
def spark_session(master: str) -> Iterator[Any]:
    """A Spark session on this master; one that was running already is used, and not stopped."""
    _refuse_without_spark(master)
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    builder = SparkSession.builder.master(master).appName("stayrank features")
    for name, value in _SETTINGS.items():
        builder = builder.config(name, value)
    if master.startswith("local"):
        # A machine alone need not be found by others, nor show a page.
        for name, value in _SETTINGS_ALONE.items():
            builder = builder.config(name, value)
    try:
        session = running or builder.getOrCreate()
    except (PySparkException, RuntimeError) as error:
        raise DataError(f"Spark could not be started on {master}: {error}") from error
    try:
        yield session
    finally:
        if running is None:
            session.stop()


_SETTINGS = {
    # Times are local clocks; a zone would shift them.
    "spark.sql.session.timeZone": "UTC",
    # Rows that are handed to Python together: fewer, larger batches cost less.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    # A task has a core; more threads would take those of its neighbours.
    "spark.executorEnv.POLARS_MAX_THREADS": "1",
    "spark.executorEnv.OMP_NUM_THREADS": "1",
    "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
}


_SETTINGS_ALONE = {
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.driver.memory": "4g",
    # The workers run what this process runs, wherever the PATH leads.
    "spark.pyspark.python": sys.executable,
}
_ROWS_PER_TASK = 500_000


def with_tasks_for(session: Any, rows: int) -> None:
    """On one machine, a task per core or more where there are many rows: not 200 a shuffle."""
    context = session.sparkContext
    if context.master.startswith("local"):
        tasks = max(context.defaultParallelism, -(-rows // _ROWS_PER_TASK))
        session.conf.set("spark.sql.shuffle.partitions", str(tasks))


def _refuse_without_spark(master: str) -> None:
    """Raise ``DataError`` with what to install where PySpark or Java is missing."""
    if find_spec("pyspark") is None:
        raise DataError(
            "--engine spark needs PySpark, which is not installed: pip install 'stayrank[spark]'"
        )
    if not _has_java():
        raise DataError(
            f"--engine spark (master {master}) needs Java 17 or later, and there is no java on "
            "the PATH: install a JRE, such as openjdk-17-jre-headless, or set JAVA_HOME"
        )


def _has_java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return bool(shutil.which("java") or (home and Path(home, "bin", "java").exists()))


def _impressions(session: Any, table: Path, addresses: list[str]) -> Any:
    """The table's rows, partition columns included, as its latest version names them."""
    reader = session.read.option("basePath", str(table)).option("mergeSchema", "true")
    return reader.parquet(*addresses)


def _expected(context: RunContext, features: FeatureSet) -> pa.Schema:
    """The types that a build without Spark gives: the table has one schema, whoever writes."""
    no_rows = context.lake.scan(IMPRESSIONS.name).head(0)
    return streamed([build_features(no_rows, no_rows, features=features)]).schema


def _read_back(folder: Path, schema: pa.Schema) -> pa.RecordBatchReader:
    """What Spark wrote, a batch in memory at a time; without rows where it wrote nothing."""
    if not folder.exists():
        return pa.Table.from_pylist([], schema=schema).to_reader()
    scanner = ds.dataset(folder, format="parquet").scanner(batch_size=_BATCH_ROWS)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in scanner.to_batches():
            yield from pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())
