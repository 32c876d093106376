"""The verdict above MLflow's table of models, in the words of the report's first screen."""

from __future__ import annotations

from data.errors import DataError
from pipelines.config.home import Home
from pipelines.evaluation.experiment_note import write_note
from pipelines.evaluation.scorecard_view import read_scorecard
from pipelines.promotion.standings import mark_standings
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from pipelines.verdict.verdict import Verdict

__all__ = ["log_verdict"]


def log_verdict(context: RunContext, verdict: Verdict, run: str) -> None:
    """Put the verdict of ``run`` above the table, and the star at the champion.

    The table is of the newest training that was evaluated, and a day's report of the one that
    recommends: the text beside the table is of the first, the verdict of the second.
    """
    mark_standings(context.tracking)
    shown = _newest_evaluated(context.home) or run
    write_note(
        context,
        read_record(context.home, shown),
        read_scorecard(context.home, shown),
        who=_who(verdict),
        body=verdict.markdown(),
    )


def _who(verdict: Verdict) -> str:
    """``Version 1, the champion, recommends.``"""
    who = verdict.who
    if who.run is None:
        return "Nothing is recommended yet."
    name = f"{who.name[:1].upper()}{who.name[1:]}"
    if who.is_champion:
        return f"{name}, the champion, recommends."
    return (
        f"{name}, which the gate refused, recommends." if who.is_refused else f"{name} recommends."
    )


def _newest_evaluated(home: Home) -> str | None:
    """The newest run with figures and a record; the names of runs begin with their time."""
    for path in sorted(home.runs.glob("*/scorecard.json"), reverse=True):
        try:
            return read_record(home, path.parent.name).name
        except DataError:
            continue
    return None
