"""Build the features table from the impressions, unless it is up to date."""

from __future__ import annotations

import hashlib
import json
import tempfile
from importlib.resources import files
from pathlib import Path

import narwhals as nw
import polars as pl

from data.contract import FEATURES, IMPRESSIONS
from data.errors import DataError
from data.feature_set import FeatureSet
from features.build import available_features, build_features
from features.days import build_by_day
from pipelines.console import ProgressCall
from pipelines.home import write_json
from pipelines.steps.context import RunContext

__all__ = ["build_features_table", "feature_set_of"]

# Above it the days are built one after the other: twice the time, a third of the memory.
AT_ONCE_ROWS = 2_000_000


def build_features_table(context: RunContext) -> int:
    """Build every feature of every impression; returns the version of the features table.

    Nothing is built when neither the impressions nor the feature code has changed since
    the last build. Raises ``DataError`` when there are no impressions.
    """
    lake = context.lake
    if not lake.exists(IMPRESSIONS.name):
        raise DataError(
            f"{context.home.root} holds no impressions. Ingest a log first: "
            f"stayrank ingest LOG --home {context.home.root}"
        )
    made_from: dict[str, object] = {
        "impressions": context.version(IMPRESSIONS.name),
        "code": _code_fingerprint(),
    }
    if lake.exists(FEATURES.name) and _record(context).get("made_from") == made_from:
        context.console.say("features: up to date")
        return context.version(FEATURES.name)
    _build(context, made_from)
    return context.version(FEATURES.name)


def feature_set_of(context: RunContext) -> FeatureSet:
    """The features that the table holds."""
    return FeatureSet.load(context.home.root / "feature_set.json")


def _build(context: RunContext, made_from: dict[str, object]) -> None:
    impressions = context.lake.scan(IMPRESSIONS.name)
    rows = nw.from_native(impressions)
    # With the types: they tell a numeric extra column from a category.
    schema = dict(rows.collect_schema())
    feature_set = available_features(schema)
    with context.console.step(f"building {len(feature_set)} features") as moved:
        if context.lake.rows(IMPRESSIONS.name) <= AT_ONCE_ROWS:
            built = build_features(rows, rows, features=feature_set).to_native()
            context.lake.replace_all(FEATURES.name, built)
        else:
            _build_by_day(context, impressions, feature_set, moved)
    feature_set.save(context.home.root / "feature_set.json")
    write_json(context.home.features_record, {"made_from": made_from})
    _say_left_out(context, feature_set, set(schema))


def _build_by_day(
    context: RunContext, impressions: pl.LazyFrame, features: FeatureSet, moved: ProgressCall
) -> None:
    """One day in memory at a time; the table changes once, when every day is there."""
    days = impressions.select(pl.col("search_day").unique()).collect()["search_day"].sort()
    with tempfile.TemporaryDirectory(dir=context.home.root, prefix=".features-") as folder:
        built = build_by_day(impressions, days.to_list(), features=features)
        for done, (day, frame) in enumerate(built, start=1):
            frame.to_native().sink_parquet(Path(folder) / f"{day}.parquet")
            moved(done, len(days))
        whole = pl.scan_parquet(Path(folder) / "*.parquet")
        context.lake.replace_all(FEATURES.name, whole)


def _say_left_out(context: RunContext, built: FeatureSet, columns: set[str]) -> None:
    """Name what could not be built, and for want of which columns."""
    every = available_features(IMPRESSIONS.names)
    left_out = [f for f in every if f.name not in built.names]
    if left_out:
        wanting = sorted({name for f in left_out for name in f.needs if name not in columns})
        context.console.say(
            f"features: {len(left_out)} of {len(every)} left out; "
            f"the log lacks {', '.join(wanting)}"
        )


def _record(context: RunContext) -> dict[str, object]:
    try:
        return dict(json.loads(context.home.features_record.read_text()))
    except (OSError, ValueError):
        return {}


def _code_fingerprint() -> str:
    """A hash of the feature code: features built by other code are stale."""
    digest = hashlib.sha256()
    folder = files("features")
    for name in sorted(item.name for item in folder.iterdir() if item.name.endswith(".py")):
        digest.update(folder.joinpath(name).read_bytes())
    return digest.hexdigest()[:16]
