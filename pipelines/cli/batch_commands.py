"""``daily``, ``weekly``, ``backfill``, ``schedule`` and ``published``: the scheduled batches."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import (
    RESULTS_PANEL,
    SCHEDULE_PANEL,
    HomeOption,
    SettingsOption,
    app,
    context_of,
)
from pipelines.cli.early_checks import check_batch, parse_day
from pipelines.config.home import Home

__all__ = ["backfill", "daily", "published", "schedule", "weekly"]

AgainOption = Annotated[
    bool, typer.Option("--again", help="Do the day anew, even if it is done already.")
]
DayOption = Annotated[
    str | None,
    typer.Option("--day", help="Day to run for, YYYY-MM-DD. Default: today in the time zone."),
]


@app.command(rich_help_panel=SCHEDULE_PANEL)
def daily(
    day: DayOption = None,
    again: AgainOption = False,
    home: HomeOption = None,
    settings: SettingsOption = None,
) -> None:
    """Take in what is new, recommend for the day, publish, report. Safe to start twice.

    Example: stayrank daily --home data/home --day 2026-01-26
    """
    chosen_day, chosen_home = _optional_day(day), _checked_home(home, settings)
    from pipelines.flows.prefect_server import flows_of

    with flows_of(chosen_home):
        from pipelines.flows.daily import daily as flow

        flow(home=chosen_home.root, day=chosen_day, again=again, settings_file=settings)


@app.command(rich_help_panel=SCHEDULE_PANEL)
def weekly(
    day: DayOption = None,
    again: AgainOption = False,
    home: HomeOption = None,
    settings: SettingsOption = None,
) -> None:
    """Tune, train, evaluate, and let the gate decide on the champion.

    Example: stayrank weekly --home data/home
    """
    chosen_day, chosen_home = _optional_day(day), _checked_home(home, settings)
    from pipelines.flows.prefect_server import flows_of

    with flows_of(chosen_home):
        from pipelines.flows.weekly import weekly as flow

        flow(home=chosen_home.root, day=chosen_day, again=again, settings_file=settings)


@app.command(rich_help_panel=SCHEDULE_PANEL)
def backfill(
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD.")],
    home: HomeOption = None,
    settings: SettingsOption = None,
) -> None:
    """Make the recommendations of past days again; nothing is published.

    Example: stayrank backfill --from 2026-01-20 --to 2026-01-22
    """
    from pipelines.batch.backfill_days import days_between

    days = parse_day(first, "--from"), parse_day(last, "--to")
    days_between(*days)
    chosen_home = _checked_home(home, settings)
    from pipelines.flows.prefect_server import flows_of

    with flows_of(chosen_home):
        from pipelines.flows.backfill import backfill as flow

        flow(*days, home=chosen_home.root, settings_file=settings)


@app.command(rich_help_panel=SCHEDULE_PANEL)
def schedule(
    home: HomeOption = None,
    settings: SettingsOption = None,
    prefect_port: Annotated[
        int, typer.Option(min=1, max=65_535, help="Port of Prefect's page.")
    ] = 4_200,
    mlflow_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535,
            help="Port on which stayrank dashboards will show MLflow: links on Prefect's page "
            "lead there. Default: where it was last, or 5000.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve the scheduled batches on this machine until Ctrl-C.

    Starts a Prefect server on loopback unless PREFECT_API_URL names one, and starts it again
    where it ends. A run that was missed while nothing was served is caught up once.

    Example: stayrank schedule --home data/home --prefect-port 4300 --mlflow-port 5055
    """
    context = context_of(home, settings, None)
    check_batch(context)
    from pipelines.flows.schedule import serve_schedule

    serve_schedule(context, settings, prefect_port, mlflow_port)


@app.command(rich_help_panel=RESULTS_PANEL)
def published(home: HomeOption = None, settings: SettingsOption = None) -> None:
    """Say which recommendations are in force, who made them and when.

    What the daily batch has published; without any, what the table holds: stayrank run and
    stayrank recommend write it and publish nothing.

    Example: stayrank published --home data/home
    """
    context = context_of(home, settings, None)
    from pipelines.batch.in_force import lines_in_force

    for line in lines_in_force(context):
        context.console.say(line)


def _checked_home(home: Path | None, settings: Path | None) -> Home:
    """The home, after the checks that a batch would otherwise fail at after minutes."""
    context = context_of(home, settings, None)
    check_batch(context)
    return context.home


def _optional_day(text: str | None) -> date | None:
    return None if text is None else parse_day(text, "--day")
