"""JupyterLab on the notebooks, with this environment and one home, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import time
import webbrowser
from importlib.util import find_spec

from data.errors import DataError
from pipelines.analysis.notebook_files import NOTEBOOKS, notebooks_here
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

__all__ = ["open_notebooks"]


def open_notebooks(home: Home, console: Console, *, port: int, opens_browser: bool) -> None:
    """Start JupyterLab on loopback, print the link with its token, stop it with the command.

    The token is ``JUPYTER_TOKEN``, where that is set. Raises ``DataError`` when the home has no
    finished run, JupyterLab is not installed, the port is taken, or it ends by itself.
    """
    home.latest_run()
    first = notebooks_here()[0]
    if find_spec("jupyterlab") is None:
        raise DataError("JupyterLab is not in this environment: pip install jupyterlab")
    for line in end_orphans(home.servers):
        console.say(line)
    refuse_taken_port(port, "--port")
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    with servers_running([_jupyter(home, port, first.name, token)]) as (lab,):
        wait_until_up(lab)
        link = f"http://{LOOPBACK}:{port}/lab/tree/{first.name}?token={token}"
        console.say(f"notebooks of {NOTEBOOKS} on the home {home.root.resolve()}")
        console.show_link(link)
        console.say("Ctrl-C stops JupyterLab.")
        if opens_browser:
            webbrowser.open(link)
        while lab.exit_code is None:
            time.sleep(0.5)
        raise DataError(f"JupyterLab stopped by itself; its log is {lab.server.log}")


def _jupyter(home: Home, port: int, first: str, token: str) -> ChildServer:
    return ChildServer(
        name="JupyterLab",
        module=[
            *("jupyterlab", f"--ServerApp.ip={LOOPBACK}", f"--ServerApp.port={port}"),
            *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={NOTEBOOKS}"),
            *(f"--LabApp.default_url=/lab/tree/{first}", "--LabApp.news_url=", "--no-browser"),
            # In a container the only person is root.
            *(["--allow-root"] if os.geteuid() == 0 else []),
        ],
        environment={
            "STAYRANK_HOME": str(home.root.resolve()),
            "PYTHONPATH": os.pathsep.join(
                [str(NOTEBOOKS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            # Kernels that were installed elsewhere would be another environment.
            "JUPYTER_PREFER_ENV_PATH": "1",
            # Not an argument: those everybody on the machine can read.
            "JUPYTER_TOKEN": token,
        },
        health_url=f"http://{LOOPBACK}:{port}/login",
        log=home.logs / "jupyter.log",
        records=home.servers,
    )
