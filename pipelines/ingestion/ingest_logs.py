"""Ingest logs into the lake, and the truth beside a simulated log into its own table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from data.ingest import IngestOptions, IngestReport, RejectionLimits, ingest
from data.schema.tables import IMPRESSIONS, INGESTS, TRUTH
from data.simulator.write import WORLD_FILE
from pipelines.config.home import write_json
from pipelines.config.home_use import uses_home
from pipelines.run_context import RunContext

__all__ = ["ingest_logs", "ingest_with_report"]


def ingest_logs(
    context: RunContext,
    paths: Sequence[Path],
    source: str = "airbnb",
    encoding: str | None = None,
    *,
    redo: bool = False,
) -> int:
    """Ingest these logs and print what became of every row; returns the impressions' version.

    ``redo`` replaces the rows of logs that the lake holds already. Raises ``DataError``, with the
    lake unchanged, when a log cannot be read.
    """
    ingest_with_report(context, paths, source, encoding, redo=redo)
    return context.version(IMPRESSIONS.name)


@uses_home
def ingest_with_report(
    context: RunContext,
    paths: Sequence[Path],
    source: str = "airbnb",
    encoding: str | None = None,
    *,
    redo: bool = False,
) -> IngestReport:
    """Like :func:`ingest_logs`, but returns the report on every file."""
    home = context.home.prepare().root
    settings = context.settings
    options = IngestOptions(
        encoding=encoding,
        pseudonym_key=settings.pseudonym_key.get_secret_value(),
        redo=redo,
        limits=RejectionLimits(
            warn_share=settings.ingest.warn_share, refuse_share=settings.ingest.refuse_share
        ),
    )
    with context.console.step("reading the log") as moved:
        report = ingest(paths, source, home=home, options=options, progress=moved)
    for line in report.lines():
        context.console.say(line)
    write_json(context.home.report / "ingest.json", report.to_dict())
    _ingest_truth(context, paths)
    return report


def _ingest_truth(context: RunContext, paths: Sequence[Path]) -> None:
    """Ingest the folder ``truth/`` that ``stayrank simulate`` writes beside its ``log/``."""
    for path in paths:
        truth = path.parent / "truth"
        if path.name == "log" and truth.is_dir() and _is_simulated(context):
            frame = pl.scan_parquet(sorted(truth.glob("*.parquet")), glob=False)
            context.lake.replace_partitions(TRUTH.name, frame)
            world = path.parent / WORLD_FILE
            if world.is_file():
                write_json(context.home.simulated_world, json.loads(world.read_text()))


def _is_simulated(context: RunContext) -> bool:
    ingests = context.lake.scan(INGESTS.name).select(pl.col("is_simulated").any())
    return bool(ingests.collect().item())
