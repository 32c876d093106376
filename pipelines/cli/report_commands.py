"""``report``, ``scorecard``, ``dashboards`` and ``notebooks``: what people look at."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.app import RESULTS_PANEL, STEPS_PANEL, HomeOption, app, context_of
from pipelines.config.console import Console
from pipelines.config.home import home_for
from pipelines.config.resource_limits import refuse_small_files

__all__ = ["dashboards", "notebooks", "report", "scorecard"]


@app.command(rich_help_panel=STEPS_PANEL)
def report(home: HomeOption = None) -> None:
    """Write the HTML report of the latest run.

    Example: stayrank report --home data/home
    """
    context = context_of(home, None, None)
    run = context.home.latest_run().name
    from pipelines.reporting.write_report import write_report

    context.console.say(str(write_report(context, run)))


@app.command(rich_help_panel=RESULTS_PANEL)
def scorecard(
    market: Annotated[
        list[str] | None,
        typer.Option(
            "--market",
            help="Only this market; may be given more than once. Default: all.",
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Print every figure of the latest scorecard: all models, all markets, the lists of guests.

    Example: stayrank scorecard --market rio_de_janeiro
    """
    context = context_of(home, None, None)
    from pipelines.reporting.terminal_summary import print_recommendations, print_scorecard

    print_scorecard(context, market or ())
    if not market:
        print_recommendations(context)


@app.command(rich_help_panel=RESULTS_PANEL)
def dashboards(
    home: HomeOption = None,
    mlflow_port: Annotated[
        int, typer.Option(min=1, max=65_535, help="Port of MLflow's page.")
    ] = 5_000,
    prefect_port: Annotated[
        int, typer.Option(min=1, max=65_535, help="Port of Prefect's page.")
    ] = 4_200,
) -> None:
    """Open the MLflow and Prefect pages on this machine, until Ctrl-C.

    Example: stayrank dashboards --mlflow-port 5055
    """
    from pipelines.flows.dashboards import serve_dashboards

    refuse_small_files()
    serve_dashboards(home_for(home, "simulated"), Console(), mlflow_port, prefect_port)


@app.command(rich_help_panel=RESULTS_PANEL)
def notebooks(
    home: HomeOption = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Run them all and write them as pages instead.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Run them all and save them with their outputs instead.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open a browser, where there is one.")] = True,
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8_888,
) -> None:
    """Open JupyterLab on the notebooks, with this environment and this home.

    Example: stayrank notebooks --home data/home
    """
    if execute or save:
        context = context_of(home, None, None)
        run = context.home.latest_run().name
        from pipelines.analysis.execute_notebooks import execute_notebooks, save_notebooks

        written = save_notebooks(context) if save else []
        written += execute_notebooks(context, run) if execute else []
        for path in written:
            context.console.say(str(path))
        return
    refuse_small_files()
    opened = home_for(home, "simulated")
    opened.latest_run()
    from pipelines.analysis.jupyter import open_notebooks

    open_notebooks(opened, Console(), port=port, opens_browser=browser)
