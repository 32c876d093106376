"""JupyterLab on the notebooks, with this environment and one home, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import NoReturn

from data.errors import DataError
from pipelines.analysis.execute_notebooks import NOTEBOOKS, notebooks_here
from pipelines.config.console import Console
from pipelines.config.home import Home

__all__ = ["open_notebooks"]


def open_notebooks(home: Home, console: Console, *, port: int, opens_browser: bool) -> NoReturn:
    """Replace this process by JupyterLab on loopback, which prints the link with its token.

    Raises ``DataError`` when the home has no finished run, or JupyterLab is not installed.
    """
    home.latest_run()
    first = notebooks_here()[0]
    if find_spec("jupyterlab") is None:
        raise DataError("JupyterLab is not in this environment: pip install jupyterlab")
    console.say(f"notebooks of {NOTEBOOKS} on the home {home.root.resolve()}")
    console.say("The link with its token follows; Ctrl-C twice stops JupyterLab.")
    command = [
        *(sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1"),
        f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={NOTEBOOKS}",
        f"--LabApp.default_url=/lab/tree/{first.name}",
        "--LabApp.news_url=",
        *([] if opens_browser else ["--no-browser"]),
        # In a container the only person is root.
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]
    environment = {
        **os.environ,
        "STAYRANK_HOME": str(home.root.resolve()),
        "PYTHONPATH": os.pathsep.join(
            [str(NOTEBOOKS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
        # Kernels that were installed elsewhere would be another environment.
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    sys.stdout.flush()
    # In this process's place: Ctrl-C and SIGTERM reach JupyterLab itself, and no child is left.
    os.execve(sys.executable, command, environment)  # noqa: S606  # our own interpreter
