"""The scheduled daily batch. Import it only after ``prepare_prefect``."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from prefect import flow

from pipelines.batch.daily import DAILY
from pipelines.flows.batch_flow import batch_of, context_at, run_as_flow

__all__ = ["daily"]


@flow(name="daily", flow_run_name="daily {day}")
def daily(
    home: Path | None = None,
    day: date | None = None,
    again: bool = False,  # Prefect's page shows a switch
    settings_file: Path | None = None,
) -> str:
    """Take in what is new, bring the features up to date, recommend, publish, report.

    Safe to start at any time: a day that is done is left alone, one that was cut off is
    gone on with, one that is running is waited for or refused as the settings say.

    Args:
        home: Folder that holds everything; default data/home, or STAYRANK_HOME.
        day: Day to recommend for; its log is of the day before. Default: today.
        again: Do the day anew, even if it is done already.
        settings_file: TOML file with settings; default stayrank.toml, if there.
    """
    batch = batch_of(context_at(home, settings_file), "daily", day)
    return str(run_as_flow(batch, DAILY, again=again).folder)
