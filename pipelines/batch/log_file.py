"""The log file of one batch: every line it prints, with the time and the id of its start."""

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
from pipelines.config.redaction import redact
from pipelines.config.settings import Settings

__all__ = ["logged_console", "secrets_of"]

HIDDEN = "[hidden]"


class _LoggedStream(io.StringIO):
    """Writes each complete line to a stream and to a log, secrets replaced by ``[hidden]``."""

    def __init__(
        self, stream: TextIO, log: TextIO, run_id: str, secrets: Sequence[str], on_line: _OnLine
    ) -> None:
        super().__init__()
        self._stream, self._log, self._run_id = stream, log, run_id
        self._secrets, self._on_line, self._rest = secrets, on_line, ""

    def write(self, text: str) -> int:
        # Rich writes a line in pieces. A secret may lie across two of them, so nothing is
        # passed on before its line has ended.
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._write_line(line)
        return len(text)

    def _write_line(self, line: str) -> None:
        for secret in self._secrets:
            line = line.replace(secret, HIDDEN)
        line = redact(line)
        self._stream.write(line + "\n")
        self._stream.flush()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._log.write(f"{at} {self._run_id} {line}\n")
        self._log.flush()
        if line.strip():
            self._on_line(line)


_OnLine = Callable[[str], None]


@contextmanager
def logged_console(
    path: Path, run_id: str, secrets: Sequence[str], on_line: _OnLine = lambda _: None
) -> Iterator[Console]:
    """A console that also appends each line to ``path``, and calls ``on_line`` with it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        streams = [
            _LoggedStream(stream, log, run_id, secrets, on_line)
            for stream in (sys.stdout, sys.stderr)
        ]
        out, err = (
            RichConsole(file=stream, highlight=False, soft_wrap=True, width=WIDTH_OF_A_LOG)
            for stream in streams
        )
        yield Console(out=out, err=err)


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """The values that no log, page or message may show."""
    secrets = (settings.pseudonym_key, settings.webhook)
    return tuple(value for secret in secrets if (value := secret.get_secret_value()))
