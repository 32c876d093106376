"""The log of one batch: every line it says, with time and run id, in one file under the home."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from rich.console import Console as RichConsole

from pipelines.config.console import WIDTH_OF_A_LOG, Console
from pipelines.config.settings import Settings

__all__ = ["logged_console", "secrets_of"]

HIDDEN = "[hidden]"


class _Lines(io.StringIO):
    """Passes text on, and whole lines to a log, without what must stay secret."""

    def __init__(
        self, stream: TextIO, log: TextIO, run_id: str, secrets: Sequence[str], told: _Told
    ) -> None:
        super().__init__()
        self._stream, self._log, self._run_id = stream, log, run_id
        self._secrets, self._told, self._rest = secrets, told, ""

    def write(self, text: str) -> int:
        whole = self._rest + text
        *lines, self._rest = whole.split("\n")
        for line in lines:
            self._say(line)
        return len(text)

    def _say(self, line: str) -> None:
        for secret in self._secrets:
            line = line.replace(secret, HIDDEN)
        self._stream.write(line + "\n")
        self._stream.flush()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._log.write(f"{at} {self._run_id} {line}\n")
        self._log.flush()
        if line.strip():
            self._told(line)


_Told = Callable[[str], None]


@contextmanager
def logged_console(
    path: Path, run_id: str, secrets: Sequence[str], told: _Told = lambda _: None
) -> Iterator[Console]:
    """A console that also appends each line to ``path``, and tells it to ``told``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        streams = [
            _Lines(stream, log, run_id, secrets, told) for stream in (sys.stdout, sys.stderr)
        ]
        out, err = (
            RichConsole(file=stream, highlight=False, soft_wrap=True, width=WIDTH_OF_A_LOG)
            for stream in streams
        )
        yield Console(out=out, err=err)


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """The values that no log, page or message may show."""
    kept = (settings.pseudonym_key, settings.webhook)
    return tuple(value for s in kept if (value := s.get_secret_value()))
