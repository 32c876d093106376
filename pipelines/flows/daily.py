"""The scheduled daily batch. Import it only after ``prepare_prefect``."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from prefect import State, flow

from pipelines.batch.daily import DAILY
from pipelines.flows.batch_flow import batch_of, context_at, run_as_flow
from pipelines.flows.outcome import day_of, ended_in_words, show_hold
from pipelines.flows.run_names import name_of_batch

__all__ = ["daily"]


@flow(
    name="daily",
    flow_run_name=name_of_batch,
    # day_of looks at the day: what Prefect says of a wrong one is for programmers
    validate_parameters=False,
    on_completion=[show_hold],
)
def daily(
    home: Path | None = None,
    day: date | None = None,
    again: bool = False,  # Prefect's page shows a switch
    settings_file: Path | None = None,
) -> str | State[str]:
    """Take in what is new, bring the features up to date, recommend, publish, report.

    Safe to start at any time: a day that is done is left alone, one that was cut off is
    gone on with, one that is running is waited for or refused as the settings say.

    Args:
        home: Folder that holds everything; default data/home, or STAYRANK_HOME.
        day: Day to recommend for; its log is of the day before. Default: today.
        again: Do the day anew, even if it is done already.
        settings_file: TOML file with settings; default stayrank.toml, if there.
    """

    def work() -> str:
        chosen = None if day is None else day_of(day, "day")
        batch = batch_of(context_at(home, settings_file), "daily", chosen)
        return str(run_as_flow(batch, DAILY, again=again).folder)

    return ended_in_words(work)
