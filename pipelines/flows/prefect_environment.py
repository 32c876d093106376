"""Prefect's environment, set before Prefect is imported, and the check of a server that is named.

Trap: Prefect reads its settings at import, and its ephemeral server can take longer to
start than the 20 s it allows itself.
"""

from __future__ import annotations

import base64
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException

from data.errors import DataError
from data.paths import sqlite_address
from pipelines.config.home import Home
from pipelines.config.redaction import redact, split_credentials
from pipelines.config.settings import SettingsError

__all__ = [
    "clear_prefect_error",
    "database_of",
    "named_server_problem",
    "prepare_prefect",
    "refuse_silent_server",
]

SECONDS_TO_ANSWER = 5.0
DATABASE_VARIABLES = (
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "PREFECT_API_DATABASE_CONNECTION_URL",
)
GATEWAY_ERRORS = (
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


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
    for name, value in {**defaults, **database_of(home)}.items():
        os.environ.setdefault(name, value)


def database_of(home: Home) -> dict[str, str]:
    """The variable that names the database, where Prefect's own way of naming it would not do.

    That way is ``sqlite+aiosqlite:///$PREFECT_HOME/prefect.db``, which ends at a question mark.
    Empty too where the person has named one.
    """
    address = sqlite_address(home.prefect / "prefect.db", driver="aiosqlite")
    is_plain = address == f"sqlite+aiosqlite:///{home.prefect.resolve()}/prefect.db"
    if is_plain or any(os.environ.get(name) for name in DATABASE_VARIABLES):
        return {}
    return {DATABASE_VARIABLES[0]: address}


@contextmanager
def clear_prefect_error() -> Iterator[None]:
    """Turn what the loss of a named server does to a flow into one ``DataError``.

    ``DataError`` and ``SettingsError`` of the block pass through: they say what to do.
    """
    try:
        yield
    except (DataError, SettingsError):
        raise
    except Exception as error:
        try:
            refuse_silent_server()
        except DataError as silence:
            raise silence from error
        raise


def refuse_silent_server() -> None:
    """Check the server that ``PREFECT_API_URL`` names, if it names one.

    Raises ``DataError`` where none answers, ``SettingsError`` where it is no address.
    """
    address = os.environ.get("PREFECT_API_URL", "")
    if not address:
        return
    if not address.startswith(("http://", "https://")):
        raise SettingsError(
            f"PREFECT_API_URL = {redact(address)!r} must begin with http:// or https://; unset it "
            "to run without a Prefect server"
        )
    if problem := named_server_problem():
        raise DataError(f"{problem}. Start it, or unset PREFECT_API_URL to run without one")


def named_server_problem() -> str:
    """Why the server that ``PREFECT_API_URL`` names is of no use; empty where it answers."""
    address = os.environ.get("PREFECT_API_URL", "")
    problem = _problem_of(address)
    named = f"no Prefect server answers at PREFECT_API_URL = {redact(address)}"
    return f"{named} ({redact(problem)})" if problem else ""


def _problem_of(address: str) -> str:
    """Why there is no Prefect server at the address, in words; empty where there is one."""
    try:
        with urllib.request.urlopen(  # noqa: S310  # http or https, as checked above
            _health_request(address), timeout=SECONDS_TO_ANSWER
        ) as answer:
            kind = answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        # One that asks for a key answers too.
        is_absent = error.code == HTTPStatus.NOT_FOUND or error.code in GATEWAY_ERRORS
        return f"{error.code} {error.reason}" if is_absent else ""
    except (OSError, ValueError, HTTPException) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    # Prefect's page answers every address with itself; the API is below /api.
    return "" if kind == "application/json" else f"a page of {kind}; the API's address ends in /api"


def _health_request(address: str) -> urllib.request.Request:
    """The question for the server's health; urllib takes no credentials in an address."""
    bare, user, password = split_credentials(address)
    request = urllib.request.Request(f"{bare.rstrip('/')}/health")  # noqa: S310
    if user:
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
    return request
