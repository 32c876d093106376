"""The command line: ``stayrank COMMAND``.

Heavy libraries are imported inside the commands, so that ``--help`` and usage errors
answer at once. Exit codes: 0 done, 1 data or run failure, 2 usage.
"""

from __future__ import annotations

import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import DataError
from pipelines.console import Console
from pipelines.home import home_for
from pipelines.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from pipelines.steps.context import RunContext

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Turns a stays marketplace's search log into ranked stays.\n\n"
    "Start with [bold]stayrank run[/bold]: it simulates a week of Rio de Janeiro and São "
    "Paulo, trains every model, and says how good each is.",
)


class FileFormat(StrEnum):
    """Formats that a simulated log can be written in."""

    CSV = "csv"
    PARQUET = "parquet"


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
        help="The log's columns: airbnb, expedia_2013, or your own mapping, such as my_log.toml.",
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option("--encoding", help="Encoding of the text files, where it is not UTF-8."),
]
LogArgument = Annotated[
    list[str],
    typer.Argument(help="Log files, folders or globs (CSV, CSV.GZ, Parquet).", metavar="LOG..."),
]


def _context(
    home: Path | None, settings_file: Path | None, seed: int | None, origin: str = "simulated"
) -> RunContext:
    from pipelines.steps.context import RunContext

    settings = load_settings(settings_file, seed=seed)
    _limit_threads(settings)
    return RunContext(home=home_for(home, origin), settings=settings, console=Console())


def _limit_threads(settings: Settings) -> None:
    """Tell the libraries how many threads they may use, before they are imported."""
    # Idle OpenMP threads spin by default; beside another program that costs minutes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if settings.threads:
        for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, str(settings.threads))


def _origin_of(source: str) -> str:
    return Path(source).stem


@app.command()
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
    seed: SeedOption = None,
    settings: SettingsOption = None,
) -> None:
    """The main job, end to end: log, features, models, scorecard, recommendations, report.

    Example: stayrank run my_log.csv --home /data/stayrank
    """
    from pipelines.flows.environment import prepare_prefect

    context = _context(home, settings, seed, _origin_of(source) if logs else "simulated")
    prepare_prefect(context.home.prepare())
    from pipelines.flows.main_job import main_job
    from pipelines.steps.summary import print_summary

    main_job(str(context.home.root), [*(logs or [])], source, encoding, context.settings)
    print_summary(context)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option("--out", help="Folder to write log/ and truth/ into.")],
    searches: Annotated[int, typer.Option("--searches", help="Searches in the week.")] = 60_000,
    scenario: Annotated[
        str,
        typer.Option(help="default, bookers_oversampled, cold_market, drift or carnival."),
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
    from pipelines.steps.simulating import simulate_to

    simulate_to(
        Console(),
        out,
        searches=searches,
        seed=load_settings(seed=seed).seed,
        scenario=scenario,
        file_format=file_format.value,
        with_position=with_position,
    )


@app.command()
def ingest(
    logs: LogArgument,
    source: SourceOption = "airbnb",
    home: HomeOption = None,
    encoding: EncodingOption = None,
) -> None:
    """Read a log into the lake: every row accepted, or quarantined with a reason.

    Example: stayrank ingest searches_2018-02-*.csv.gz --source airbnb
    """
    from pipelines.steps.ingesting import ingest_logs

    context = _context(home, None, None, _origin_of(source))
    ingest_logs(context, [Path(log) for log in logs], source, encoding)


@app.command()
def features(home: HomeOption = None, settings: SettingsOption = None) -> None:
    """Build the features table from the impressions, if it is not up to date.

    Example: stayrank features --home data/home
    """
    from pipelines.steps.featuring import build_features_table

    build_features_table(_context(home, settings, None))


@app.command()
def train(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="baselines, als, ranker, two-tower or all.", metavar="[MODEL...]"),
    ] = None,
    home: HomeOption = None,
    seed: SeedOption = None,
    settings: SettingsOption = None,
) -> None:
    """Train the models on the features table and log them to MLflow.

    Example: stayrank train ranker --seed 3
    """
    from pipelines.steps.model_zoo import names_of
    from pipelines.steps.training import train

    context = _context(home, settings, seed)
    train(context, names_of(models or ["all"], context.settings))


@app.command()
def evaluate(home: HomeOption = None, settings: SettingsOption = None) -> None:
    """Score the test window with the latest models and write the scorecard.

    Example: stayrank evaluate --home data/home
    """
    from pipelines.steps.evaluation import evaluate
    from pipelines.steps.summary import print_scorecard

    context = _context(home, settings, None)
    evaluate(context, context.home.latest_run().name)
    print_scorecard(context)


@app.command()
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
    from pipelines.steps.recommending import recommend

    day = _parse_day(date)
    context = _context(home, settings, None)
    recommend(context, context.home.latest_run().name, day=day, top=top)


@app.command()
def report(home: HomeOption = None) -> None:
    """Write the HTML report of the latest run.

    Example: stayrank report --home data/home
    """
    from pipelines.steps.reporting import write_report

    context = _context(home, None, None)
    context.console.say(str(write_report(context, context.home.latest_run().name)))


@app.command()
def dashboards(
    home: HomeOption = None,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65_535)] = 5_000,
    prefect_port: Annotated[int, typer.Option(min=1, max=65_535)] = 4_200,
) -> None:
    """Open the MLflow and Prefect pages on this machine, until Ctrl-C.

    Example: stayrank dashboards --mlflow-port 5055
    """
    from pipelines.dashboards import serve_dashboards

    serve_dashboards(home_for(home, "simulated"), Console(), mlflow_port, prefect_port)


def _parse_day(text: str | None) -> int | None:
    from datetime import date

    if text is None:
        return None
    try:
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date like 2026-02-09") from None


class _Interruption:
    """Remembers Ctrl-C: what it tears down on the way raises errors of its own."""

    def __init__(self) -> None:
        self.happened = False
        signal.signal(signal.SIGINT, self)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        del signum, frame
        self.happened = True
        raise KeyboardInterrupt


def main() -> None:
    """Entry point: turns the errors that people can mend into one message and an exit code."""
    interruption = _Interruption()
    try:
        app(standalone_mode=True)
    except BaseException as error:
        told = _in_words(error, interruption)
        if told is None:
            raise
        message, code = told
        Console().err.print(f"stayrank: {message}", markup=False)
        sys.exit(code)


def _in_words(error: BaseException, interruption: _Interruption) -> tuple[str, int] | None:
    """The message and exit code of an error; ``None`` for one that is a fault of ours."""
    if interruption.happened:
        return "interrupted; the lake is whole, run the same command again to go on", 1
    if isinstance(error, SettingsError):
        return str(error), 2
    if isinstance(error, DataError):
        return str(error), 1
    if isinstance(error, OSError):
        return f"{error}. Nothing half-written remains; mend it and run again", 1
    return None


if __name__ == "__main__":
    main()
