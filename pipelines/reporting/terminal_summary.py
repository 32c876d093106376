"""The long tables of the terminal: every market and model, and what guests are given."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from data.close_names import did_you_mean
from data.counted import counted
from data.errors import DataError
from data.readers.words import suggested_slug
from models.evaluation.scorecard import Scorecard
from pipelines.config.console import program
from pipelines.config.settings import SettingsError
from pipelines.evaluation.recommendations_view import (
    REPLAY,
    TRUTH,
    bookings_line,
    read_recommendation_scores,
    replay_rows,
    truth_rows,
)
from pipelines.evaluation.scorecard_view import (
    ORACLES,
    figure,
    g_shown,
    headline,
    metrics_shown,
    read_scorecard,
    searches_line,
    segments_shown,
    table_rows,
    value_in_words,
)
from pipelines.run_context import RunContext

__all__ = ["print_recommendations", "print_scorecard"]

MARKET = "market="
# Characters that a row takes with its intervals beside the values.
WIDE_ENOUGH = 106


def print_scorecard(context: RunContext, markets: Sequence[str] = ()) -> None:
    """Per market and model: value, booking NDCG, MRR and recall with their intervals.

    Where nothing can be ranked, a sentence instead of tables. ``markets``: only these, as they
    are called in the log or in the scorecard.

    Raises ``DataError`` where there is no scorecard yet, ``SettingsError`` for a market that it
    does not have.
    """
    if not (context.home.report / "honesty.json").is_file():
        raise DataError(
            f"{context.home.root} holds no scorecard yet. Make it first: "
            f"stayrank evaluate {context.home.option}"
        )
    scorecard = read_scorecard(context.home)
    segments = [_segment_of(scorecard, market) for market in markets]
    console = context.console
    console.say()
    if not scorecard.honesty.nothing_ranked:
        for segment in segments or segments_shown(scorecard):
            console.out.print(_table(scorecard, segment, narrow=console.out.width < WIDE_ENOUGH))
        if value_in_words(scorecard):
            console.say(value_in_words(scorecard))
    if not segments:
        _print_whole(context, scorecard)
    console.say()
    for line in scorecard.honesty.lines():
        console.say(line)


def _print_whole(context: RunContext, scorecard: Scorecard) -> None:
    """What is told of all searches together, and of the markets that are not printed."""
    console = context.console
    left_out = len(_markets(scorecard)) - len(segments_shown(scorecard)) + 1
    if left_out > 0 and not scorecard.honesty.nothing_ranked:
        console.say(f"{counted(left_out, 'more market')}: {program()} scorecard --market NAME")
    console.say(headline(scorecard))
    if g_shown(scorecard):
        console.out.print(_g_table(scorecard))


def _segment_of(scorecard: Scorecard, market: str) -> str:
    """The segment of a market, which may be named as people do: ``Rio de Janeiro``."""
    known = _markets(scorecard)
    word = suggested_slug(market)
    found = [name for name in known if name == market or name.partition("__")[0] == word]
    if len(found) == 1:
        return f"{MARKET}{found[0]}"
    if found:
        raise SettingsError(f"--market {market!r} could be {' or '.join(found)}; name one of them")
    raise SettingsError(
        f"--market {market!r}: the scorecard has no such market"
        f"{did_you_mean(word or market, known)}; there are {', '.join(known) or 'none'}"
    )


def _markets(scorecard: Scorecard) -> list[str]:
    segments = {score.segment for score in scorecard.scores if score.segment.startswith(MARKET)}
    return sorted(segment.removeprefix(MARKET) for segment in segments)


def print_recommendations(context: RunContext) -> None:
    """What guests are given: by the truth, where it is known, and by what they did next."""
    scores = read_recommendation_scores(context.home)
    tables = (
        ("recommended lists, by the simulator's truth · SIMULATED DATA", TRUTH, truth_rows(scores)),
        ("recommended lists, replayed: what guests took next", REPLAY, replay_rows(scores)),
    )
    for title, headings, rows in tables:
        if not rows:
            continue
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("lists", no_wrap=True)
        for heading in headings.values():
            table.add_column(heading, justify="right")
        for name, *cells in rows:
            table.add_row(name, *(cell.replace(" (", "\n(") for cell in cells))
        context.console.out.print(table)
    if bookings_line(scores):
        context.console.say(bookings_line(scores))


def _table(scorecard: Scorecard, segment: str, *, narrow: bool) -> Table:
    name = "all markets" if segment == "all" else segment.removeprefix("market=")
    note = " · SIMULATED DATA" if scorecard.honesty.provenance.is_simulated else ""
    table = Table(
        title=f"{name}: {searches_line(scorecard, segment)}{note}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("model", no_wrap=True)
    for heading in metrics_shown(scorecard).values():
        table.add_column(heading.replace(", ", ",\n"), justify="right", no_wrap=True)
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
    for row in sorted(rows, key=lambda row: row[first].value if row[first] else -1.0):
        table.add_row(row["model"], *(figure(row[metric]) for metric in metrics))
    return table
