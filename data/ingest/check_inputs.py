"""What an ingest would refuse before it reads the first row, for callers that begin slowly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from data.errors import HomeError
from data.ingest.ingest_files import IngestOptions
from data.ingest.logs_to_read import Asked, logs_to_read
from data.lake.store import Lake
from data.sources.mapping import load_mapping

__all__ = ["check_inputs", "check_origin"]


def check_inputs(
    paths: Sequence[str | Path],
    source: str | Path = "airbnb",
    *,
    home: Path,
    options: IngestOptions | None = None,
) -> None:
    """Raise what :func:`data.ingest.ingest` would raise of these inputs; writes nothing.

    Files that the lake holds already are not opened, as there. What needs the rows is not
    checked: whether the log is simulated, whether any row can be accepted.
    """
    mapping, lake = load_mapping(source), Lake(home)
    options = options or IngestOptions()
    asked = Asked(mapping=mapping, source=source, encoding=options.encoding, redo=options.redo)
    found = logs_to_read(paths, asked, lake)
    if found.logs and not options.redo:
        check_origin(lake, mapping.name, "simulated")


def check_origin(lake: Lake, *origins: str) -> None:
    """Raise :class:`HomeError` where the home holds rows of another origin than one of these."""
    if not lake.exists("ingests"):
        return
    records = lake.scan("ingests").filter(pl.col("rows_accepted") > 0)
    origin = pl.when("is_simulated").then(pl.lit("simulated")).otherwise("source")
    for held in records.select(origin=origin).unique().collect()["origin"]:
        if held not in origins:
            raise HomeError(
                f"{lake.home}: this home holds {held} rows; {origins[0]} rows belong in a home of "
                "their own. Name one with --home"
            )
