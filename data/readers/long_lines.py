"""Lines that no log has: bounded, so that a small archive cannot fill the memory.

A line is read whole before it is divided into columns. One of 640 MB compresses to less than
one; without a limit it would be held several times over.
"""

from __future__ import annotations

from typing import BinaryIO

from data.readers.chunk import BrokenRow
from data.schema.reason_codes import Reason

__all__ = ["MAX_LINE_BYTES", "read_up_to", "skip_line", "too_long"]

# A row of text of this size holds no search result; a block of rows is as large.
MAX_LINE_BYTES = 16 << 20
_SHOWN_BYTES = 500


def read_up_to(stream: BinaryIO, size: int) -> bytes:
    """At least ``size`` bytes, fewer only at the end. (Transcoded text comes in odd pieces.)"""
    parts, missing = [], size
    while missing > 0 and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def skip_line(stream: BinaryIO, head: bytes, block: int, newline: bytes) -> tuple[int, bytes]:
    """Read on to the end of the line that begins with ``head``, keeping nothing of it.

    Returns the line's length and the bytes that were read behind its end.
    """
    length = len(head)
    while fresh := read_up_to(stream, block):
        end = fresh.find(newline)
        if end >= 0:
            return length + end, fresh[end + 1 :]
        length += len(fresh)
    return length, b""


def too_long(line: int, length: int, head: bytes) -> BrokenRow:
    """The quarantined row in place of such a line: where it was, its length, how it begins."""
    begins = head[:_SHOWN_BYTES].decode("utf-8", errors="backslashreplace")
    text = f"{begins} … ({length:,} bytes)"
    return BrokenRow(line=line, reason=Reason.LINE_TOO_LONG, text=text)
