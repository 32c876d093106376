"""The last screen of a run: one table of at most six models, five sentences, where to look next."""

from __future__ import annotations

import textwrap

from rich import box
from rich.table import Table

from data.counted import counted
from data.schema.tables import RECOMMENDATIONS
from models.evaluation.scorecard import Score, Scorecard
from pipelines.config.console import Console, program
from pipelines.evaluation.scorecard_view import (
    ORACLES,
    difference_of,
    figure,
    metrics_shown,
    ndcg_shown,
    primary_metric,
    read_scorecard,
    searches_line,
)
from pipelines.run_context import RunContext
from pipelines.verdict.cost import EXPOSURE, PRICE
from pipelines.verdict.verdict import SIMULATED, Verdict, verdict_of

__all__ = ["print_last_screen", "print_verdict", "six_rows"]

ROWS = 6
# Which models are shown where there are more: the first of these.
FIRST_SHOWN = (
    "ranker",
    "popularity",
    "random",
    "oracle_observables",
    "lambdarank",
    "two_tower",
    "stacked",
    "als",
    "best_rated",
    "cheapest",
)
# The best orders on average, by the simulator's truth; the luck of one window may beat them.
ORACLES_IN_WORDS = {"oracle_observables": "oracle", "oracle_taste": "oracle of tastes"}
WIDEST_TEXT = 100
# Characters that a row takes with its intervals beside the values.
WIDE_ENOUGH = 112


def print_last_screen(context: RunContext) -> None:
    """What somebody reads after a run: the table, the sentences, and where everything is.

    The long tables are behind ``stayrank scorecard``.
    """
    run, console = context.home.latest_run().name, context.console
    scorecard = read_scorecard(context.home, run)
    console.say()
    rows = six_rows(scorecard)
    if rows:
        console.out.print(_table(scorecard, rows, narrow=console.out.width < WIDE_ENOUGH))
    print_verdict(console, verdict_of(context, run, scorecard))
    _where_to_look(context)


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Who recommends and the five sentences, in lines of a width that reads well."""
    if verdict.is_simulated:
        console.say(SIMULATED)
    width = min(console.out.width, WIDEST_TEXT)
    for line in verdict.lines():
        for part in textwrap.wrap(line, width, subsequent_indent="   ", break_on_hyphens=False):
            console.say(part)


def six_rows(scorecard: Scorecard) -> list[tuple[str, dict[str, Score | None]]]:
    """At most six models over all searches with their figures, the best first.

    Empty where nothing can be ranked.
    """
    if scorecard.honesty.nothing_ranked:
        return []
    primary = primary_metric(scorecard)
    metrics = tuple(dict.fromkeys((primary, ndcg_shown(scorecard), PRICE, EXPOSURE)))
    table = {str(row["model"]): row for row in scorecard.table(metrics, segments=["all"])}
    known = [name for name in FIRST_SHOWN if name in table]
    others = sorted(set(table) - set(known) - set(ORACLES_IN_WORDS))
    # what only retrieves has no figure here
    shown = [name for name in (*known, *others) if table[name][primary] is not None][:ROWS]
    shown.sort(key=lambda name: -table[name][primary].value)
    return [(name, {metric: table[name][metric] for metric in metrics}) for name in shown]


def _table(
    scorecard: Scorecard, rows: list[tuple[str, dict[str, Score | None]]], *, narrow: bool
) -> Table:
    primary, ndcg = primary_metric(scorecard), ndcg_shown(scorecard)
    headings = metrics_shown(scorecard)
    reference = next((s.versus for s in scorecard.scores if s.versus), "the reference")
    note = " · SIMULATED DATA" if scorecard.honesty.provenance.is_simulated else ""
    table = Table(
        title=f"all markets: {searches_line(scorecard, 'all')}{note}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("model", no_wrap=True)
    columns = [headings[primary], f"against {reference}"]
    columns += [headings[ndcg]] if ndcg != primary else []
    columns += ["price level", "new listings"]
    for heading in columns:
        # in lines as short as the figures: six columns fit the width of a log
        lines = heading.replace(", ", ",\n").replace(" per ", " per\n")
        table.add_column(lines, justify="right", no_wrap=True)
    for model, found in rows:
        cells = [figure(found[primary]), _against(found[primary])]
        cells += [figure(found[ndcg])] if ndcg != primary else []
        cells += [_number(found[PRICE], ".2f"), _number(found[EXPOSURE], ".1%")]
        broken = [cell.replace(" (", "\n(") if narrow else cell for cell in cells]
        style = "dim" if model.startswith(ORACLES) else None
        table.add_row(ORACLES_IN_WORDS.get(model, model), *broken, style=style)
    return table


def _against(score: Score | None) -> str:
    """``+14.5% (+12.1% to +17.1%)``; a dash for the reference itself, or where it is unknown."""
    if score is None or score.difference is None or score.is_too_few:
        return "–"
    difference, interval = difference_of(score)
    ends = interval.removeprefix("95% interval ")
    return f"{difference} ({ends})" if ends != interval else difference


def _number(score: Score | None, form: str) -> str:
    return "–" if score is None or score.is_too_few else f"{score.value:{form}}"


def _where_to_look(context: RunContext) -> None:
    home, say = context.home, context.console.say
    say()
    say("Where to look next")
    say(f"  report           {(home.report / 'index.html').resolve()}")
    rows = context.lake.rows(RECOMMENDATIONS.name)
    table = home.root / "lake" / RECOMMENDATIONS.name
    say(f"  recommendations  {table} ({counted(rows, 'row')}, a Delta table)")
    say(f"  every figure     {program()} scorecard {home.option}")
    say(f"  MLflow, Prefect  {program()} dashboards {home.option}")
    say(f"  notebooks        {program()} notebooks {home.option}")
    say(f"  why promoted?    {program()} promote --why {home.option}")
