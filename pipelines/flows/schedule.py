"""``stayrank schedule``: the batches on their cron, served by this machine until Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pipelines.flows.dashboards import (
    prefect_page,
    refuse_taken_port,
    servers_running,
    wait_until_up,
)
from pipelines.flows.prefect_environment import prepare_prefect
from pipelines.run_context import RunContext

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.deployments.runner import RunnerDeployment

__all__ = ["catch_up_once", "deployments", "serve_schedule"]

LATE = timedelta(minutes=1)
CAUGHT_UP = "missed while nothing was served; the newest missed start does its work"


def serve_schedule(context: RunContext, settings_file: Path | None, prefect_port: int) -> None:
    """Serve the deployments; starts a Prefect server on loopback unless one is named.

    Runs of this home whose process is gone are marked as crashed, paused schedules resume, and
    missed starts are caught up once. Raises ``DataError`` when the server cannot be started.
    """
    prepare_prefect(context.home.prepare())
    with _server(context, prefect_port):
        from prefect import serve
        from prefect.client.orchestration import get_client

        from pipelines.flows.backfill import ensure_limit
        from pipelines.flows.liveness import mark_crashed_runs

        for name in mark_crashed_runs(context.home):
            context.console.say(f"flow run {name} had ended without a word: marked as crashed")
        ensure_limit()
        served = deployments(context, settings_file)
        with get_client(sync_client=True) as client:
            for deployment in served:
                deployment.apply()
            for name in catch_up_once(client):
                context.console.say(f"caught up once: {name}")
        _say_times(context)
        # Prefect would leave the schedules paused: a restart would then run nothing.
        serve(*served, pause_on_shutdown=False, print_starting_message=False)


def deployments(context: RunContext, settings_file: Path | None) -> list[RunnerDeployment]:
    """``daily`` and ``weekly`` on their cron, ``backfill`` on demand, each one at a time."""
    from prefect.schedules import Cron

    from pipelines.flows.backfill import backfill
    from pipelines.flows.daily import daily
    from pipelines.flows.weekly import weekly

    batch = context.settings.batch
    parameters: dict[str, Any] = {"home": str(context.home.root.resolve())}
    if settings_file is not None:
        parameters["settings_file"] = str(settings_file.resolve())
    crons = {"daily": batch.daily_cron, "weekly": batch.weekly_cron}
    served = [
        flow.to_deployment(
            name=name,
            parameters=parameters,
            schedules=[Cron(crons[name], timezone=batch.time_zone)] if name in crons else [],
            concurrency_limit=1,
            tags=["stayrank"],
        )
        for name, flow in (("daily", daily), ("weekly", weekly), ("backfill", backfill))
    ]
    # Outside a coroutine Prefect gives the deployments themselves.
    return cast("list[RunnerDeployment]", served)


def catch_up_once(client: SyncPrefectClient) -> list[str]:
    """Cancel all missed starts but the newest of each deployment; returns a line for each kept.

    The newest does the work of the others: a batch is for today, and takes all files of the
    inbox.
    """
    from prefect.states import Cancelled

    caught_up = []
    for name in ("daily", "weekly"):
        late = _late_runs(client, name)
        for run in late[:-1]:
            client.set_flow_run_state(run.id, Cancelled(message=CAUGHT_UP), force=True)
        if late:
            caught_up.append(f"{name}, missed {len(late)} times")
    return caught_up


def _late_runs(client: SyncPrefectClient, name: str) -> Sequence[FlowRun]:
    """Scheduled runs that should have started more than a minute ago, oldest first."""
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterName,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType

    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        ),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
    )
    before = datetime.now(UTC) - LATE
    due = [run for run in runs if run.expected_start_time and run.expected_start_time < before]
    return sorted(due, key=lambda run: str(run.expected_start_time))


@contextmanager
def _server(context: RunContext, port: int) -> Iterator[None]:
    if os.environ.get("PREFECT_API_URL"):
        yield
        return
    refuse_taken_port(port)
    page = prefect_page(context.home, port)
    with servers_running([page]) as servers:
        wait_until_up(page, servers[0])
        # Before Prefect is imported: it reads its settings once.
        os.environ["PREFECT_API_URL"] = page.environment["PREFECT_API_URL"]
        context.console.say(f"Prefect  {page.link}")
        yield


def _say_times(context: RunContext) -> None:
    batch = context.settings.batch
    say = context.console.say
    say(f"daily    {batch.daily_cron}  ({batch.time_zone})")
    say(f"weekly   {batch.weekly_cron}  ({batch.time_zone})")
    say("backfill on demand: stayrank backfill --from DAY --to DAY, or from Prefect's page")
    say(f"inbox    {context.home.inside(batch.inbox)}")
    say("Ctrl-C stops serving; what was missed is caught up once at the next start.")
