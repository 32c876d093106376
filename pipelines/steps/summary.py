"""The end of a run on the terminal: how good, how sure, and where to look next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from data.contract import RECOMMENDATIONS
from models.evaluation.honesty import Honesty, Provenance
from models.evaluation.scorecard import Score, Scorecard
from pipelines.console import program
from pipelines.home import Home
from pipelines.steps.context import RunContext

__all__ = [
    "figure",
    "g_shown",
    "headline",
    "metrics_shown",
    "print_scorecard",
    "print_summary",
    "read_scorecard",
    "segments_shown",
    "table_rows",
]

METRICS = {
    "ndcg_at_5": "NDCG@5",
    "ndcg_at_10": "NDCG@10",
    "mrr": "MRR",
    "recall_at_10": "recall@10",
}
# Where the test window has no booking, the clicks and contacts are looked at.
METRICS_WITHOUT_BOOKINGS = {
    "graded_ndcg_at_5": "graded NDCG@5",
    "graded_ndcg_at_10": "graded NDCG@10",
    "search_auc_click": "click AUC in a search",
}
# Share of what the best possible order could win that a model's order wins.
CEILINGS = {
    "g_taste_at_10": "G@10, knowing the taste",
    "g_observables_at_10": "G@10, knowing the observables",
}
# Of a log with many markets only the largest are printed; all are in the scorecard.
MARKETS_PRINTED = 4
FEWEST_SEARCHES_PRINTED = 10
ORACLES = "oracle_"
# Characters that a row takes with its intervals beside the values.
WIDE_ENOUGH = 106


def read_scorecard(home: Home) -> Scorecard:
    """The latest scorecard as it was written."""
    folder = home.report
    panel: dict[str, Any] = json.loads((folder / "honesty.json").read_text())
    for name in ("segments_left_out", "warnings"):
        panel[name] = tuple(panel[name])
    given: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in panel["provenance"].items()
    }
    honesty = Honesty(**{**panel, "provenance": Provenance(**given)})
    return Scorecard(scores=Scorecard.read_json(folder / "scorecard.json"), honesty=honesty)


def print_summary(context: RunContext) -> None:
    """The scorecard, then where everything is."""
    print_scorecard(context)
    home, say = context.home, context.console.say
    say()
    say("Where to look next")
    say(f"  report           {(home.report / 'index.html').resolve()}")
    rows = context.lake.rows(RECOMMENDATIONS.name)
    table = home.root / "lake" / RECOMMENDATIONS.name
    say(f"  recommendations  {table} ({rows:,} rows, a Delta table)")
    say(f"  scorecard        {home.report / 'scorecard.json'}")
    say(f"  MLflow, Prefect  {program()} dashboards --home {home.root}")
    say(f"  notebooks        {program()} notebooks --home {home.root}")
    say(f"  why promoted?    {program()} promote --why --home {home.root}")


def print_scorecard(context: RunContext) -> None:
    """Per market and model: booking NDCG, MRR and recall with their intervals."""
    scorecard = read_scorecard(context.home)
    console = context.console
    console.say()
    for segment in segments_shown(scorecard):
        console.out.print(_table(scorecard, segment, narrow=console.out.width < WIDE_ENOUGH))
    console.say(headline(scorecard))
    if g_shown(scorecard):
        console.out.print(_g_table(scorecard))
    console.say()
    for line in scorecard.honesty.lines():
        console.say(line)


def segments_shown(scorecard: Scorecard) -> list[str]:
    """The whole, and every market; of many the largest, if they have enough to look at."""
    primary = list(metrics_shown(scorecard))[1]
    markets: dict[str, int] = {}
    for score in scorecard.scores:
        if score.segment.startswith("market=") and score.metric == primary:
            markets[score.segment] = score.searches
    if len(markets) > MARKETS_PRINTED:
        markets = {m: n for m, n in markets.items() if n >= FEWEST_SEARCHES_PRINTED}
    largest = sorted(markets, key=lambda m: (-markets[m], m))[:MARKETS_PRINTED]
    return ["all", *sorted(largest)]


def metrics_shown(scorecard: Scorecard) -> dict[str, str]:
    """Metric → heading: those of bookings, or of clicks where the test has no booking."""
    has_bookings = any(score.metric == "ndcg_at_10" for score in scorecard.scores)
    return METRICS if has_bookings else METRICS_WITHOUT_BOOKINGS


def g_shown(scorecard: Scorecard) -> dict[str, str]:
    """Metric → heading of G under each ceiling; empty where the truth is not known."""
    known = {score.metric for score in scorecard.scores}
    return {metric: heading for metric, heading in CEILINGS.items() if metric in known}


def headline(scorecard: Scorecard, model: str = "ranker") -> str:
    """One sentence: how much better the ranker is than popularity, and how sure."""
    metric, heading = list(metrics_shown(scorecard).items())[1]
    try:
        score = scorecard.find(model, metric)
    except KeyError:
        return f"no {heading} of {model}: nothing in the test window can be scored"
    if score.difference is None:
        return f"{model}: {heading} {figure(score)}"
    reference = score.value - score.difference
    share = f" ({score.difference / reference:+.0%})" if reference > 0 else ""
    return (
        f"{model} against {score.versus}: {heading} {score.difference:+.4f}{share}, "
        f"95% interval {score.difference_low:+.4f} to {score.difference_high:+.4f}, "
        f"{score.searches:,} searches with {_counted(metric)}"
    )


def _counted(metric: str) -> str:
    return "a booking" if metric in METRICS else "an action"


def figure(score: Score | None) -> str:
    """``0.432 (0.410–0.450)``, or a dash."""
    if score is None:
        return "–"
    if score.low is None or score.high is None:
        return f"{score.value:.3f}"
    dash = "–" if score.low >= 0 else " to "
    return f"{score.value:.3f} ({score.low:.3f}{dash}{score.high:.3f})"


def table_rows(scorecard: Scorecard, segment: str) -> list[tuple[str, Sequence[Score | None]]]:
    """Model and figures, best model last."""
    metrics = tuple(metrics_shown(scorecard))
    rows = scorecard.table(metrics, segments=[segment])
    rows.sort(key=lambda row: row[metrics[1]].value if row[metrics[1]] else -1.0)
    return [(row["model"], [row[metric] for metric in metrics]) for row in rows]


def _table(scorecard: Scorecard, segment: str, *, narrow: bool) -> Table:
    metrics = metrics_shown(scorecard)
    first = next(iter(metrics))
    searches = [s.searches for s in scorecard.scores if (s.segment, s.metric) == (segment, first)]
    name = "all markets" if segment == "all" else segment.removeprefix("market=")
    note = " · SIMULATED DATA" if scorecard.honesty.provenance.is_simulated else ""
    count = f"{searches[0]:,}" if searches else "no"
    table = Table(
        title=f"{name}: {count} test searches with {_counted(first)}{note}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("model", no_wrap=True)
    for heading in metrics.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for model, scores in table_rows(scorecard, segment):
        style = "dim" if model.startswith(ORACLES) else None
        cells = [figure(score).replace(" (", "\n(" if narrow else " (") for score in scores]
        table.add_row(model, *cells, style=style)
    return table


def _g_table(scorecard: Scorecard) -> Table:
    metrics = g_shown(scorecard)
    table = Table(
        title="all searches: (model - random) / (oracle - random) of expected DCG",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("model", no_wrap=True)
    for heading in metrics.values():
        table.add_column(heading, justify="right", no_wrap=True)
    rows = scorecard.table(tuple(metrics), segments=["all"])
    first = next(iter(metrics))
    for row in sorted(rows, key=lambda row: row[first].value):
        table.add_row(row["model"], *(figure(row[metric]) for metric in metrics))
    return table
