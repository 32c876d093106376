"""Where a browser finds MLflow and Prefect of a home, and the links between their pages.

A server that the settings name has its own address. The home's own MLflow is served by ``stayrank
dashboards``, on a port that may be another every time: so it notes the port under the home, and
points the links of earlier runs at it. ``stayrank schedule`` notes that of its Prefect server.
"""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from data.lake.lock import is_held
from pipelines.config.child_servers import LOOPBACK, answers
from pipelines.config.home import Home, write_json
from pipelines.config.redaction import split_credentials

__all__ = [
    "MLFLOW_PORT",
    "PORT_VARIABLE",
    "PREFECT_PORT",
    "mlflow_address",
    "note_port",
    "point_links_at",
    "port_of_schedule",
]

MLFLOW_PORT, PREFECT_PORT = 5_000, 4_200
# Set by ``stayrank schedule`` for the processes that its batches run in.
PORT_VARIABLE = "STAYRANK_MLFLOW_PORT"
KEY_OF_LINKS = "-mlflow"
PAGE_SIZE = 200
SECONDS_TO_ANSWER = 30.0
# The links of this module, not addresses in somebody's text.
_OWN = re.compile(rf"\(http://{re.escape(LOOPBACK)}:\d+/#/experiments/")


def mlflow_address(home: Home, store: str) -> str:
    """The address of MLflow's page, without a slash at its end.

    ``store`` is the setting ``tracking_uri``. Of the home's own MLflow: where it is served now,
    else where the command that asks says that it will be, else where it was served last.
    """
    if store.startswith(("http://", "https://")):
        return split_credentials(store)[0].rstrip("/")
    noted, chosen = _noted_port(home, "MLflow"), os.environ.get(PORT_VARIABLE, "")
    if noted is not None and answers(f"{_address(noted)}/health"):
        return _address(noted)
    return _address(int(chosen) if chosen.isdecimal() else noted or MLFLOW_PORT)


def port_of_schedule(home: Home) -> int | None:
    """Where a running ``stayrank schedule`` of this home serves Prefect; ``None`` without one."""
    port = _noted_port(home, "Prefect")
    if port is None or not is_held(home.prefect / "schedule.lock"):
        return None
    return port if answers(f"{_address(port)}/api/health") else None


def note_port(home: Home, name: str, port: int) -> None:
    """Note where the home's server ``name``, ``MLflow`` or ``Prefect``, is served."""
    write_json(_note(home, name), {"port": port})


def point_links_at(prefect_api: str, mlflow_port: int) -> int:
    """Let the links that earlier runs left on Prefect's pages open on this port.

    Returns how many were changed. Asked over HTTP: Prefect's own client would take longer to
    import than all of this takes.
    """
    changed = 0
    for artifact in _links(prefect_api):
        was = str(artifact["data"])
        now = _OWN.sub(f"({_address(mlflow_port)}/#/experiments/", was)
        if now != was:
            _asked("PATCH", f"{prefect_api}/artifacts/{artifact['id']}", {"data": now})
            changed += 1
    return changed


def _links(prefect_api: str) -> Iterator[dict[str, Any]]:
    offset = 0
    while True:
        found = _asked(
            "POST",
            f"{prefect_api}/artifacts/filter",
            {
                "artifacts": {"key": {"like_": KEY_OF_LINKS}},
                "sort": "ID_DESC",
                "limit": PAGE_SIZE,
                "offset": offset,
            },
        )
        yield from found
        if len(found) < PAGE_SIZE:
            return
        offset += PAGE_SIZE


def _asked(method: str, url: str, body: object) -> Any:
    request = urllib.request.Request(  # noqa: S310  # loopback
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def _noted_port(home: Home, name: str) -> int | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads(_note(home, name).read_text())["port"])
    return None


def _note(home: Home, name: str) -> Path:
    return home.prefect / f"port_of_{name.lower()}.json"


def _address(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"
