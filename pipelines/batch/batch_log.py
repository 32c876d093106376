"""A batch's results for people: its figures as Markdown, and one run in MLflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.plain_text import as_markdown_text
from pipelines.batch.journal import Batch
from pipelines.config.redaction import redact
from pipelines.tracking.prune_mlflow import BATCH_TAG
from pipelines.tracking.tracking import Tracking

__all__ = ["as_markdown", "log_batch", "warnings_of"]


def log_batch(batch: Batch) -> Mapping[str, Any]:
    """Log the batch as one MLflow run, however often it is started.

    Where MLflow is away the results wait in the outbox and are logged by a later batch.
    """
    tracking = batch.context.tracking
    # First what earlier batches left: a call that waits makes all later ones wait behind it.
    tracking.deliver()
    existing = tracking.run_with_tag(BATCH_TAG, batch.name)
    run_id = existing or tracking.start_run(batch.name, tags={BATCH_TAG: batch.name})
    with tracking.closing(run_id):
        _log(batch, tracking, run_id)
    left = tracking.deliver()
    if left:
        batch.context.console.say(
            f"MLflow is away: {left} results wait in {batch.context.home.outbox} and will be "
            "logged once when it is back"
        )
    return {"mlflow_run": run_id, "waiting": left}


def as_markdown(batch: Batch) -> str:
    """Status and warnings of the batch, then the figures of its stages as a table."""
    journal = batch.journal()
    lines = [f"# {batch.name}", ""]
    if journal.get("reason"):
        lines += [f"**{journal['status']}**: {_shown(journal['reason'])}", ""]
    lines += [f"- {_shown(warning)}" for warning in warnings_of(batch)]
    lines += ["", "| stage | what | value |", "|---|---|---|"]
    for stage, result in batch.results.items():
        cells = [(_shown(name), _shown(value)) for name, value in _cells(result)]
        lines += [f"| {_shown(stage)} | {name} | {value} |" for name, value in cells]
    return "\n".join(lines) + "\n"


def warnings_of(batch: Batch) -> list[str]:
    """The stages' ``warning`` and ``warnings``, in the order of the stages."""
    warnings: list[str] = []
    for result in batch.results.values():
        warnings += [result["warning"]] if result.get("warning") else []
        warnings += result.get("warnings", ())
    return warnings


def _log(batch: Batch, tracking: Tracking, run_id: str) -> None:
    figures = dict(_figures(batch))
    tracking.log_metrics(run_id, [(name, value, 0) for name, value in figures.items()])
    tags = {"day": batch.day.isoformat(), "kind": batch.kind, "batch": batch.id}
    tracking.set_tags(run_id, {f"{BATCH_TAG}.{name}": value for name, value in tags.items()})
    tracking.describe(run_id, as_markdown(batch))
    tracking.log_artifacts(run_id, batch.folder / "journal.json")
    page = batch.context.home.report_of(batch.day.isoformat()) / "index.html"
    if batch.kind == "daily" and page.is_file():
        tracking.log_artifacts(run_id, page)


def _figures(batch: Batch) -> Iterator[tuple[str, float]]:
    for stage, result in batch.results.items():
        for name, value in result.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield f"{stage}.{name}".replace(" ", "_"), float(value)


def _cells(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in result.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        if isinstance(text, list):
            text = ", ".join(map(str, text))
        yield name, str(text)[:500]


def _shown(text: object) -> str:
    """Names of files, markets and models may hold anything, messages of errors addresses."""
    return as_markdown_text(redact(str(text)))
