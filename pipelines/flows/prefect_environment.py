"""Prefect's environment, set before Prefect is imported.

Trap: Prefect reads its settings at import, and its ephemeral server can take longer to
start than the 20 s it allows itself.
"""

from __future__ import annotations

import os

from pipelines.config.home import Home

__all__ = ["prepare_prefect"]


def prepare_prefect(home: Home) -> None:
    """Keep Prefect's database under the home, quiet and without telemetry.

    What the person has set already stays: with ``PREFECT_API_URL`` the runs go to that
    server instead of the ephemeral one.
    """
    defaults = {
        "PREFECT_HOME": str(home.prefect.resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        # The terminal shows our own lines; Prefect's, tracebacks included, are on its page.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
