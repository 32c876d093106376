"""The application, the options that several commands share, and the context made of them."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from data.paths import sqlite_address
from pipelines.cli.early_checks import ignored_by_mlflow
from pipelines.cli.option_errors import tell_range
from pipelines.config.console import Console
from pipelines.config.home import home_for
from pipelines.config.redaction import redact
from pipelines.config.resource_limits import refuse_small_files
from pipelines.config.settings import load_settings

if TYPE_CHECKING:
    from pipelines.config.settings import Settings
    from pipelines.run_context import RunContext

__all__ = [
    "CHAMPION_PANEL",
    "MAIN_JOB_PANEL",
    "PRIVACY_PANEL",
    "RESULTS_PANEL",
    "SCHEDULE_PANEL",
    "STEPS_PANEL",
    "EncodingOption",
    "HomeOption",
    "LogArgument",
    "RedoOption",
    "SeedOption",
    "SettingsOption",
    "SourceOption",
    "app",
    "context_of",
    "origin_of",
]

MAIN_JOB_PANEL = "The main job"
STEPS_PANEL = "Its steps, one by one"
RESULTS_PANEL = "Look at what was made"
CHAMPION_PANEL = "The champion"
SCHEDULE_PANEL = "Scheduled runs"
PRIVACY_PANEL = "Guests' rights"

COMMAND_ORDER = (
    *("run", "mapping", "simulate", "ingest", "features", "train", "tune", "evaluate"),
    *("recommend", "report"),
    *("scorecard", "show", "dashboards", "notebooks", "published", "home", "promote", "rollback"),
    *("schedule", "daily", "weekly", "backfill", "forget-user"),
)


class InOrderOfUse(TyperGroup):
    """The commands in the order of :data:`COMMAND_ORDER`, not as their files are imported."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands, the first ones that a newcomer needs first."""
        return sorted(super().list_commands(ctx), key=COMMAND_ORDER.index)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a usage error of one of its options says the whole range."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            tell_range(error)
            raise


app = typer.Typer(
    cls=InOrderOfUse,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Turns a stays marketplace's search log into ranked stays.\n\n"
    "Start with [bold]stayrank run[/bold]: it simulates a week of Rio de Janeiro and São "
    "Paulo, trains every model, and says how good each is.",
)


def _say_version(asked: bool) -> None:
    if asked:
        Console().say(f"stayrank {metadata.version('stayrank')}")
        raise typer.Exit


@app.callback()
def before_any_command(
    version: Annotated[  # its callback does the work, also without a command
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Say which version this is."
        ),
    ] = False,
) -> None:
    """What holds for every command; the program's help is the application's own."""


HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="STAYRANK_HOME",
        help="Folder that holds everything a run makes. "
        "Default: data/home, or data/home_SOURCE for the log of another source.",
        show_default=False,
    ),
]
SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", help="TOML file with settings. Default: stayrank.toml, if there."),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, max=2**31 - 1, help="Seed of everything random.")
]
SourceOption = Annotated[
    str,
    typer.Option(
        "--source",
        help="The log's columns: airbnb, expedia_2013, trivago_2019, or your own mapping, such as "
        "my_log.toml.",
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option("--encoding", help="Encoding of the text files, where it is not UTF-8."),
]
RedoOption = Annotated[
    bool,
    typer.Option(
        "--redo",
        help="Read logs again that the home holds, and replace their rows: after a correction of "
        "the mapping.",
    ),
]
LogArgument = Annotated[
    list[str],
    typer.Argument(
        help="Log files, folders or globs (CSV, Parquet, lines of JSON; packed or not).",
        metavar="LOG...",
    ),
]


def context_of(
    home: Path | None, settings_file: Path | None, seed: int | None, origin: str = "simulated"
) -> RunContext:
    """Settings, home and console of a command; raises what stands against any of them."""
    from pipelines.monitoring.config import monitoring_config
    from pipelines.promotion.gate_config import gate_config
    from pipelines.run_context import RunContext
    from pipelines.tracking.relocate_home import relocate_if_moved

    settings = load_settings(settings_file, seed=seed)
    refuse_small_files()
    _limit_threads(settings)
    console = Console()
    own = home_for(home, origin)
    if ignored := ignored_by_mlflow(settings, sqlite_address(own.mlflow_database)):
        console.err.print(redact(ignored), markup=False)
    # What the gate and the monitoring would refuse only after minutes of work.
    gate_config(settings)
    monitoring_config(settings)
    # Before anything reads a path from a record: a copy must never write into the original.
    relocate_if_moved(own, console.say)
    return RunContext(home=own, settings=settings, console=console)


def _limit_threads(settings: Settings) -> None:
    """Tell the libraries how many threads they may use, before they are imported."""
    if settings.threads:
        for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, str(settings.threads))


def origin_of(source: str) -> str:
    """The name of a source, also where it is given as a mapping file: ``my_log.toml``."""
    return Path(source).stem
