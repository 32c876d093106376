"""The scheduled weekly batch. Import it only after ``prepare_prefect``."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from prefect import State, flow

from pipelines.batch.weekly import WEEKLY
from pipelines.flows.batch_flow import batch_of, context_at, run_as_flow
from pipelines.flows.outcome import day_of, ended_in_words
from pipelines.flows.run_names import name_of_batch, rename

__all__ = ["weekly"]


# day_of looks at the day: what Prefect says of a wrong one is for programmers
@flow(name="weekly", flow_run_name=name_of_batch, validate_parameters=False)
def weekly(
    home: Path | None = None,
    day: date | None = None,
    again: bool = False,  # Prefect's page shows a switch
    settings_file: Path | None = None,
) -> str | State[str]:
    """Tune, train, evaluate, and let the gate decide whether there is a new champion.

    Safe to start at any time, like the daily. What was cut off in the last six days is
    gone on with, however many starts were missed.

    Args:
        home: Folder that holds everything; default data/home, or STAYRANK_HOME.
        day: Day that the batch counts as; default: today.
        again: Train anew, even if the day's training is done.
        settings_file: TOML file with settings; default stayrank.toml, if there.
    """

    def work() -> str:
        chosen = None if day is None else day_of(day, "day")
        batch = batch_of(context_at(home, settings_file), "weekly", chosen)
        # of the one that was cut off this week, where it goes on with that
        rename(batch.name)
        return str(run_as_flow(batch, WEEKLY, again=again).folder)

    return ended_in_words(work)
