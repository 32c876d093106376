"""The main job as one Prefect flow: log → impressions → features → models → recommendations.

Import it only after :func:`pipelines.flows.prefect_environment.prepare_prefect`.
"""

from __future__ import annotations

from pathlib import Path

from prefect import State, flow
from prefect.runtime import flow_run

from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.home_use import using_home
from pipelines.config.settings import Settings
from pipelines.flows import tasks
from pipelines.flows.artifacts import show_run
from pipelines.flows.liveness import hold_liveness_lock, mark_crashed_runs
from pipelines.flows.outcome import ended_in_words
from pipelines.flows.run_names import main_job_named, name_of_main_job, rename
from pipelines.run_context import RunContext

__all__ = ["main_job"]


@flow(name="stayrank-run", flow_run_name=name_of_main_job, validate_parameters=False)
def main_job(
    home: str,
    logs: list[str],
    source: str,
    encoding: str | None,
    settings: Settings,
    *,
    redo: bool = False,
) -> str | State[str]:
    """Run the whole job on these logs, or on a simulated week when there are none.

    ``redo`` replaces the rows of logs that the home holds already.
    Returns the name of the training run. Every step reads and writes named tables under
    ``home``; a run that was killed is continued by the next one.
    """
    context = RunContext(home=Home(Path(home)), settings=settings, console=Console())

    def work() -> str:
        for name in mark_crashed_runs(context.home.prepare()):
            context.console.say(f"flow run {name} had ended without a word: marked as crashed")
        # all of it, not step by step: a guest erased in between would leave the run without
        # the versions of the tables that its first steps had read
        with hold_liveness_lock(context.home, str(flow_run.id)), using_home(context):
            simulated_or_given = logs or [tasks.simulate(home, settings)]
            tasks.ingest(home, settings, simulated_or_given, source, encoding, redo)
            rename(main_job_named(context, logs))
            tasks.build(home, settings)
            run = tasks.train(home, settings)
            tasks.evaluate(home, settings, run)
            odd_measures = tasks.monitor(home, settings, run)
            tasks.recommend(home, settings)
            tasks.publish(home, settings, run)
            show_run(context, run, odd_measures)
        return run

    return ended_in_words(work)
