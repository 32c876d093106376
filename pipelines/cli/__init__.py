"""The command line: ``stayrank COMMAND``. Each file of this folder holds some commands.

Heavy libraries are imported inside the commands, so that ``--help`` and usage errors
answer at once. Exit codes: 0 done, 1 data or run failure, 2 usage, 128 + n stopped by signal n.

Importing this package imports none of them: signals are taken over, and a limit of memory is
looked at, before a library of any size is loaded. The commands are in
:mod:`pipelines.cli.commands`.
"""

from __future__ import annotations

import sys

from pipelines.cli.limited_memory import be_supervised_where_memory_is_limited
from pipelines.cli.utf8_mode import use_utf8
from pipelines.config.stop_signals import StopSignals

__all__ = ["main"]


def main() -> None:
    """Entry point of the program."""
    use_utf8()
    stop = StopSignals()
    try:
        # Within: the first signal may come while the others are being taken over.
        stop.install()
        be_supervised_where_memory_is_limited(stop)
        from pipelines.cli.main import run_command

        run_command(stop)
    finally:
        # The signal may have come before the command was there to tell it.
        if stop.received is not None and (sentence := stop.say_once()):
            sys.stderr.write(f"stayrank: {sentence}\n")
