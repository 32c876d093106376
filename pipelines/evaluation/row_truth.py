"""The simulator's probabilities of rows that are judged; simulated logs alone."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pyarrow as pa

from data.schema.tables import IMPRESSIONS, TRUTH
from data.simulator.converged_truth import ConvergedTruth, ShownRows
from data.simulator.personal_truth import NODES, GuestRows, personal_truth
from data.simulator.scenario import SimulationConfig
from data.simulator.taste_nodes import NODE_SEED
from models.evaluation.oracle import CEILINGS, PERSONAL
from models.recommender import Scores
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.run_context import RunContext

__all__ = ["personal_row_truth", "row_truth", "simulated_world"]

KEY = ["id_search", "id_listing"]
CLICK = "p_click_taste"


def row_truth(
    context: RunContext, rows: pa.Table, *, seed: int = NODE_SEED
) -> dict[str, Scores] | None:
    """P(book) of each row under every ceiling (:data:`~models.evaluation.oracle.CEILINGS`).

    And P(click), which orders what the ceilings hold alike.

    Under taste as the truth table has it; under observables with as many nodes as it takes to
    converge (:mod:`data.simulator.converged_truth`), which the truth table has not. ``None``
    where the log is not a simulated one, or its world is not the one that the home knows.
    """
    opened = _open(context, frame_of(rows.select(["id_search"])))
    if opened is None:
        return None
    truth, shown = opened
    converged = truth.observables(ShownRows.of_table(arrow(shown)), seed=seed)
    shown = shown.with_columns(pl.Series(CEILINGS["observables"], converged))
    return _of_rows(rows, shown, [*CEILINGS.values(), CLICK])


def personal_row_truth(
    context: RunContext, rows: pa.Table, *, nodes: int = NODES, seed: int = NODE_SEED
) -> dict[str, Scores] | None:
    """P(book) of each row to one who remembers all that its guest has done in the log.

    The third ceiling (:mod:`data.simulator.personal_truth`), and beside it, under
    ``effective_nodes``, how many nodes bear each row's figure. For benchmarks: 15 seconds of
    one core for the last day of the default week. ``None`` where :func:`row_truth` is.
    """
    searches = frame_of(rows.select(["id_search"])).unique()
    log = context.lake.scan(IMPRESSIONS.name).select(*KEY, "id_user", "ts_search", "stage")
    judged = log.join(searches.lazy(), on="id_search", how="semi").select("id_user", "ts_search")
    until = judged.group_by("id_user").agg(pl.col("ts_search").max().alias("until"))
    past = log.join(until, on="id_user").filter(pl.col("ts_search") <= pl.col("until"))
    done = past.select(*KEY, "stage").collect(engine="streaming")
    opened = _open(context, done.select("id_search"))
    if opened is None:
        return None
    truth, shown = opened
    # a row of the truth that the log lacks was quarantined: nobody knows of it
    shown = shown.join(done, on=KEY, how="left")
    of_guests = GuestRows(
        shown=ShownRows.of_table(arrow(shown)),
        clicked=(shown["stage"].fill_null(0) > 0).to_numpy(),
        judged=shown["id_search"].is_in(searches["id_search"].implode()).to_numpy(),
    )
    found = personal_truth(truth, of_guests, nodes=nodes, seed=seed)
    shown = shown.with_columns(
        pl.Series(PERSONAL, found.book), pl.Series("effective_nodes", found.effective_nodes)
    )
    return _of_rows(rows, shown, [PERSONAL, "effective_nodes"])


def _open(
    context: RunContext, searches: pl.DataFrame
) -> tuple[ConvergedTruth, pl.DataFrame] | None:
    """The home's world, and all that these searches showed in it."""
    config = simulated_world(context)
    if config is None or not context.lake.exists(TRUTH.name):
        return None
    shown = _shown(context, searches.unique())
    if shown is None:
        return None
    try:
        truth, asked = ConvergedTruth(config), ShownRows.of_table(arrow(shown))
        is_known = truth.is_of(asked, shown[CEILINGS["observables"]].to_numpy())
    except (ValueError, IndexError):
        return None  # a log of other ids lies in the same home
    return (truth, shown) if is_known else None


def _of_rows(rows: pa.Table, shown: pl.DataFrame, names: list[str]) -> dict[str, Scores] | None:
    """These columns for the rows, in their order; ``None`` where a row lacks one."""
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


def _shown(context: RunContext, searches: pl.DataFrame) -> pl.DataFrame | None:
    """All that these searches showed: the truth table, and the price filter as asked.

    ``None`` where the truth table lacks a column (an older home) or a value.
    """
    names = [*KEY, "position", "can_book", *CEILINGS.values(), CLICK]
    if not set(names) <= set(context.lake.columns(TRUTH.name)):
        return None
    asked = context.lake.scan(IMPRESSIONS.name).select("id_search", "query_price_max")
    asked = asked.join(searches.lazy(), on="id_search", how="semi").unique("id_search")
    shown = context.lake.scan(TRUTH.name).select(names)
    shown = shown.join(searches.lazy(), on="id_search", how="semi")
    filtered = pl.col("query_price_max").cast(pl.Float64).fill_null(np.nan)
    found = shown.join(asked, on="id_search", how="left").with_columns(filtered)
    table = found.collect(engine="streaming")
    return None if any(table[name].null_count() for name in names) else table
