"""The text above MLflow's table of models: a headline, what it rests on, how to read the table.

MLflow shows it folded: one line of some 120 letters, so that line is the headline.
"""

from __future__ import annotations

from data.counted import counted
from data.plain_text import as_markdown_text
from data.time_split import Windows
from models.evaluation.scorecard import Scorecard
from pipelines.evaluation.scorecard_view import (
    difference_of,
    headline,
    primary_metric,
    value_in_words,
)
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord

__all__ = ["write_note"]

TABLE = (
    "the best first; a star marks the champion, where there is one. Beside each figure stands "
    "its 95% interval, by redrawing guests. Price level: prices of the first ten places over the "
    "median of their search; new listings: their share of these places. The list of views (top "
    "right) has every ranker of before too. All figures are in `scorecard.json`, among the "
    "artifacts of the training, which a model's page names as its parent."
)
MARKETS_NAMED = 4


def write_note(
    context: RunContext, record: RunRecord, scorecard: Scorecard, *, who: str = "", body: str = ""
) -> None:
    """Put who recommends (a short sentence), the ranker's gain and ``body`` above the table.

    ``record`` and ``scorecard`` are those of the table; ``body`` is Markdown.
    """
    simulated = "SIMULATED DATA. " if scorecard.honesty.provenance.is_simulated else ""
    sentences = f"{simulated}{who} {_gain(scorecard)}".replace("  ", " ").strip()
    first = f"**{as_markdown_text(sentences)}**"
    table = f"A row is a model of the newest training, {_judged_on(record, scorecard)}, {TABLE}"
    value = value_in_words(scorecard)
    parts = [first, body, table, f"{value[:1].upper()}{value[1:]}." if value else ""]
    context.tracking.describe_experiment("\n\n".join(part for part in parts if part))


def _gain(scorecard: Scorecard) -> str:
    """``Newest ranker against popularity: +14.5% (95% interval +12.1% to +17.1%).``

    In the words of the scorecard where that cannot be said.
    """
    try:
        score = scorecard.find("ranker", primary_metric(scorecard))
    except KeyError:
        return headline(scorecard)
    if score.difference is None or score.is_too_few:
        return headline(scorecard)
    difference, interval = difference_of(score)
    return f"Newest ranker against {score.versus}: {difference} ({interval})."


def _judged_on(record: RunRecord, scorecard: Scorecard) -> str:
    """``judged on the searches of 2026-01-25 in rio_de_janeiro, sao_paulo``."""
    first, _, last = Windows(**record.windows).describe()["test"].partition("..")
    days = first if first == last else f"{first} to {last}"
    segments = (s.removeprefix("market=") for s in scorecard.segments if s.startswith("market="))
    markets = [as_markdown_text(market) for market in segments]
    if not markets:
        return f"judged on the searches of {days}"
    named, others = markets[:MARKETS_NAMED], len(markets) - MARKETS_NAMED
    rest = f" and {counted(others, 'more market')}" if others > 0 else ""
    return f"judged on the searches of {days} in {', '.join(named)}{rest}"
