"""The weekly batch: tune, train, evaluate, decide on the champion, report, notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.batch.batch_log import log_batch
from pipelines.batch.daily import prepare, watch
from pipelines.batch.journal import Batch, BatchStage
from pipelines.batch.table_maintenance import check_tables, maintain_tables
from pipelines.promotion.promote import evaluate_and_promote
from pipelines.promotion.select_serving_run import select_serving_run
from pipelines.reporting.write_report import write_report
from pipelines.training.train import train

__all__ = ["WEEKLY"]


def tune(batch: Batch) -> Mapping[str, Any]:
    """Search the ranker's settings for as long as ``batch.tune_s`` allows; 0 leaves them."""
    budget_s = batch.context.settings.batch.tune_s
    if not budget_s:
        return {"trials": 0}
    from pipelines.training.tune_ranker import tune as search

    return {"found": str(search(batch.context, budget_s=budget_s))}


def train_week(batch: Batch) -> Mapping[str, Any]:
    """Train every model, unless a start that was cut off had just finished doing so."""
    context, newest = batch.context, batch.context.home.newest_run()
    before = batch.journal().get("newest_before_training", "")
    if batch.journal().get("is_training") and newest != before:
        # All of it is on disk; what may be missing is the pointer and MLflow's last word.
        context.home.set_latest_run(newest)
        context.tracking.end_abandoned()
        return {"run": newest}
    batch.update_journal(is_training=True, newest_before_training=newest)
    return {"run": train(context)}


def evaluate_week(batch: Batch) -> Mapping[str, Any]:
    """Evaluate the run and let the gate decide; says who is champion now."""
    run = batch.results["train"]["run"]
    evaluate_and_promote(batch.context, run)
    chosen = select_serving_run(batch.context)
    champion = chosen.run if chosen is not None and chosen.standing == "champion" else None
    return {"run": run, "champion": champion, "is_promoted": champion == run}


def report_week(batch: Batch) -> Mapping[str, Any]:
    """Write the report of the new run."""
    return {"report": str(write_report(batch.context, batch.results["train"]["run"]))}


def notebooks(batch: Batch) -> Mapping[str, Any]:
    """Execute the notebooks on this home, unless the settings say not to."""
    if not batch.context.settings.batch.notebooks:
        return {"executed": 0}
    from pipelines.analysis.execute_notebooks import execute_notebooks

    return {"executed": len(execute_notebooks(batch.context, batch.results["train"]["run"]))}


WEEKLY: tuple[BatchStage, ...] = (
    BatchStage(name="check tables", work=check_tables),
    BatchStage(name="features", work=prepare),
    BatchStage(name="tune", work=tune),
    BatchStage(name="train", work=train_week),
    BatchStage(name="judge", work=evaluate_week),
    BatchStage(name="monitor", work=watch),
    BatchStage(name="report", work=report_week),
    BatchStage(name="notebooks", work=notebooks),
    BatchStage(name="keep tables", work=maintain_tables),
    BatchStage(name="log", work=log_batch, retries=3),
)
