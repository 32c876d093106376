"""``train``, ``evaluate`` and ``recommend``: from features to recommendations."""

from __future__ import annotations

from typing import Annotated

import typer

from data.schema.tables import FEATURES
from data.schema.time import day_number
from pipelines.cli.app import STEPS_PANEL, HomeOption, SeedOption, SettingsOption, app, context_of
from pipelines.cli.early_checks import parse_day

__all__ = ["evaluate", "recommend", "train"]


@app.command(rich_help_panel=STEPS_PANEL)
def train(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="baselines, als, two-tower, lambdarank, stacked, ranker or all.",
            metavar="[MODEL...]",
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Train lambdarank on this Dask cluster (extra: dask).", metavar="tcp://HOST:PORT"
        ),
    ] = None,
    home: HomeOption = None,
    seed: SeedOption = None,
    settings: SettingsOption = None,
) -> None:
    """Train the models on the features table and log them to MLflow.

    Example: stayrank train ranker --seed 3

    On a cluster: stayrank train lambdarank --dask tcp://10.0.0.5:8786
    """
    from pipelines.training.model_names import names_of

    context = context_of(home, settings, seed)
    names = names_of(models or ["all"], context.settings)
    context.refuse_without(FEATURES.name, "features")
    from pipelines.training.train import train

    train(context, names, dask=dask)


@app.command(rich_help_panel=STEPS_PANEL)
def evaluate(home: HomeOption = None, settings: SettingsOption = None) -> None:
    """Score the test window with the latest models and write the scorecard.

    Prints what matters of it; stayrank scorecard prints all of it.

    Example: stayrank evaluate --home data/home
    """
    context = context_of(home, settings, None)
    run = context.home.latest_run().name
    from pipelines.promotion.promote import evaluate_and_promote
    from pipelines.reporting.last_screen import print_last_screen

    evaluate_and_promote(context, run)
    print_last_screen(context)


@app.command(rich_help_panel=STEPS_PANEL)
def recommend(
    date: Annotated[
        str | None,
        typer.Option(
            "--date", help="Day to recommend for, YYYY-MM-DD. Default: the day after the log."
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, max=1_000, help="Listings a guest.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace the day's rows in the table also with --top."),
    ] = False,
    home: HomeOption = None,
    settings: SettingsOption = None,
) -> None:
    """Recommend listings for every guest's most recent search; the champion does.

    The day's rows in the table are replaced; what is published stays. With another number of
    listings than the settings have it is a trial: lists are printed and nothing is written.

    Example: stayrank recommend --top 5 --date 2026-02-09
    """
    day = None if date is None else day_number(parse_day(date, "--date"))
    context = context_of(home, settings, None)
    context.home.latest_run()  # what was never trained is refused before a model is imported
    from pipelines.promotion.select_serving_run import run_to_recommend_with
    from pipelines.recommendation.recommend import recommend, try_recommending
    from pipelines.reporting.recommended_lists import say_trial, say_written
    from pipelines.verdict.who_recommends import say_who

    chosen = run_to_recommend_with(context)
    say_who(context, chosen.run, chosen.warnings)
    if top in (None, context.settings.recommendation.top) or replace:
        recommend(context, chosen.run, day=day, top=top)
        say_written(context)
    else:
        say_trial(context, try_recommending(context, chosen.run, day=day, top=top))
