"""The MLflow and Prefect pages on loopback, until Ctrl-C."""

from __future__ import annotations

import time

from data.errors import DataError
from data.paths import sqlite_address
from pipelines.config.child_servers import (
    LOOPBACK,
    ChildServer,
    end_orphans,
    refuse_taken_port,
    servers_running,
    wait_until_up,
)
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.flows.prefect_environment import database_of
from pipelines.flows.served_pages import (
    MLFLOW_PORT,
    PREFECT_PORT,
    note_port,
    point_links_at,
    port_of_schedule,
)

__all__ = ["prefect_page", "prefect_server", "serve_dashboards"]


def serve_dashboards(
    home: Home, console: Console, mlflow_port: int = MLFLOW_PORT, prefect_port: int = PREFECT_PORT
) -> None:
    """Start both pages, print links that open at models and runs, stop both when it is stopped.

    Prefect's is that of ``stayrank schedule`` where one serves this home. The links to MLflow
    on Prefect's pages open on ``mlflow_port`` from now on. Raises ``DataError`` when the home
    has no runs yet, a port is taken, or a server does not come up or ends by itself (its log is
    named).
    """
    if not home.mlflow_database.is_file():
        raise DataError(
            f"{home.root} holds no MLflow runs yet. Make some first: stayrank run; or name "
            "another home with --home."
        )
    from pipelines.tracking.tracking import Tracking

    runs_page = Tracking.open(home).runs_page()
    for line in end_orphans(home.servers):
        console.say(line)
    # Two servers on one database would both take what is due for theirs.
    scheduled = port_of_schedule(home)
    if scheduled is not None:
        prefect_port = scheduled
    refuse_taken_port(mlflow_port, "--mlflow-port")
    servers = [_mlflow(home, mlflow_port)]
    if scheduled is None:
        refuse_taken_port(prefect_port, "--prefect-port")
        servers.append(prefect_server(home, prefect_port))
    links = (f"http://{LOOPBACK}:{mlflow_port}{runs_page}", prefect_page(prefect_port))
    with servers_running(servers) as pages:
        for page, link in zip(pages, links, strict=False):
            wait_until_up(page)
            console.say(f"{page.server.name:8} {link}")
        if scheduled is not None:
            console.say(f"Prefect  {links[1]}, served by stayrank schedule")
        note_port(home, "MLflow", mlflow_port)
        point_links_at(f"http://{LOOPBACK}:{prefect_port}/api", mlflow_port)
        console.say("Ctrl-C stops both." if scheduled is None else "Ctrl-C stops MLflow.")
        while all(page.exit_code is None for page in pages):
            time.sleep(0.5)
        failed = next(page for page in pages if page.exit_code is not None)
        raise DataError(f"{failed.server.name} stopped by itself; its log is {failed.server.log}")


def _mlflow(home: Home, port: int) -> ChildServer:
    return ChildServer(
        name="MLflow",
        module=[
            *("pipelines.flows.mlflow_pages", "--host", LOOPBACK, "--port", str(port)),
            *("--backend-store-uri", sqlite_address(home.mlflow_database)),
            *("--default-artifact-root", home.artifacts.resolve().as_uri(), "--workers", "1"),
        ],
        environment={
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            # The job runners are eight processes of 220 MB that nothing here uses.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        health_url=f"http://{LOOPBACK}:{port}/health",
        log=home.logs / "mlflow.log",
        records=home.servers,
    )


def prefect_server(home: Home, port: int) -> ChildServer:
    """A Prefect server with its database under the home."""
    return ChildServer(
        name="Prefect",
        module=["prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)],
        environment={
            "PREFECT_HOME": str(home.prefect.resolve()),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            # Records of runs, their logs and artifacts, not events alone: after 90 days, or
            # what PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD says (in seconds).
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
            # Without it the page asks port 4200 whatever port it is served on.
            "PREFECT_API_URL": f"http://{LOOPBACK}:{port}/api",
            **database_of(home),
        },
        health_url=f"http://{LOOPBACK}:{port}/api/health",
        log=home.logs / "prefect.log",
        records=home.servers,
    )


def prefect_page(port: int) -> str:
    """The page of a server on loopback that lists the runs."""
    return f"http://{LOOPBACK}:{port}/runs"
