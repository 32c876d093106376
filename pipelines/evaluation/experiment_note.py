"""The text above MLflow's table of models: a headline, what it rests on, how to read the table.

MLflow shows it folded, its first line alone, so that line is the headline.
"""

from __future__ import annotations

from data.counted import counted
from data.plain_text import as_markdown_text
from data.time_split import Windows
from models.evaluation.scorecard import Scorecard
from pipelines.evaluation.scorecard_view import value_in_words
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord

__all__ = ["write_note"]

TABLE = (
    "the best first; a star marks the champion, which recommends. Beside each figure stands its "
    "95% interval, by redrawing guests. Price level: prices of the first ten places over the "
    "median of their search; new listings: their share of these places. The list of views (top "
    "right) has every ranker of before too. All figures are in `scorecard.json`, among the "
    "artifacts of the training, which a model's page names as its parent."
)
MARKETS_NAMED = 4


def write_note(
    context: RunContext, record: RunRecord, scorecard: Scorecard, headline: str, body: str = ""
) -> None:
    """Put ``headline`` (one line) and ``body`` above the table; both are Markdown."""
    first = f"**{headline}**"
    if scorecard.honesty.provenance.is_simulated and "SIMULATED" not in headline:
        first += " (SIMULATED DATA, not real guests)"
    table = f"A row is a model of the newest training, {_judged_on(record, scorecard)}, {TABLE}"
    value = value_in_words(scorecard)
    parts = [first, body, table, f"{value[:1].upper()}{value[1:]}." if value else ""]
    context.tracking.describe_experiment("\n\n".join(part for part in parts if part))


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
