"""Output decides nothing, and shows no password.

What cannot be printed ends no work that was begun, nor changes its end.

Standard output may be a pipe whose reader has gone (``stayrank run | head``), a full disk, closed,
or in an encoding without ``ã``. Each of these makes ``print`` raise, in a library too. And what a
library prints, a traceback for example, may hold an address with a password.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from pipelines.config.redaction import redact

__all__ = ["tolerant_streams"]

STANDARD_DESCRIPTORS = (0, 1, 2)


class _TolerantStream:
    """A text stream that goes on into nothing once it cannot be written to, without passwords."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write without the credentials of addresses, or drop what cannot be written."""
        return self.write_as_it_is(redact(text))

    def write_as_it_is(self, text: str) -> int:
        """Write what is to be shown whole, such as a link that opens a page with its token."""
        try:
            self._stream.write(text)
        except (OSError, ValueError):  # ValueError: closed by the program itself
            self._give_up()
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, or drop what is left."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self) -> None:
        """Let the descriptor lead nowhere: what is buffered still has to go, and children write."""
        # No descriptor: a stream that a test or a notebook has put in the place.
        with suppress(OSError, ValueError, io.UnsupportedOperation):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Let no write to standard output or error raise while the block runs."""
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_tolerant(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def _open_closed_descriptors() -> None:
    """Point standard descriptors that are closed nowhere.

    Otherwise the next file that is opened, a table's for example, becomes standard output, and
    gets what C libraries print.
    """
    for descriptor in STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one


def _tolerant(stream: Any) -> TextIO:
    if isinstance(stream, _TolerantStream):
        return cast("TextIO", stream)
    if stream is None:  # closed when the program began
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        # "São" as "S\xe3o" where there is no ã; a file's name with bytes of no encoding too.
        reconfigure(errors="backslashreplace")
    return cast("TextIO", _TolerantStream(stream))
