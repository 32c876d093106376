"""The daily batch: what is new, features, scores and recommendations, publication, report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pyarrow as pa

from data.counted import counted
from data.errors import DataError
from data.schema.tables import QUALITY, RECOMMENDATIONS, SCORES
from data.schema.time import day_number
from models.recommender import Recommender
from pipelines.batch.batch_log import as_markdown, log_batch
from pipelines.batch.days_ahead import latest_day, quarantine_days_ahead
from pipelines.batch.inbox import collect_arrivals
from pipelines.batch.journal import Batch, BatchStage
from pipelines.batch.table_maintenance import check_tables, maintain_tables
from pipelines.config.home import write_atomically
from pipelines.evaluation.score_windows import score_rows
from pipelines.feature_table.build_table import build_features_table
from pipelines.feature_table.training_rows import load_rows
from pipelines.monitoring.monitor import monitor
from pipelines.promotion.promote import evaluate_and_promote
from pipelines.promotion.select_serving_run import ServingRun, select_serving_run
from pipelines.recommendation.published_pointer import Published, read_published, write_published
from pipelines.recommendation.recommend import recommend
from pipelines.reporting.last_screen import print_verdict
from pipelines.reporting.write_report import write_report
from pipelines.run_context import RunContext
from pipelines.training.run_record import load_one, read_record
from pipelines.training.train import train
from pipelines.verdict.verdict import verdict_of
from pipelines.verdict.who_recommends import say_who

__all__ = ["DAILY", "choose_models", "prepare", "publish", "recommend_day", "watch"]

# Scored each day beside each other, so that a page shows whether the ranker still leads.
SCORED_DAILY = ("popularity", "lambdarank", "ranker")
SPLIT = "day"
# In the folder of a run that the gate has decided on.
DECISION = "promotion.json"


def prepare(batch: Batch) -> Mapping[str, Any]:
    """Bring the features up to date, once no impression is dated ahead of its time."""
    context = batch.context
    # Again, after the inbox: a log that was ingested by hand may have brought some.
    warning = quarantine_days_ahead(context, latest_day(context.settings, batch.day))
    return {"features": build_features_table(context), "warning": warning}


def choose_models(batch: Batch) -> Mapping[str, Any]:
    """The champion's run; the first is trained and evaluated here where there is none."""
    context = batch.context
    chosen = select_serving_run(context)
    if chosen is None:
        context.console.say("no trained models yet: training the first")
        chosen = ServingRun(run=train(context), standing="latest")
    if not (context.home.runs / chosen.run / DECISION).exists():
        # Trained by a start that was cut off before the gate had decided, or not evaluated yet.
        context.tracking.end_abandoned()
        evaluate_and_promote(context, chosen.run)
        chosen = select_serving_run(context) or chosen
    for warning in chosen.warnings:
        context.console.say(f"warning: {warning}")
    return asdict(chosen)


def score(batch: Batch) -> Mapping[str, Any]:
    """Score the newest day's impressions with the champion, beside what is scored already."""
    context, run = batch.context, batch.results["models"]["run"]
    newest = day_number(batch.day) - 1
    rows = load_rows(context, (newest, newest))
    if not rows.num_rows:
        return {"rows": 0, "models": []}
    record = read_record(context.home, run)
    names = [name for name in SCORED_DAILY if name in record.models]
    models = {name: load_one(context, record, name) for name in names}
    _write_scores(context, models, rows)
    return {"rows": rows.num_rows, "models": names}


def recommend_day(batch: Batch) -> Mapping[str, Any]:
    """Recommend for the day; the table changes, what is published does not."""
    context, run = batch.context, batch.results["models"]["run"]
    who = say_who(context, run)
    rows = recommend(context, run, day=day_number(batch.day))
    version = context.version(RECOMMENDATIONS.name)
    return {"rows": rows, "version": version, "recommended_by": who.text}


def publish(batch: Batch) -> Mapping[str, Any]:
    """Put the day's recommendations into force, if they are whole.

    Raises ``DataError``, with the last ones still in force, when they are not; an older
    day never takes the place of a newer one, unless that one has not come yet: a pointer to
    2099 would silence every later day.
    """
    context, made = batch.context, batch.results["recommend"]
    rows = _whole_rows(context, batch.day, int(made["version"]))
    before = read_published(context.home)
    warning = ""
    if before is not None and _has_not_come(before.ds, latest_day(context.settings, batch.day)):
        warning = (
            f"published.json named {before.ds!r}, a day that has not come: refused, and "
            f"{batch.day} published in its place"
        )
        context.console.say(f"warning: {warning}")
    elif before is not None and before.ds > batch.day.isoformat():
        context.console.say(f"the recommendations of {before.ds} are newer and stay published")
        return {"published": False, **asdict(before)}
    published = Published(
        ds=batch.day.isoformat(),
        version=int(made["version"]),
        rows=rows.height,
        run=batch.results["models"]["run"],
        ranker_version=str(rows["ranker_version"][0]),
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
        batch=batch.id,
    )
    write_published(context.home, published)
    context.console.say(f"published {counted(rows.height, 'recommendation')} for {published.ds}")
    return {"published": True, **asdict(published), "warning": warning}


def _has_not_come(ds: str, latest: date) -> bool:
    """Whether ``ds`` lies after ``latest``, or is no day at all."""
    try:
        return date.fromisoformat(ds) > latest
    except (TypeError, ValueError):
        return True


def watch(batch: Batch) -> Mapping[str, Any]:
    """Measure data quality and drift against what the models in force were trained on."""
    run = batch.results.get("train", batch.results.get("models", {})).get("run")
    flagged = monitor(batch.context, run)
    # Only what is new today is worth a notice; the report shows all of it.
    newest = pl.lit(day_number(batch.day) - 1, pl.Int32).cast(pl.Date)
    odd = batch.context.lake.scan(QUALITY.name).filter(pl.col("is_flagged"), pl.col("ds") == newest)
    rows = odd.select(pl.len()).collect().item()
    warning = f"{rows} measures of the newest day are out of their limits" if rows else ""
    return {"flagged": flagged, "warning": warning}


def report_day(batch: Batch) -> Mapping[str, Any]:
    """Write the day's report: the HTML page, and the batch's own figures as Markdown.

    Who recommends and the five sentences are printed; what changed since yesterday is a result.
    """
    context, run = batch.context, batch.results["models"]["run"]
    folder = context.home.report_of(batch.day.isoformat())
    verdict = verdict_of(context, run, day=batch.day)
    page = write_report(context, run, verdict)
    write_atomically(folder / "batch.md", as_markdown(batch))
    shutil.copyfile(page, folder / ".index.html")
    (folder / ".index.html").replace(folder / "index.html")
    print_verdict(context.console, verdict)
    changed, worry = verdict.changed.text, verdict.worry.text
    return {"report": str(folder / "index.html"), "changed": changed, "worry": worry}


DAILY: tuple[BatchStage, ...] = (
    BatchStage(name="check tables", work=check_tables),
    BatchStage(name="arrive", work=collect_arrivals),
    BatchStage(name="features", work=prepare),
    BatchStage(name="models", work=choose_models),
    BatchStage(name="score", work=score),
    BatchStage(name="recommend", work=recommend_day),
    BatchStage(name="publish", work=publish),
    BatchStage(name="monitor", work=watch),
    BatchStage(name="report", work=report_day),
    BatchStage(name="keep tables", work=maintain_tables),
    # The only stage that talks to a server and nothing else: another try can help.
    BatchStage(name="log", work=log_batch, retries=3),
)


def _write_scores(context: RunContext, models: Mapping[str, Recommender], rows: pa.Table) -> None:
    """One commit: the day's own scores anew, those of the windows as they were."""
    scored = [score_rows(rows, SPLIT, name, model.score(rows)) for name, model in models.items()]
    if context.lake.exists(SCORES.name):
        day = scored[0]["ds_search"][0]
        of_windows = context.lake.scan(SCORES.name).filter(
            (pl.col("ds_search") == day) & (pl.col("split") != SPLIT)
        )
        scored.append(of_windows.select(scored[0].columns).collect())
    context.lake.replace_partitions(SCORES.name, pl.concat(scored))


def _whole_rows(context: RunContext, day: date, version: int) -> pl.DataFrame:
    """The day's recommendations, checked: some for every guest, ranked without a gap."""
    rows = (
        context.lake.scan(RECOMMENDATIONS.name, version=version)
        .filter(pl.col("ds") == day)
        .select("id_search", "rank", "score", "ranker_version")
        .collect()
    )
    gaps = rows.group_by("id_search").agg(is_gapless=pl.col("rank").max() == pl.len())
    if rows.is_empty() or not gaps["is_gapless"].all() or not rows["score"].is_finite().all():
        raise DataError(
            f"the recommendations of {day} are not whole ({counted(rows.height, 'row')}); "
            "the last ones stay published. Run the day again"
        )
    return rows
