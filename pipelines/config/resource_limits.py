"""Limits of the machine and of the shell, told in one sentence: disk, size of a file, memory.

Each library has an error of its own for them, and some say neither what ran out nor where. Two
limits of the shell (``ulimit``) are looked at before anything starts, because what they do in
the middle cannot be told well: databases are torn, and libraries in Rust and C abort the
process.
"""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator

from data.errors import DataError

__all__ = ["LEAST_FILE_BYTES", "exhausted_resource", "limits_in_words", "refuse_small_files"]

# Below this not even the databases of MLflow and Prefect can be made.
LEAST_FILE_BYTES = 16 << 20

MEMORY, SPACE, FILE = "memory", "space", "file"
SENTENCES = {
    MEMORY: "there is not enough memory: {first}. Nothing is half-written; give the command more "
    "(ulimit -v, the container's limit), or a smaller log, and run it again",
    SPACE: "the disk is full: {first}. Nothing is half-written; make room and run the same command "
    "again",
    FILE: "a file may not grow above {limit} here (ulimit -f): {first}. Nothing is half-written; "
    "raise the limit and run the same command again",
}
NUMBERS = {
    errno.ENOMEM: MEMORY,
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EFBIG: FILE,
}
# As the libraries say it: the C library's words, Rust's, SQLite's, LightGBM's, PyTorch's.
WORDS = {
    "No space left on device": SPACE,
    "Disk quota exceeded": SPACE,
    "database or disk is full": SPACE,
    "File too large": FILE,
    "(os error 27)": FILE,
    "(os error 28)": SPACE,
    "(os error 12)": MEMORY,
    "Cannot allocate memory": MEMORY,
    "can't allocate memory": MEMORY,
    "bad_alloc": MEMORY,
    "bad allocation": MEMORY,
    "memory allocation of": MEMORY,
    "can't start new thread": MEMORY,
    "out of memory": MEMORY,
}


def refuse_small_files() -> None:
    """Raise ``DataError`` where files may not grow to the size of the databases."""
    limit = _file_limit()
    if limit is not None and limit < LEAST_FILE_BYTES:
        raise DataError(
            f"files may not grow above {_in_words(limit)} here (ulimit -f); the databases alone "
            f"need {_in_words(LEAST_FILE_BYTES)}. Raise the limit (ulimit -f unlimited) and run "
            "the same command again"
        )


def exhausted_resource(error: BaseException) -> str:
    """A sentence where the error, or what caused it, says that a resource ran out; else empty."""
    for one in _chain(error):
        kind = _kind_of(one)
        if kind:
            limit = _file_limit()
            first = (str(one).splitlines() or [""])[0] or type(one).__name__
            limited = _in_words(limit) if limit is not None else "the limit of this file system"
            return SENTENCES[kind].format(first=first, limit=limited)
    return ""


def limits_in_words() -> str:
    """The limits of memory and files that a server inherits, to end a sentence; or nothing."""
    limits = {
        "ulimit -v": resource.getrlimit(resource.RLIMIT_AS)[0],
        "ulimit -f": resource.getrlimit(resource.RLIMIT_FSIZE)[0],
    }
    told = [
        f"{name}: {_in_words(soft)}"
        for name, soft in limits.items()
        if soft != resource.RLIM_INFINITY
    ]
    return f". The shell limits it ({', '.join(told)}): raise that, or lift it" if told else ""


def _kind_of(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return MEMORY
    if isinstance(error, OSError) and error.errno in NUMBERS:
        return NUMBERS[error.errno]
    text = str(error)
    return next((kind for words, kind in WORDS.items() if words in text), "")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then its causes; an error that says what to do ends the search."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen and not isinstance(one, DataError):
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _file_limit() -> int | None:
    """The most bytes of a file; ``None`` without a limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft


def _in_words(byte_count: int) -> str:
    return f"{byte_count / 2**20:.0f} MB" if byte_count >= 2**20 else f"{byte_count / 2**10:.0f} kB"
