"""Collect the contents of the report, and write its page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.schema.tables import QUARANTINE, RECOMMENDATIONS
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
    difference_of,
    figure,
    headline,
    metrics_shown,
    name_of,
    primary_metric,
    read_scorecard,
    segments_shown,
    table_rows,
    value_in_words,
    value_of,
)
from pipelines.promotion.decision import GateDecision
from pipelines.promotion.promote import read_decision
from pipelines.reporting.charts.canvas import Chart
from pipelines.reporting.data_section import (
    concerns_of,
    data_section,
    days_of,
    flagged_measures,
    funnel_of,
)
from pipelines.reporting.draw_charts import draw_charts, log_charts
from pipelines.reporting.html.render import render_report
from pipelines.reporting.run_section import (
    changes_of,
    decision_of,
    recommended_of,
    searches_of,
    training_lines,
)
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord, read_record

__all__ = ["write_report"]


@uses_home
def write_report(context: RunContext, run: str) -> Path:
    """Write ``reports/latest/index.html`` for a run, log it to MLflow, return its path.

    Each chart is also a PNG in the run's folder and in MLflow.
    """
    record = read_record(context.home, run)
    page = context.home.report / "index.html"
    with context.console.step("writing the report"):
        scorecard, funnel = read_scorecard(context.home), funnel_of(context)
        charts = draw_charts(context, record, scorecard, funnel)
        write_atomically(page, render_report(_content(context, record, scorecard, funnel, charts)))
        context.tracking.log_artifacts(record.parent, page)
        log_charts(context, record, charts)
    return page


def _content(
    context: RunContext,
    record: RunRecord,
    scorecard: Scorecard,
    funnel: list[dict[str, Any]],
    charts: dict[str, Chart | None],
) -> dict[str, Any]:
    decision = read_decision(context.home, record.name)
    quarantined = context.lake.rows(QUARANTINE.name)
    return {
        "run": record.name,
        "made_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "markets": [market["market"] for market in funnel][:8],
        "days": days_of(context),
        "is_simulated": scorecard.honesty.provenance.is_simulated,
        "cards": _cards(context, scorecard, decision),
        "headline": headline(scorecard),
        "scores": _scores(scorecard),
        "scores_note": value_in_words(scorecard),
        "given": _given(context),
        "charts": {name: _as_svg(chart) for name, chart in charts.items()},
        "decision": decision_of(decision),
        "changed": changes_of(context, record, scorecard),
        "concerns": concerns_of(context, scorecard, quarantined),
        **data_section(context),
        "searches": searches_of(context, record),
        "recommended": recommended_of(context),
        "training_lines": training_lines(record),
        "honesty": [f"{heading}: {text}" for heading, text in scorecard.honesty.facts()],
    }


def _as_svg(chart: Chart | None) -> dict[str, str] | None:
    if chart is None:
        return None
    return {"title": chart.title, "note": chart.note, "svg": chart.svg()}


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


def _scores(scorecard: Scorecard) -> dict[str, Any]:
    rows = [
        [segment.removeprefix("market="), model, *map(figure, scores)]
        for segment in segments_shown(scorecard)
        for model, scores in table_rows(scorecard, segment)
    ]
    return {
        "header": ["searches", "model", *metrics_shown(scorecard).values()],
        "words": ["searches", "model"],
        "rows": rows,
        "classes": None,
    }


def _cards(
    context: RunContext, scorecard: Scorecard, decision: GateDecision | None
) -> list[dict[str, str]]:
    """The figures on top of the page: how good, promoted or not, what is odd, how many rows."""
    cards = [*_booking_cards(context), *_ranker_cards(scorecard)]
    if decision is not None:
        verdict = "champion" if decision.is_promoted else "challenger"
        mood = "good" if decision.is_promoted else ""
        cards.append(_card("the gate", verdict, f"against {decision.against}", mood))
    odd = flagged_measures(context).height
    cards.append(
        _card("odd measures", f"{odd}", "market, day and measure", "bad" if odd else "good")
    )
    maturity = scorecard.honesty.provenance.label_maturity
    if maturity is not None:
        mood = "good" if maturity >= 0.9 else "bad"
        cards.append(_card("outcomes in the log", f"{maturity:.0%}", "of the test window's", mood))
    rows = context.lake.rows(RECOMMENDATIONS.name)
    cards.append(_card("recommendations", f"{rows:,}", "rows in the lake", ""))
    return cards


def _ranker_cards(scorecard: Scorecard) -> list[dict[str, str]]:
    """The ranker by the primary metric, and how much better than the reference it is."""
    metric = primary_metric(scorecard)
    name = f"ranker, {name_of(metric)}"
    try:
        score = scorecard.find("ranker", metric)
    except KeyError:
        note = "nothing can be ranked" if scorecard.honesty.nothing_ranked else "cannot be scored"
        return [_card(name, "–", note, "bad")]
    if score.is_too_few:
        return [_card(name, "–", figure(score), "bad")]
    cards = [_card(name, value_of(score), figure(score), "")]
    if score.difference is not None:
        value, interval = difference_of(score)
        low = score.difference_low
        mood = "" if low is None else "good" if low > 0 else "bad"
        cards.append(_card(f"against {score.versus}", value, interval, mood))
    return cards


def _booking_cards(context: RunContext) -> list[dict[str, str]]:
    """Expected bookings of the recommended lists, beside popularity; where the truth is known."""
    metric = "catalogue_bookings_together_per_1000"
    scores = read_recommendation_scores(context.home)
    value = {s.model: s for s in scores if s.metric == metric and s.split == "simulated_truth"}
    if not {"recommendations", "popularity", "shown_before"} <= set(value):
        return []
    ours, popular, shown = (
        value[n].value for n in ("recommendations", "popularity", "shown_before")
    )
    note = f"popularity {popular:.1f}, shown before {shown:.1f} (simulated)"
    mood = "good" if ours > max(popular, shown) else "bad"
    return [_card("bookings per 1,000 guests", f"{ours:.1f}", note, mood)]


def _card(name: str, value: str, note: str, mood: str) -> dict[str, str]:
    return {"name": name, "value": value, "note": note, "mood": mood}
