"""The entry point of the program, and how errors become a message and an exit code."""

from __future__ import annotations

import codecs
import locale
import os
import signal
import sys
from types import FrameType

from data.errors import DataError
from pipelines.cli.app import app
from pipelines.config.console import Console
from pipelines.config.settings import SettingsError
from pipelines.config.standard_streams import tolerant_streams

__all__ = ["main"]


class _Interruption:
    """Remembers Ctrl-C.

    Libraries that are interrupted in the middle of a write raise errors of their own; without
    this they would be reported instead of the interruption.
    """

    def __init__(self) -> None:
        self.happened = False
        signal.signal(signal.SIGINT, self)

    def __call__(self, _signum: int, _frame: FrameType | None) -> None:
        self.happened = True
        raise KeyboardInterrupt


def main() -> None:
    """Entry point: turns the errors that people can mend into one message and an exit code."""
    _use_utf8()
    interruption = _Interruption()
    with tolerant_streams():
        try:
            app(standalone_mode=True)
        except BaseException as error:
            outcome = _message_and_code(error, interruption)
            if outcome is None:
                raise
            message, code = outcome
            Console().err.print(f"stayrank: {message}", markup=False)
            sys.exit(code)


def _use_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale's encoding is another one.

    Libraries that are not Python take paths and files as UTF-8 anyway; in a Latin-1 locale the
    home ``São Paulo`` would be two folders.
    """
    is_utf8 = codecs.lookup(locale.getencoding()).name == "utf-8"
    if not is_utf8 and os.environ.get("PYTHONUTF8") != "1":
        environment = {**os.environ, "PYTHONUTF8": "1"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606


def _message_and_code(error: BaseException, interruption: _Interruption) -> tuple[str, int] | None:
    """The message and exit code of an error; ``None`` for a bug, which keeps its traceback."""
    if interruption.happened:
        return "interrupted; the lake is whole, run the same command again to go on", 1
    if isinstance(error, SettingsError):
        return str(error), 2
    if isinstance(error, DataError):
        return str(error), 1
    if isinstance(error, OSError):
        return f"{error}. Nothing half-written remains; mend it and run again", 1
    return None
