"""``stayrank schedule``: the batches on their cron, served by this machine until Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from data.lake.lock import file_lock
from pipelines.config.child_servers import (
    end_orphans,
    refuse_taken_port,
    start_server,
    wait_until_up,
)
from pipelines.config.console import program
from pipelines.config.redaction import redact
from pipelines.flows.dashboards import prefect_page, prefect_server
from pipelines.flows.liveness import SERVED_BY
from pipelines.flows.prefect_environment import named_server_problem, prepare_prefect
from pipelines.flows.served_pages import PORT_VARIABLE, mlflow_address, note_port
from pipelines.flows.watched_schedule import NamedServer, OwnServer, serve_watched
from pipelines.run_context import RunContext

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.deployments.runner import RunnerDeployment

__all__ = ["catch_up_once", "deployments", "name_upcoming", "serve_schedule"]

LATE = timedelta(minutes=1)
CAUGHT_UP = "missed while nothing was served; the newest missed start does its work"


def serve_schedule(
    context: RunContext,
    settings_file: Path | None,
    prefect_port: int,
    mlflow_port: int | None = None,
) -> None:
    """Serve the deployments; starts a Prefect server on loopback unless one is named.

    ``mlflow_port``: where ``stayrank dashboards`` will serve MLflow, for the links that the
    batches leave on Prefect's pages; ``None``: where it was served last.

    Runs of this home whose process is gone are marked as crashed, paused schedules resume, and
    missed starts are caught up once. The server is watched: see
    :mod:`pipelines.flows.watched_schedule`. Raises ``DataError`` when the server cannot be started
    or had back, and when this home is served already.
    """
    prepare_prefect(context.home.prepare())
    with _serving_alone(context), _server(context, prefect_port) as server:
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
        # Both are for the processes of its batches, which end when this one is gone.
        os.environ[SERVED_BY] = str(os.getpid())
        if mlflow_port is not None:
            os.environ[PORT_VARIABLE] = str(mlflow_port)
        _say_times(context)
        serve_watched(served, server, context.console.say, partial(_name_upcoming, context))


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


def _name_upcoming(context: RunContext) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        name_upcoming(client, context.settings.batch.time_zone)


def name_upcoming(client: SyncPrefectClient, zone: str) -> int:
    """Name scheduled runs by what they will do (``daily 2026-01-27``); returns how many.

    Prefect names them by two words drawn at random until they begin.
    """
    named = 0
    for name in ("daily", "weekly"):
        for run in _scheduled_runs(client, name):
            if run.expected_start_time is None or run.name.startswith(f"{name} "):
                continue
            day = run.expected_start_time.astimezone(ZoneInfo(zone)).date()
            client.set_flow_run_name(run.id, f"{name} {day}")
            named += 1
    return named


def _late_runs(client: SyncPrefectClient, name: str) -> Sequence[FlowRun]:
    """Scheduled runs that should have started more than a minute ago, oldest first."""
    before = datetime.now(UTC) - LATE
    runs = _scheduled_runs(client, name)
    due = [run for run in runs if run.expected_start_time and run.expected_start_time < before]
    return sorted(due, key=lambda run: str(run.expected_start_time))


def _scheduled_runs(client: SyncPrefectClient, name: str) -> Sequence[FlowRun]:
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterName,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType

    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        ),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
    )


@contextmanager
def _serving_alone(context: RunContext) -> Iterator[None]:
    """Refuse a second schedule of one home: each would start every batch."""
    lock = context.home.prefect / "schedule.lock"
    with file_lock(lock, "stayrank schedule serves this home already", wait_s=0.0):
        yield


@contextmanager
def _server(context: RunContext, port: int) -> Iterator[OwnServer | NamedServer]:
    """The server to watch: the one that is named, or our own, stopped at the end."""
    say = context.console.say
    if os.environ.get("PREFECT_API_URL"):
        yield NamedServer(named_server_problem, lambda line: say(redact(line)))
        return
    for line in end_orphans(context.home.servers):
        say(line)
    refuse_taken_port(port, "--prefect-port")
    server = OwnServer(start_server(prefect_server(context.home, port)), say)
    try:
        wait_until_up(server.running)
        # Before Prefect is imported: it reads its settings once.
        os.environ["PREFECT_API_URL"] = server.running.server.environment["PREFECT_API_URL"]
        note_port(context.home, "Prefect", port)
        say(f"Prefect  {prefect_page(port)}")
        yield server
    finally:
        server.running.stop()


def _say_times(context: RunContext) -> None:
    batch = context.settings.batch
    say = context.console.say
    say(f"daily    {batch.daily_cron}  ({batch.time_zone})")
    say(f"weekly   {batch.weekly_cron}  ({batch.time_zone})")
    say("backfill on demand: stayrank backfill --from DAY --to DAY, or from Prefect's page")
    say(f"inbox    {context.home.inside(batch.inbox)}")
    if not context.settings.tracking_uri:
        address = mlflow_address(context.home, "")
        port = urlsplit(address).port
        command = f"{program()} dashboards {context.home.option} --mlflow-port {port}"
        say(f"MLflow   {address} while this runs: {command}")
    say("Ctrl-C stops serving; what was missed is caught up once at the next start.")
