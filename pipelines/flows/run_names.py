"""What flow runs are called on Prefect's page: by what they do, and for which day.

``run 2026-01-25 default`` is the main job on the simulated week ``default``, whose last day is
the 25th; ``run 2018-02-12 searches.csv`` the same on a log; ``daily 2026-01-26`` the batch that
recommends for the 26th. Import it only after ``prepare_prefect``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import get_client
from prefect.runtime import flow_run

from data.counted import counted
from data.schema.tables import IMPRESSIONS
from pipelines.batch.clock import today
from pipelines.config.settings import Settings, load_settings
from pipelines.run_context import RunContext

__all__ = ["main_job_named", "name_of_backfill", "name_of_batch", "name_of_main_job", "rename"]

LONGEST = 60


def name_of_main_job() -> str:
    """The name of a main job that has read no log yet: ``run default``."""
    given: dict[str, Any] = flow_run.parameters
    return f"run {_subject(given['logs'], given['settings'])}"


def main_job_named(context: RunContext, logs: Sequence[str]) -> str:
    """The name once the log is in the lake, with its newest day."""
    days = [day for _, day in context.lake.market_days(IMPRESSIONS.name)]
    newest = f"{max(days)} " if days else ""
    return f"run {newest}{_subject(logs, context.settings)}"


def name_of_batch() -> str:
    """``daily 2026-01-26``: the day that was given, else today's in the settings' time zone."""
    given: dict[str, Any] = flow_run.parameters
    kind, day = flow_run.flow_name, given.get("day")
    if day is None:
        try:
            day = today(load_settings(_path(given.get("settings_file"))))
        except Exception:  # noqa: BLE001  # the flow itself says what is wrong with the settings
            return str(kind)
    return f"{kind} {day}"


def name_of_backfill() -> str:
    """``backfill 2026-01-20 to 2026-01-22``."""
    given: dict[str, Any] = flow_run.parameters
    return f"backfill {given['first']} to {given['last']}"


def rename(name: str) -> None:
    """Give the flow run that this is called in another name."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_name(flow_run.id, name)


def _subject(logs: Sequence[str], settings: Settings) -> str:
    """What the job is done on: a simulated world's name, a log's, or how many logs."""
    if not logs:
        return settings.simulation.scenario
    if len(logs) > 1:
        return counted(len(logs), "log")
    name = Path(logs[0]).name or logs[0]
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}…"


def _path(text: object) -> Path | None:
    return None if text is None else Path(str(text))
