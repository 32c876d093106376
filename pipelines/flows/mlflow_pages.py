"""``mlflow server`` whose pages open on the runs at a browser's first visit.

    python -m pipelines.flows.mlflow_pages --host 127.0.0.1 --port 5000 …

Left alone, MLflow greets a browser that it has not seen with its pages for chat applications (an
overview and "Traces", empty here), and opens an assistant's panel over a quarter of them wherever
the address is loopback. No option of the server turns either off: it goes by what the browser
remembers. So the page is served with a script in front that remembers both choices as a visitor
would make them, once: what is chosen on the page afterwards stays.

Everything else is MLflow's own: its command line, with another application named to uvicorn.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["application", "main", "with_first_visit"]

# Keys and values as MLflow's page stores them.
REMEMBERED = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
}
# A browser may forbid a page to remember anything: then MLflow greets as it does.
SCRIPT = """<script>
try {
  for (const [key, value] of Object.entries(%s))
    if (localStorage.getItem(key) === null) localStorage.setItem(key, value);
} catch {}
</script>"""
THEIRS = "mlflow.server.fastapi_app:app"
APPLICATION = "pipelines.flows.mlflow_pages:application"


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: the arguments are those of ``mlflow server``."""
    from mlflow import server
    from mlflow.cli import cli

    build = server._build_uvicorn_command  # noqa: SLF001  # plugins need an installed entry point

    def naming_ours(*args: Any, **kwargs: Any) -> list[str]:
        *command, name = build(*args, **kwargs)
        # one that was asked for by name stays, such as basic-auth
        return [*command, *(["--factory", APPLICATION] if name == THEIRS else [name])]

    server._build_uvicorn_command = naming_ours  # noqa: SLF001
    cli(["server", *(sys.argv[1:] if arguments is None else arguments)])


def application() -> Any:
    """MLflow's application, its page with the script in front."""
    from mlflow import server
    from mlflow.server.fastapi_app import app

    server.app.after_request(_with_script)
    return app


def _with_script(response: Any) -> Any:
    from flask import request

    # Not of artifacts: a report that is fetched through the server stays as it was logged.
    is_page = request.path == "/" and response.mimetype == "text/html"
    if is_page and response.status_code == 200:
        response.direct_passthrough = False
        response.set_data(with_first_visit(response.get_data(as_text=True)))
    return response


def with_first_visit(page: str) -> str:
    """The page with the script before all others."""
    return page.replace("<head>", f"<head>{SCRIPT % json.dumps(REMEMBERED)}", 1)


if __name__ == "__main__":
    main()
