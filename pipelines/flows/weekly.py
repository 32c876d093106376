"""The scheduled weekly batch. Import it only after ``prepare_prefect``."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from prefect import flow

from pipelines.batch.weekly import WEEKLY
from pipelines.flows.batch_flow import batch_of, context_at, run_as_flow

__all__ = ["weekly"]


@flow(name="weekly", flow_run_name="weekly {day}")
def weekly(
    home: Path | None = None,
    day: date | None = None,
    again: bool = False,  # Prefect's page shows a switch
    settings_file: Path | None = None,
) -> str:
    """Tune, train, evaluate, and let the gate decide whether there is a new champion.

    Safe to start at any time, like the daily. What was cut off in the last six days is
    gone on with, however many starts were missed.

    Args:
        home: Folder that holds everything; default data/home, or STAYRANK_HOME.
        day: Day that the batch counts as; default: today.
        again: Train anew, even if the day's training is done.
        settings_file: TOML file with settings; default stayrank.toml, if there.
    """
    batch = batch_of(context_at(home, settings_file), "weekly", day)
    return str(run_as_flow(batch, WEEKLY, again=again).folder)
