"""Build the features on Spark instead of on this machine; the table is the same, bit for bit.

Spark needs no Delta jar: its workers read the Parquet files that the lake's table names, and write
plain Parquet into a staging folder, which this process then writes to the features table in
one commit.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
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
from features.build_on_spark import build_on_spark as write_features
from features.on_spark.pieces import pieces_of
from pipelines.feature_table.rebuild_plan import RebuildPlan
from pipelines.run_context import RunContext

__all__ = ["SparkOptions", "build_on_spark", "spark_session"]

_BATCH_ROWS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class SparkOptions:
    """Where Spark runs.

    Attributes:
        master: as Spark knows it: ``local[*]``, ``spark://host:7077``, ``yarn``.
        staging: folder that driver and workers both reach; the home by default.
        archives: an environment for the workers, unpacked beside them under the name after the
            ``#`` (``stayrank.tar.gz#environment``); ``None`` where they have one.
    """

    master: str = "local[*]"
    staging: Path | None = None
    archives: str | None = None


def build_on_spark(context: RunContext, plan: RebuildPlan, options: SparkOptions) -> None:
    """Build the days of the plan on Spark, and write them in one commit.

    Raises ``DataError`` where PySpark or Java is missing.
    """
    lake = context.lake
    staging = options.staging or context.home.root
    with (
        spark_session(options.master, options.archives) as session,
        tempfile.TemporaryDirectory(dir=staging, prefix=".features-") as folder,
    ):
        files: list[Path] = []
        if plan.days:
            table = lake.files(IMPRESSIONS.name)
            files = write_features(
                session,
                pieces_of(
                    [(file.address, file.rows, file.partition) for file in table],
                    lake.scan(IMPRESSIONS.name).collect_schema(),
                ),
                Path(folder),
                features=plan.features,
                days=plan.days,
            )
        stream = _read_back(files, _expected(context, plan.features))
        if plan.is_whole:
            lake.replace_all(FEATURES.name, stream)
        else:
            lake.replace_partitions(FEATURES.name, stream, plan.partitions)


@contextmanager
def spark_session(master: str, archives: str | None = None) -> Iterator[Any]:
    """A Spark session on this master; one that was running already is used, and not stopped.

    ``archives``: see :class:`SparkOptions`.
    """
    _refuse_without_spark(master)
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    builder = SparkSession.builder.master(master).appName("stayrank features")
    for name, value in _SETTINGS.items():
        builder = builder.config(name, value)
    if archives is not None:
        builder = builder.config("spark.archives", archives)
    if master.startswith("local"):
        # The workers run what this process runs, wherever the PATH leads.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        # A machine alone need not be found by others, nor show a page.
        for name, value in _SETTINGS_ALONE.items():
            builder = builder.config(name, value)
    # Rows travel as Arrow: what PySpark says of pandas concerns nobody here.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
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
    # A task has a core; more threads would take those of its neighbours.
    "spark.executorEnv.POLARS_MAX_THREADS": "1",
    "spark.executorEnv.OMP_NUM_THREADS": "1",
    "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
    # Batches hold parcels of some megabytes each: few are enough.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "8",
    # Nothing is left to plan anew once the parts are cut.
    "spark.sql.adaptive.enabled": "false",
}


_SETTINGS_ALONE = {
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.driver.memory": "2g",
    # Java moves bytes here, and computes nothing: a compiler and a collector that think long
    # would cost more than they save.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


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


def _expected(context: RunContext, features: FeatureSet) -> pa.Schema:
    """The types that a build without Spark gives: the table has one schema, whoever writes."""
    no_rows = context.lake.scan(IMPRESSIONS.name).head(0)
    return streamed([build_features(no_rows, no_rows, features=features)]).schema


def _read_back(files: list[Path], schema: pa.Schema) -> pa.RecordBatchReader:
    """What the workers wrote, a batch in memory at a time."""
    if not files:
        return pa.Table.from_pylist([], schema=schema).to_reader()
    scanner = ds.dataset(files, format="parquet").scanner(batch_size=_BATCH_ROWS)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in scanner.to_batches():
            yield from pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())
