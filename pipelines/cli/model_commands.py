"""``train``, ``evaluate`` and ``recommend``: from features to recommendations."""

from __future__ import annotations

from typing import Annotated

import typer

from data.schema.time import day_number
from pipelines.cli.app import STEPS_PANEL, HomeOption, SeedOption, SettingsOption, app, context_of

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
    from pipelines.training.model_factory import names_of
    from pipelines.training.train import train

    context = context_of(home, settings, seed)
    train(context, names_of(models or ["all"], context.settings), dask=dask)


@app.command(rich_help_panel=STEPS_PANEL)
def evaluate(home: HomeOption = None, settings: SettingsOption = None) -> None:
    """Score the test window with the latest models and write the scorecard.

    Example: stayrank evaluate --home data/home
    """
    from pipelines.promotion.promote import evaluate_and_promote
    from pipelines.reporting.terminal_summary import print_scorecard

    context = context_of(home, settings, None)
    evaluate_and_promote(context, context.home.latest_run().name)
    print_scorecard(context)


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
    home: HomeOption = None,
    settings: SettingsOption = None,
) -> None:
    """Recommend listings for every guest's most recent search.

    Example: stayrank recommend --top 10 --date 2026-02-09
    """
    from pipelines.recommendation.recommend import recommend

    day = _parse_day(date)
    context = context_of(home, settings, None)
    recommend(context, context.home.latest_run().name, day=day, top=top)


def _parse_day(text: str | None) -> int | None:
    from datetime import date

    if text is None:
        return None
    try:
        return day_number(date.fromisoformat(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date like 2026-02-09") from None
