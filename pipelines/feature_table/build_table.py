"""Build the features table from the impressions, only the days that need it."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from data.counted import counted
from data.lake.store import streamed
from data.schema.feature_set import FeatureSet
from data.schema.tables import FEATURES, IMPRESSIONS
from features.all_features import available_features
from features.build import build_features
from features.build_in_blocks import build_by_day
from pipelines.config.console import ProgressCall
from pipelines.config.home import write_json
from pipelines.config.home_use import uses_home
from pipelines.feature_table.build_on_spark import SparkOptions, build_on_spark
from pipelines.feature_table.kept_totals import KEPT_DAYS
from pipelines.feature_table.rebuild_plan import RebuildPlan, rebuild_plan
from pipelines.run_context import RunContext

__all__ = ["build_features_table", "feature_set_of"]


@uses_home
def build_features_table(context: RunContext, spark: SparkOptions | None = None) -> int:
    """Bring every feature of every impression up to date; returns the table's version.

    Only days that the changed impressions can affect are built, and nothing when neither
    the impressions nor the feature code has changed. With ``spark`` the same columns are
    built there. The table changes in one commit. Raises ``DataError`` when there are no
    impressions.
    """
    context.refuse_without(IMPRESSIONS.name, "ingest LOG")
    plan = rebuild_plan(context)
    if not plan.is_needed:
        context.console.say("features: up to date")
        return context.version(FEATURES.name)
    context.console.say(plan.describe())
    _say_left_out(context, plan.features)
    with context.console.step(
        f"building {counted(len(plan.features), 'feature')}"
    ) as report_progress:
        if spark is None:
            _build(context, plan, report_progress)
        else:
            build_on_spark(context, plan, spark)
    plan.features.save(context.home.root / "feature_set.json")
    write_json(context.home.features_record, plan.made_from)
    return context.version(FEATURES.name)


def feature_set_of(context: RunContext) -> FeatureSet:
    """The features that the table holds."""
    return FeatureSet.load(context.home.root / "feature_set.json")


def _build(context: RunContext, plan: RebuildPlan, report_progress: ProgressCall) -> None:
    """Write the days in one commit, with one block of days in memory at a time."""
    stream = streamed(_frames(context.lake.scan(IMPRESSIONS.name), plan, report_progress))
    if plan.is_whole:
        context.lake.replace_all(FEATURES.name, stream)
    else:
        context.lake.replace_partitions(FEATURES.name, stream, plan.partitions)


def _frames(
    impressions: pl.LazyFrame, plan: RebuildPlan, report_progress: ProgressCall
) -> Iterator[pl.DataFrame]:
    """The rows to write, block by block; one frame without rows where no day has any."""
    # A stream needs one frame at least, to have a schema.
    if not plan.days:
        no_rows = impressions.head(0)
        yield build_features(no_rows, no_rows, features=plan.features)
    blocks = build_by_day(
        impressions,
        plan.days,
        features=plan.features,
        opening=plan.kept.before(min(plan.days)) if plan.days else None,
        closing_days=sorted(plan.days)[-KEPT_DAYS:],
        on_close=plan.kept.keep,
    )
    for block in blocks:
        yield block.rows
        report_progress(sum(day <= block.last_day for day in plan.days), len(plan.days))


def _say_left_out(context: RunContext, built: FeatureSet) -> None:
    """Print how many features cannot be built, and which columns the log lacks for them."""
    columns = context.lake.columns(IMPRESSIONS.name)
    every = available_features(IMPRESSIONS.names)
    left_out = [f for f in every if f.name not in built.names]
    if left_out:
        missing = sorted({name for f in left_out for name in f.needs if name not in columns})
        context.console.say(
            f"features: {len(left_out)} of {len(every)} left out; "
            f"the log lacks {', '.join(missing)}"
        )
