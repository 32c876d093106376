"""The Prefect server that the flows of one command report to: the one that is named, or their own.

Prefect would start a server by itself too. That one writes to the command's own output, and lives
on when the command is killed; see :mod:`pipelines.config.child_servers`.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from data.errors import DataError
from pipelines.config.child_servers import (
    LOOPBACK,
    ChildServer,
    RunningServer,
    end_orphans,
    free_port,
    start_server,
    wait_until_up,
)
from pipelines.config.disk_space import clear_disk_full_error
from pipelines.config.home import Home
from pipelines.config.redaction import errors_redacted
from pipelines.config.settings import SettingsError
from pipelines.flows.prefect_environment import clear_prefect_error, prepare_prefect

__all__ = ["flows_of"]

# Another process may take the port that was free a moment ago.
TRIES = 3
# The server has nothing left to do, and its database bears a kill.
SECONDS_TO_STOP = 2.0


@contextmanager
def flows_of(home: Home) -> Iterator[None]:
    """Prepare all that a flow needs, and tell its failures in one sentence.

    Import the flow inside the block: Prefect reads its settings, the server's address among
    them, when it is imported. Raises ``DataError`` where the disk is full, the server that is
    named does not answer, or the command's own one ended.
    """
    # Lines that cannot be sent to the server or written are dropped: why is told once, in words.
    logging.raiseExceptions = False
    with clear_disk_full_error(home):
        prepare_prefect(home.prepare())
        if os.environ.get("PREFECT_API_URL"):
            with errors_redacted(), clear_prefect_error():
                yield
            return
        server = _start(home)
        with _ended_server_told(server), clear_disk_full_error(home), errors_redacted():
            yield


def _start(home: Home) -> RunningServer:
    """Start the command's own server, and name it in the environment.

    It is stopped when the program ends, not at the end of the block: only then has Prefect sent
    the last lines of its log, in functions that it registers after this one.
    """
    end_orphans(home.servers)
    for attempt in range(TRIES):
        port = free_port()
        server = start_server(_temporary(home, port))
        try:
            wait_until_up(server)
        except BaseException as error:
            server.stop(patience_s=SECONDS_TO_STOP)
            if attempt + 1 < TRIES and _found_port_taken(error, server):
                continue
            raise
        atexit.register(server.stop, patience_s=SECONDS_TO_STOP)
        os.environ["PREFECT_API_URL"] = f"http://{LOOPBACK}:{port}/api"
        return server
    raise AssertionError("the last try returns or raises")


def _found_port_taken(error: BaseException, server: RunningServer) -> bool:
    """Whether the server ended because somebody took its port in the meantime."""
    if not isinstance(error, DataError) or server.exit_code is None:
        return False
    return "address already in use" in server.server.log.read_text(errors="replace")[-2_000:]


def _temporary(home: Home, port: int) -> ChildServer:
    """Prefect's API without its page and its scheduler, as Prefect itself would start it."""
    prefect = find_spec("prefect")  # found, not imported: it would read its settings too early
    if prefect is None or prefect.origin is None:
        raise DataError("Prefect is not in this environment: pip install prefect")
    return ChildServer(
        name="Prefect",
        module=[
            *("uvicorn", "--app-dir", str(Path(prefect.origin).parents[1])),
            *("--factory", "prefect.server.api.server:create_app"),
            *("--host", LOOPBACK, "--port", str(port)),
            *("--log-level", "error", "--lifespan", "on"),
        ],
        environment={
            "PREFECT_UI_ENABLED": "0",
            "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT__SERVER_FINAL": "1",
        },
        health_url=f"http://{LOOPBACK}:{port}/api/health",
        log=home.logs / "prefect.log",
        records=home.servers,
    )


@contextmanager
def _ended_server_told(server: RunningServer) -> Iterator[None]:
    """Turn what the end of the server does to a flow into one ``DataError``."""
    try:
        yield
    except (DataError, SettingsError):
        raise
    except Exception as error:
        if server.exit_code is not None:
            raise DataError(
                f"the Prefect server of this command ended by itself (code {server.exit_code}); "
                f"its log is {server.server.log}. Nothing is half-written, run the same command "
                "again"
            ) from error
        raise
