"""Evaluate the test window: ranking metrics, G where the truth is known, label maturity."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from data.schema.tables import IMPRESSIONS, INGESTS
from models.click_worth import ClickWorth
from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.label_maturity import maturity_warning, window_maturity
from models.evaluation.provenance import Provenance
from models.evaluation.scorecard import Scorecard
from models.evaluation.segments import SegmentColumns
from models.recommender import Scores
from pipelines.evaluation.log_maturity import maturity_of_log
from pipelines.evaluation.row_truth import row_truth
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord

__all__ = ["REFERENCE", "evaluate_test_window"]

REFERENCE = "popularity"


def evaluate_test_window(
    context: RunContext,
    record: RunRecord,
    rows: pa.Table,
    scores: Mapping[str, Scores],
    worth: ClickWorth | None = None,
) -> Scorecard:
    """Every metric of every model over all listings that each search of the test showed.

    ``worth`` of the clicks gives the primary metric; without it there is none.
    """
    config = EvaluationConfig(replicates=context.settings.evaluation.replicates, seed=record.seed)
    inputs = EvaluationInputs(
        provenance=_provenance(context, record, worth),
        worth=None if worth is None else worth.worth,
        columns=SegmentColumns(returning="guest_past_searches"),
    )
    return evaluate(
        _with_position(context, rows),
        scores,
        split="test",
        reference=REFERENCE,
        config=config,
        truth=row_truth(context, rows),
        context=inputs,
    )


def _with_position(context: RunContext, rows: pa.Table) -> pa.Table:
    """The rows with ``position`` where the log has one: to segment by, never to score with."""
    if "position" not in context.lake.columns(IMPRESSIONS.name):
        return rows
    keys = frame_of(rows.select(["id_search", "id_listing"])).lazy()
    positions = context.lake.scan(IMPRESSIONS.name).select("id_search", "id_listing", "position")
    joined = keys.join(positions, on=["id_search", "id_listing"], how="left", maintain_order="left")
    placed = arrow(joined.collect(engine="streaming"))
    return rows.append_column("position", placed["position"])


def _provenance(context: RunContext, record: RunRecord, worth: ClickWorth | None) -> Provenance:
    ingests = context.lake.scan(INGESTS.name).select("source", "is_simulated").collect()
    maturity = maturity_of_log(context.lake)
    warning = maturity_warning(maturity, record.windows["test"])
    return Provenance(
        source=", ".join(sorted(set(ingests["source"]))),
        is_simulated=bool(ingests["is_simulated"].any()),
        tuned=record.tuned,
        label_maturity=window_maturity(maturity, record.windows["test"], outcome="book"),
        notes=() if worth is None else (worth.sentence(),),
        worth_outcome="book" if worth is None else worth.outcome,
        warnings=(warning,) if warning else (),
    )
