"""``promote`` and ``rollback``: which ranker is the champion."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.app import CHAMPION_PANEL, HomeOption, SettingsOption, app, context_of

__all__ = ["promote", "rollback"]


@app.command(rich_help_panel=CHAMPION_PANEL)
def promote(
    why: Annotated[
        bool, typer.Option("--why", help="Only show what was decided on the latest run, and why.")
    ] = False,
    home: HomeOption = None,
    settings: SettingsOption = None,
) -> None:
    """Judge the latest ranker against the champion; it is promoted only if it wins.

    Example: stayrank promote --why
    """
    context = context_of(home, settings, None)
    run = context.home.latest_run().name
    from data.errors import DataError
    from pipelines.promotion.promote import decide_promotion, load_evaluated_run, read_decision

    decision = read_decision(context.home, run)
    if not why:
        decision = decide_promotion(context, load_evaluated_run(context, run))
    if decision is None:
        raise DataError(
            f"the gate has not judged run {run} yet. Judge it with: "
            f"stayrank promote {context.home.option}"
        )
    context.console.say(f"run {run}, against {decision.against}")
    for line in decision.lines():
        context.console.say(line)


@app.command(rich_help_panel=CHAMPION_PANEL)
def rollback(home: HomeOption = None) -> None:
    """Make the previous champion champion again.

    Example: stayrank rollback --home data/home
    """
    from data.errors import DataError

    context = context_of(home, None, None)
    # A server's registry is its own; the database under the home is there without one.
    if not context.settings.tracking_uri and not context.home.mlflow_database.is_file():
        raise DataError(f"{context.home.root} holds no models yet: stayrank run")
    from pipelines.promotion.champion_registry import roll_back

    before, now = roll_back(context.tracking, context.home)
    context.console.say(f"champion is version {now} again, no longer version {before}")
