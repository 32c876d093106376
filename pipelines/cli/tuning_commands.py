"""``tune``: search the ranker's settings within a time budget."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from data.schema.tables import FEATURES
from pipelines.cli.app import STEPS_PANEL, HomeOption, SeedOption, SettingsOption, app, context_of

__all__ = ["budget_in_seconds", "tune"]

_SECONDS = {"s": 1, "m": 60, "h": 3_600}
_SHOWN_TRIALS = 8


@app.command(rich_help_panel=STEPS_PANEL)
def tune(
    budget: Annotated[
        str, typer.Option(help="Time to spend, such as 90s, 20m, 1h or 1h30m.")
    ] = "20m",
    trials: Annotated[
        int | None, typer.Option(min=1, help="Stop earlier, at so many trials of the study.")
    ] = None,
    home: HomeOption = None,
    seed: SeedOption = None,
    settings: SettingsOption = None,
) -> None:
    """Search the ranker's settings; the study is kept, and the next call goes on with it.

    Example: stayrank tune --budget 20m
    """
    from pipelines.training.model_names import check_names

    seconds = budget_in_seconds(budget)
    context = context_of(home, settings, seed)
    check_names(context.settings)
    context.refuse_without(FEATURES.name, "features")
    from pipelines.training.tune_ranker import SEARCHED
    from pipelines.training.tune_ranker import tune as search

    result = search(context, budget_s=seconds, most_trials=trials)
    say = context.console.say
    say(f"{result.trials} trials finished, {result.pruned} given up early (study {result.study})")
    say(f"settings as they were: {result.start_value:.4f}, best: {result.value:.4f}")
    say("trial   value    " + "  ".join(SEARCHED))
    for row in result.table[:_SHOWN_TRIALS]:
        values = "  ".join(_format(row[name]) for name in SEARCHED)
        say(f"{row['trial']:5}   {row['value']:.4f}   {values}")
    say(f"best settings: {context.home.root / 'tuned.toml'} (give it as --settings)")


def budget_in_seconds(text: str) -> float:
    """``1h30m`` → 5400. Raises a usage error for anything else than hours, minutes, seconds.

    >>> budget_in_seconds("90s"), budget_in_seconds("20m"), budget_in_seconds("1h30m")
    (90.0, 1200.0, 5400.0)
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text.lower())
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(n + u for n, u in parts) != text.lower() or seconds <= 0:
        raise typer.BadParameter(f"{text!r} is not a time above 0 like 90s, 20m, 1h or 1h30m")
    return seconds


def _format(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
