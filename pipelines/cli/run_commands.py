"""``run``, ``simulate`` and ``ingest``: logs, and the whole job on them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pipelines.cli.app import (
    MAIN_JOB_PANEL,
    STEPS_PANEL,
    EncodingOption,
    HomeOption,
    LogArgument,
    RedoOption,
    SeedOption,
    SettingsOption,
    SourceOption,
    app,
    context_of,
    origin_of,
)
from pipelines.cli.early_checks import check_encoding, check_log_of_run, check_simulated_run
from pipelines.config.console import Console
from pipelines.config.settings import load_settings

__all__ = ["ingest", "run", "simulate"]


class FileFormat(StrEnum):
    """Formats that a simulated log can be written in."""

    CSV = "csv"
    PARQUET = "parquet"


@app.command(rich_help_panel=MAIN_JOB_PANEL)
def run(  # a command's options are its arguments
    logs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Log files, folders or globs; none: a simulated week.", metavar="[LOG...]"
        ),
    ] = None,
    source: SourceOption = "airbnb",
    home: HomeOption = None,
    encoding: EncodingOption = None,
    redo: RedoOption = False,
    seed: SeedOption = None,
    settings: SettingsOption = None,
) -> None:
    """The main job, end to end: log, features, models, scorecard, recommendations, report.

    Example: stayrank run my_log.csv --home /data/stayrank
    """
    context = context_of(home, settings, seed, origin_of(source) if logs else "simulated")
    if logs:
        check_log_of_run(context, logs, source, encoding, redo=redo)
    else:
        check_simulated_run(context)
    from pipelines.flows.prefect_server import flows_of
    from pipelines.training.model_factory import check_settings

    check_settings(context.settings, for_recommending=True)
    with flows_of(context.home):
        from pipelines.flows.run import main_job

        main_job(
            str(context.home.root), [*(logs or [])], source, encoding, context.settings, redo=redo
        )
    from pipelines.reporting.last_screen import print_last_screen

    print_last_screen(context)


class ScenariosInHelp(TyperCommand):
    """A command whose help ends with the simulated worlds, a sentence each."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help; the simulator is imported for it alone."""
        from data.simulator import SCENARIOS

        self.epilog = "\n\n".join(f"{name}: {one.meaning}" for name, one in SCENARIOS.items())
        super().format_help(ctx, formatter)


@app.command(cls=ScenariosInHelp, rich_help_panel=STEPS_PANEL)
def simulate(
    out: Annotated[Path, typer.Option("--out", help="Folder to write log/ and truth/ into.")],
    searches: Annotated[int, typer.Option("--searches", help="Searches in the week.")] = 60_000,
    scenario: Annotated[
        str,
        typer.Option(help="Which world: one of those below."),
    ] = "default",
    file_format: Annotated[
        FileFormat, typer.Option("--format", help="Format of the log's files.")
    ] = FileFormat.PARQUET,
    with_position: Annotated[
        bool,
        typer.Option("--with-position", help="Add position, is_random_order and propensity."),
    ] = False,
    seed: SeedOption = None,
) -> None:
    """Write a simulated week of searches, and its truth apart.

    Example: stayrank simulate --out week --searches 100_000 --seed 7 --format csv
    """
    from pipelines.ingestion.simulate_log import simulate_to

    simulate_to(
        Console(),
        out,
        searches=searches,
        seed=load_settings(seed=seed).seed,
        scenario=scenario,
        file_format=file_format.value,
        with_position=with_position,
    )


@app.command(rich_help_panel=STEPS_PANEL)
def ingest(
    logs: LogArgument,
    source: SourceOption = "airbnb",
    home: HomeOption = None,
    encoding: EncodingOption = None,
    redo: RedoOption = False,
) -> None:
    """Read a log into the lake: every row accepted, or quarantined with a reason.

    Example: stayrank ingest searches_2018-02-*.csv.gz --source airbnb
    """
    check_encoding(encoding)
    context = context_of(home, None, None, origin_of(source))
    from pipelines.ingestion.ingest_logs import ingest_logs

    ingest_logs(context, [Path(log) for log in logs], source, encoding, redo=redo)
