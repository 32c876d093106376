"""Collect the contents of the report, and write its page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.schema.market_names import market_in_words
from models.evaluation.scorecard import Scorecard
from pipelines.config.home import write_atomically
from pipelines.config.home_use import uses_home
from pipelines.evaluation.recommendations_view import (
    REPLAY,
    TRUTH,
    bookings_line,
    read_recommendation_scores,
    replay_rows,
    truth_rows,
)
from pipelines.evaluation.scorecard_view import (
    figure,
    headline,
    metrics_shown,
    read_scorecard,
    segments_shown,
    table_rows,
    value_in_words,
)
from pipelines.promotion.promote import read_decision
from pipelines.reporting.charts.canvas import Chart
from pipelines.reporting.data_section import (
    data_section,
    days_of,
    funnel_of,
    new_listings_of,
)
from pipelines.reporting.draw_charts import draw_charts, log_charts
from pipelines.reporting.front_section import cards_of, front_of
from pipelines.reporting.html.render import render_report
from pipelines.reporting.marketplace_section import marketplace_of
from pipelines.reporting.mlflow_note import log_verdict
from pipelines.reporting.run_section import (
    changed_of,
    decision_of,
    grouped_worries,
    recommended_of,
    searches_of,
    training_lines,
)
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord, read_record
from pipelines.verdict.sentence import MARKET, market_of
from pipelines.verdict.verdict import Verdict, verdict_of

__all__ = ["write_report"]


@uses_home
def write_report(context: RunContext, run: str, verdict: Verdict | None = None) -> Path:
    """Write ``reports/latest/index.html`` for a run, log it to MLflow, return its path.

    ``verdict``: where it was computed already. Each chart is also a PNG in the run's folder and
    in MLflow.
    """
    record = read_record(context.home, run)
    page = context.home.report / "index.html"
    with context.console.step("writing the report"):
        verdict = verdict or verdict_of(context, run)
        scorecard, funnel = read_scorecard(context.home, run), funnel_of(context)
        charts = draw_charts(context, record, scorecard, funnel)
        content = _content(context, record, scorecard, verdict, funnel, charts)
        write_atomically(page, render_report(content))
        context.tracking.log_artifacts(record.parent, page)
        log_charts(context, record, charts)
        log_verdict(context, verdict, run)
    return page


def _content(
    context: RunContext,
    record: RunRecord,
    scorecard: Scorecard,
    verdict: Verdict,
    funnel: list[dict[str, Any]],
    charts: dict[str, Chart | None],
) -> dict[str, Any]:
    decision = read_decision(context.home, record.name)
    return {
        "run": record.name,
        "made_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "markets": [market_in_words(market["market"]) for market in funnel][:8],
        "days": days_of(context),
        "is_simulated": scorecard.honesty.provenance.is_simulated,
        "front": front_of(verdict),
        "cards": cards_of(context, scorecard, decision, verdict),
        "headline": headline(scorecard),
        "scores": _scores(scorecard),
        "scores_note": value_in_words(scorecard),
        "given": _given(context),
        "charts": {name: _as_svg(chart) for name, chart in charts.items()},
        "decision": decision_of(decision),
        "changed": changed_of(verdict),
        "worries": grouped_worries(verdict),
        "new_listings": new_listings_of(scorecard),
        "marketplace": marketplace_of(context),
        **data_section(context, verdict.worries),
        "searches": searches_of(context, record),
        "recommended": recommended_of(context),
        "training_lines": training_lines(record),
        "honesty": [f"{heading}: {text}" for heading, text in scorecard.honesty.facts()],
    }


def _as_svg(chart: Chart | None) -> dict[str, Any] | None:
    if chart is None:
        return None
    narrow = "" if chart.narrow is None else chart.narrow.svg()
    return {
        "title": chart.title,
        "note": chart.note,
        "svg": chart.svg(),
        "narrow": narrow,
        "in_words": chart.in_words,
    }


def _given(context: RunContext) -> dict[str, Any]:
    """What guests are given: a sentence, and a table by the truth and by the replay."""
    scores = read_recommendation_scores(context.home)
    tables = (
        ("by the simulator's truth", TRUTH, truth_rows(scores)),
        ("by what guests took next (replay)", REPLAY, replay_rows(scores)),
    )
    shown = [
        {
            "title": title,
            "header": ["lists", *headings.values()],
            "words": ["lists"],
            "rows": rows,
            "classes": None,
        }
        for title, headings, rows in tables
        if rows
    ]
    return {"line": bookings_line(scores), "tables": shown}


def _segment(segment: str) -> str:
    return market_of(segment) if segment.startswith(MARKET) else "all markets"


def _scores(scorecard: Scorecard) -> dict[str, Any]:
    rows = [
        [_segment(segment), model, *map(figure, scores)]
        for segment in segments_shown(scorecard)
        for model, scores in table_rows(scorecard, segment)
    ]
    return {
        "header": ["searches", "model", *metrics_shown(scorecard).values()],
        "words": ["searches", "model"],
        "rows": rows,
        "classes": None,
    }
