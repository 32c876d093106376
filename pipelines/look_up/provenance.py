"""Whether what is looked up comes from a simulator: said in every title."""

from __future__ import annotations

import polars as pl

from data.schema.tables import INGESTS, SIMULATED_MARK
from pipelines.run_context import RunContext

__all__ = ["data_note"]


def data_note(context: RunContext) -> str:
    """`` · SIMULATED DATA`` where the log of the home was simulated, wholly or in part."""
    if not context.lake.exists(INGESTS.name):
        return ""
    ingests = context.lake.scan(INGESTS.name)
    if SIMULATED_MARK not in ingests.collect_schema().names():
        return ""
    marks = ingests.select(pl.col(SIMULATED_MARK).any()).collect().item()
    return " · SIMULATED DATA" if marks else ""
