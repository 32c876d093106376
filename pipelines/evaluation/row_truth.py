"""The simulator's probabilities of rows that are judged; simulated logs alone."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pyarrow as pa

from data.schema.tables import IMPRESSIONS, TRUTH
from data.simulator.converged_truth import ConvergedTruth, ShownRows
from data.simulator.scenario import SimulationConfig
from models.evaluation.oracle import CEILINGS
from models.recommender import Scores
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.run_context import RunContext

__all__ = ["row_truth", "simulated_world"]

KEY = ["id_search", "id_listing"]


def row_truth(context: RunContext, rows: pa.Table) -> dict[str, Scores] | None:
    """P(book) of each row under every ceiling (:data:`~models.evaluation.oracle.CEILINGS`).

    Under taste as the truth table has it; under observables with as many nodes as it takes to
    converge (:mod:`data.simulator.converged_truth`), which the truth table has not. ``None``
    where the log is not a simulated one, or its world is not the one that the home knows.
    """
    world = simulated_world(context)
    if world is None or not context.lake.exists(TRUTH.name):
        return None
    shown = _shown(context, rows)
    if shown is None:
        return None
    try:
        truth, asked = ConvergedTruth(world), ShownRows.of_table(arrow(shown))
        if not truth.is_of(asked, shown[CEILINGS["observables"]].to_numpy()):
            return None
        converged = truth.observables(asked)
    except (ValueError, IndexError):
        return None  # a log of other ids, or of another world, lies in the same home
    shown = shown.with_columns(pl.Series(CEILINGS["observables"], converged))
    names = list(CEILINGS.values())
    keys = frame_of(rows.select(KEY))
    known = keys.join(shown.select(*KEY, *names), on=KEY, how="left", maintain_order="left")
    if known.height != rows.num_rows or any(known[name].null_count() for name in names):
        return None
    return {name: known[name].to_numpy() for name in names}


def simulated_world(context: RunContext) -> SimulationConfig | None:
    """What the home's log was simulated with; ``None`` where it was not, or nothing says so."""
    try:
        return SimulationConfig.of_dict(json.loads(context.home.simulated_world.read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _shown(context: RunContext, rows: pa.Table) -> pl.DataFrame | None:
    """All that the rows' searches showed: the truth table, and the price filter as asked.

    ``None`` where the truth table lacks a column (an older home) or a value.
    """
    names = [*KEY, "position", "can_book", *CEILINGS.values()]
    if not set(names) <= set(context.lake.columns(TRUTH.name)):
        return None
    searches = frame_of(rows.select(["id_search"])).unique().lazy()
    asked = context.lake.scan(IMPRESSIONS.name).select("id_search", "query_price_max")
    asked = asked.join(searches, on="id_search", how="semi").unique("id_search")
    shown = context.lake.scan(TRUTH.name).select(names)
    shown = shown.join(searches, on="id_search", how="semi")
    filtered = pl.col("query_price_max").cast(pl.Float64).fill_null(np.nan)
    found = shown.join(asked, on="id_search", how="left").with_columns(filtered)
    table = found.collect(engine="streaming")
    return None if any(table[name].null_count() for name in names) else table
