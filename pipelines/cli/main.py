"""How a command is run, and how errors become a message and an exit code."""

from __future__ import annotations

import sys

from data.errors import DataError
from pipelines.config.redaction import redact
from pipelines.config.resource_limits import exhausted_resource
from pipelines.config.standard_streams import tolerant_streams
from pipelines.config.stop_signals import StopSignals

__all__ = ["run_command"]


def run_command(stop: StopSignals) -> None:
    """Run the command of the command line, and exit.

    The errors that people can mend become one message and an exit code.
    """
    with tolerant_streams():
        try:
            # Here, not above: a signal may come, and memory run out, while these are loaded.
            from pipelines.cli.commands import app

            app(standalone_mode=True)
        except BaseException as error:
            outcome = _message_and_code(error, stop)
            if outcome is None:
                raise
            message, code = outcome
            if message:
                sys.stderr.write(redact(f"stayrank: {message}\n"))
            sys.exit(code)


def _message_and_code(error: BaseException, stop: StopSignals) -> tuple[str, int] | None:
    """The message and exit code of an error; ``None`` for a bug, which keeps its traceback.

    A signal goes before whatever error it led to: libraries that are interrupted in the middle
    of a write raise errors of their own.
    """
    if stop.received is not None:
        return stop.say_once(), stop.code
    from pipelines.config.settings import SettingsError

    if isinstance(error, SystemExit):
        return None
    if isinstance(error, SettingsError):
        return str(error), 2
    if isinstance(error, DataError):
        return str(error), 1
    if problem := exhausted_resource(error):
        return problem, 1
    if isinstance(error, OSError):
        return f"{error}. Nothing half-written remains; mend it and run again", 1
    return None
