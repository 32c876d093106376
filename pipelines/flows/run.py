"""The main job as one Prefect flow: log → impressions → features → models → recommendations.

Import it only after :func:`pipelines.flows.prefect_environment.prepare_prefect`.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.home_use import using_home
from pipelines.config.settings import Settings
from pipelines.flows import tasks
from pipelines.run_context import RunContext

__all__ = ["main_job"]


@flow(name="stayrank-run", validate_parameters=False)
def main_job(
    home: str,
    logs: list[str],
    source: str,
    encoding: str | None,
    settings: Settings,
    *,
    redo: bool = False,
) -> str:
    """Run the whole job on these logs, or on a simulated week when there are none.

    ``redo`` replaces the rows of logs that the home holds already.
    Returns the name of the training run. Every step reads and writes named tables under
    ``home``; a run that was killed is continued by the next one.
    """
    # all of it, not step by step: a guest erased in between would leave the run without the
    # versions of the tables that its first steps had read
    context = RunContext(home=Home(Path(home)), settings=settings, console=Console())
    with using_home(context):
        logs = logs or [tasks.simulate(home, settings)]
        tasks.ingest(home, settings, logs, source, encoding, redo)
        tasks.build(home, settings)
        run = tasks.train(home, settings)
        tasks.evaluate(home, settings, run)
        tasks.monitor(home, settings, run)
        tasks.recommend(home, settings)
        tasks.publish(home, settings, run)
    return run
