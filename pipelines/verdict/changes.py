"""What changed since the last day or run: recommendations, models, data, drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from data.counted import counted
from data.schema.market_names import market_in_words
from data.schema.tables import IMPRESSIONS, QUALITY
from models.evaluation.scorecard import Scorecard
from pipelines.monitoring.measures import measure_in_words
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord
from pipelines.verdict.recommendation_changes import RecommendationChange, recommendation_change
from pipelines.verdict.run_changes import run_before, run_changes
from pipelines.verdict.sentence import Sentence, listed

__all__ = ["Changes", "changes_since"]

TOPIC = "What changed"
MEASURES_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What changed, as one sentence and in full.

    Attributes:
        sentence: the verdict's.
        parts: a title and its lines: recommendations, models, data, drift, training run; empty
            where there is nothing to compare with.
    """

    sentence: Sentence
    parts: tuple[tuple[str, tuple[str, ...]], ...]


def changes_since(
    context: RunContext, record: RunRecord, scorecard: Scorecard, day: date | None = None
) -> Changes:
    """The recommendations of a day beside those before, and the run beside the run before it.

    ``day``: default the newest in the table.
    """
    lists = recommendation_change(context.lake, day)
    before = run_before(context.home, record)
    if lists is None and before is None:
        text = "this is the first run of this home: there is nothing to compare it with"
        return Changes(sentence=Sentence(topic=TOPIC, text=text), parts=())
    clauses: list[str] = []
    parts: list[tuple[str, tuple[str, ...]]] = []
    if lists is not None:
        clauses += [_lists_clause(lists), _ranker_clause(lists)]
        parts.append((f"Recommendations, {lists.since}", tuple(lists.lines())))
        parts.append(("Models", (_ranker_clause(lists),)))
        data, drift = _data_lines(context, lists), _drift_lines(context, lists)
        clauses += [*data[:1], *drift[:1]]
        parts += [("Data", tuple(data)), ("Drift and data quality", tuple(drift))]
    if before is not None:
        lines = run_changes(context.home, before, record, scorecard)
        parts.append((f"Training run {record.name}, since run {before.name}", tuple(lines)))
        if lists is None or lists.rankers_before != lists.rankers_now:
            clauses.append(f"since run {before.name}: {lines[-1]}")
    shown = tuple((title, lines) for title, lines in parts if lines)
    return Changes(sentence=Sentence(topic=TOPIC, text="; ".join(clauses)), parts=shown)


def _lists_clause(lists: RecommendationChange) -> str:
    moved = f"{counted(lists.came, 'guest')} came and {lists.went:,} went"
    if not lists.both:
        return f"{lists.since} every guest is another: {moved}"
    if lists.same == lists.both and not lists.came and not lists.went:
        return f"{lists.since}, no list changed"
    return (
        f"{lists.since} {lists.share_entered:.0%} of the places in the first ten changed, {moved}"
    )


def _ranker_clause(lists: RecommendationChange) -> str:
    before, now = (_versions(names) for names in (lists.rankers_before, lists.rankers_now))
    return f"made by {now}, as before" if before == now else f"made by {now}, before by {before}"


def _versions(names: Sequence[str]) -> str:
    """The ``ranker_version`` of rows in words; a run's name where MLflow was away."""
    words = [f"version {name}" if name.isdigit() else f"the ranker of run {name}" for name in names]
    return listed(words)


def _data_lines(context: RunContext, lists: RecommendationChange) -> list[str]:
    """Searches of the newest day of the log that the lists knew, beside the day before it."""
    if lists.before == lists.now:
        return []
    searches = (
        context.lake.scan(IMPRESSIONS.name)
        .filter(pl.col("ds_search").is_between(lists.before - timedelta(days=1), lists.now))
        .group_by("ds_search")
        .agg(searches=pl.col("id_search").n_unique(), rows=pl.len())
        .collect()
    )
    known = {day: (number, rows) for day, number, rows in searches.iter_rows()}
    new = sorted(day for day in known if lists.before <= day < lists.now)
    if not new:
        return ["no newer searches came in"]
    total = sum(known[day][0] for day in new)
    usual = known.get(lists.before - timedelta(days=1))
    days = f"of {new[0]}" if len(new) == 1 else f"of {new[0]} to {new[-1]}"
    line = f"{counted(total, 'search')} {days} came in"
    if usual is not None and len(new) == 1:
        line += f" ({usual[0]:,} the day before)"
    return [line, f"these are {counted(sum(known[day][1] for day in new), 'impression')}"]


def _drift_lines(context: RunContext, lists: RecommendationChange) -> list[str]:
    """Measures of the new days that are out of their limits, and were not the day before."""
    if lists.before == lists.now or not context.lake.exists(QUALITY.name):
        return []
    flagged = context.lake.scan(QUALITY.name).filter("is_flagged").collect()
    earlier = _flagged_of(flagged, lists.before - timedelta(days=1), lists.before)
    new = _flagged_of(flagged, lists.before, lists.now)
    entered, left = sorted(new - earlier), sorted(earlier - new)
    if not entered and not left:
        return [f"{counted(len(new), 'measure')} out of limits, as the day before"]
    lines = [f"{counted(len(entered), 'measure')} newly out of limits, {len(left):,} back inside"]
    lines += [f"newly out of limits: {name}" for name in entered[:MEASURES_NAMED]]
    more = len(entered) - MEASURES_NAMED
    return [*lines, f"and {more:,} more, in the table quality"] if more > 0 else lines


def _flagged_of(flagged: pl.DataFrame, first: date, end: date) -> set[str]:
    """``market: kind of name`` of the measures flagged from ``first`` to before ``end``."""
    rows = flagged.filter((pl.col("ds") >= first) & (pl.col("ds") < end))
    return {
        f"{measure_in_words(kind, name)} in {market_in_words(market)}"
        for market, kind, name in rows.select("market", "kind", "name").iter_rows()
    }
