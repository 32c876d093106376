"""Claim what lies in the inbox, and put it away once it is judged.

A sender may write to the inbox at any moment, so nothing that lies there is read. What has
settled is first *claimed*, in one rename; from then on no delivery of the same name can take its
place, and what is judged is what is kept, refused or deleted::

    inbox/2026-01-19.parquet          delivered, and unchanged for ``batch.settle_s``
    inbox/claimed/2026-01-19.parquet  ours; a batch that is killed here goes on with it
    inbox/taken/2026-01-19.parquet    ingested
    inbox/refused/broken.csv          set aside, its reason beside it: broken.csv.reason.txt

A name is used once: the second file named ``2026-01-19.parquet`` is claimed, and kept, as
``2026-01-19.2.parquet``. Every rename stays within the inbox's file system.
"""

from __future__ import annotations

import errno
import fcntl
import filecmp
import os
import re
import signal
import stat
import time
from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path

from data.errors import DataError
from data.readers.folders import PACKED, is_mark
from pipelines.config.home import write_atomically

__all__ = [
    "claim",
    "deliveries",
    "folders_of",
    "give_back",
    "is_open_for_writing",
    "keep",
    "left_claimed",
    "refuse",
    "stamp_of",
    "what_it_is",
]

CLAIMED, TAKEN, REFUSED = "claimed", "taken", "refused"
BEING_DELIVERED = (".part", ".tmp")
REASON = ".reason.txt"
# A file name has at most 255 bytes on every usual file system; ours gain a number or a reason.
MOST_NAME_BYTES = 200
_SUFFIX = re.compile(rf"(\.[A-Za-z]{{1,7}})?({'|'.join(map(re.escape, PACKED))})?$")

# Which file, how long, and when it was written last; changes with any write.
Stamp = tuple[int, int, int]


def deliveries(inbox: Path, settle_s: float) -> tuple[list[Path], list[str]]:
    """What lies in the inbox and has settled, by name; and the names that have not.

    Folders and what is being delivered are left out: names that begin with a dot or end in
    ``.part`` or ``.tmp``; so are the marks that Spark and Hadoop write beside a log. A file that
    was changed less than ``settle_s`` seconds ago is looked at again when they have passed; it
    has settled if it is the same by then.
    """
    before = {path: stamp for path in sorted(inbox.iterdir()) if (stamp := _delivered(path))}
    now = time.time()
    ages = [now - _changed_at(path) for path in before]
    # Once, and never longer than settle_s: a sender's clock may be ahead of ours.
    time.sleep(max((min(settle_s, settle_s - age) for age in ages if age < settle_s), default=0.0))
    settled = [
        path
        for path, stamp in before.items()
        if _delivered(path) == stamp and not is_open_for_writing(path)
    ]
    return settled, [path.name for path in before if path not in settled]


def folders_of(inbox: Path) -> list[Path]:
    """Folders that somebody delivered: they are not read, which the sender should know."""
    own = (CLAIMED, TAKEN, REFUSED)
    return [
        path
        for path in sorted(inbox.iterdir())
        if path.is_dir()
        and not path.is_symlink()
        and path.name not in own
        and not path.name.startswith(".")
    ]


def left_claimed(inbox: Path) -> list[Path]:
    """What a batch that was cut off had claimed and not put away, by name."""
    claimed = sorted(_own_folder(inbox, CLAIMED).iterdir())
    # a draft of an erasure that was cut off is no delivery
    return [path for path in claimed if not path.name.startswith(".")]


def claim(path: Path, used: Collection[str] = ()) -> Path:
    """Rename what lies at ``path`` into ``claimed``; returns where it is now.

    Its name becomes printable, short, and one that nothing claimed, taken or refused and none
    of ``used`` has. Raises ``OSError`` where it cannot be moved.
    """
    inbox = path.parent
    folders = [_own_folder(inbox, name) for name in (CLAIMED, TAKEN, REFUSED)]
    name = next(
        name
        for name in _numbered(_plain(path.name))
        if name not in used and not any(os.path.lexists(folder / name) for folder in folders)
    )
    return path.rename(folders[0] / name)


def give_back(claimed: Path) -> bool:
    """Put a file that is still being written back into the inbox; whether that could be done.

    It stays claimed, for the next run, where a newer delivery has its name by now.
    """
    try:
        # A rename would replace what was delivered meanwhile; a link refuses to.
        os.link(claimed, claimed.parents[1] / claimed.name, follow_symlinks=False)
    except OSError:
        return False
    claimed.unlink()
    return True


def keep(claimed: Path, *, is_known: bool) -> None:
    """Move an ingested file to ``taken``; one that lies there already, byte by byte, is dropped.

    ``is_known``: the lake knew its content before, so there may be such a copy.
    """
    taken = _own_folder(claimed.parents[1], TAKEN)
    copies = (path for path in taken.iterdir() if path.is_file()) if is_known else ()
    if any(_is_same(claimed, path) for path in copies):
        claimed.unlink()
    else:
        claimed.rename(taken / claimed.name)


def refuse(claimed: Path, reason: str, *, is_kept: bool = True) -> None:
    """Move what was claimed to ``refused``, its reason beside it; a link is moved, not followed.

    Of a file that is not kept, since it may name guests, the reason alone stays.
    """
    refused = _own_folder(claimed.parents[1], REFUSED)
    write_atomically(refused / f"{claimed.name}{REASON}", f"{reason}\n")
    if is_kept:
        claimed.rename(refused / claimed.name)
    else:
        claimed.unlink()


def stamp_of(path: Path) -> Stamp:
    """The file's stamp; a link's own, not that of what it names."""
    status = path.lstat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def what_it_is(path: Path) -> str:
    """``link``, ``device``, … of what is no file; empty for a file."""
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return ""
    kinds = {stat.S_ISLNK: "link", stat.S_ISDIR: "folder", stat.S_ISFIFO: "pipe"}
    return next((name for is_kind, name in kinds.items() if is_kind(mode)), "device")


def is_open_for_writing(path: Path) -> bool:
    """Whether some process of this machine has the file open for writing, as far as one can tell.

    The kernel grants a read lease only on a file that nobody writes. It is given back at once.
    Where there are no leases (a network's file system, another owner's file) the answer is no.
    """
    if what_it_is(path):
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A writer who comes while we hold it has the kernel signal us: by default SIGIO, which
        # would end this process; SIGURG is ignored unless somebody asks for it.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(handle)
    return False


def _delivered(path: Path) -> Stamp | None:
    """The stamp of a delivery; ``None`` for folders, unfinished ones, and what is gone."""
    name = path.name.lower()
    try:
        is_folder = path.is_dir() and not path.is_symlink()
        if is_folder or name.startswith(".") or name.endswith(BEING_DELIVERED) or is_mark(path):
            return None
        return stamp_of(path)
    except OSError:
        return None


def _changed_at(path: Path) -> float:
    """When it was last written or renamed, seconds since 1970; 0 for what is gone.

    The time of writing alone would not do: ``cp -p`` sets it to that of the original.
    """
    try:
        status = path.lstat()
    except OSError:
        return 0.0
    return max(status.st_mtime, status.st_ctime)


def _own_folder(inbox: Path, name: str) -> Path:
    folder = inbox / name
    if folder.is_symlink():
        raise DataError(
            f"{folder}: is a link; files of the inbox are not moved out of it. Remove the link, "
            "and the next run makes the folder"
        )
    folder.mkdir(exist_ok=True)
    return folder


def _plain(name: str) -> str:
    """The name as text that can be stored and printed, short enough to be lengthened.

    >>> _plain("caf\\udce9\\n.csv")
    'caf__.csv'
    """
    text = "".join(c if c.isprintable() else "_" for c in name)
    if len(text.encode()) <= MOST_NAME_BYTES:
        return text
    stem, suffix = _parts(text)
    cut = stem.encode()[: MOST_NAME_BYTES - len(suffix)]
    return cut.decode(errors="ignore") + suffix


def _numbered(name: str) -> Iterator[str]:
    """The name, then the same with 2, 3, … before its suffix.

    >>> names = _numbered("2026-01-19.csv.gz")
    >>> [next(names) for _ in range(3)]
    ['2026-01-19.csv.gz', '2026-01-19.2.csv.gz', '2026-01-19.3.csv.gz']
    """
    yield name
    stem, suffix = _parts(name)
    for number in count(2):
        yield f"{stem}.{number}{suffix}"


def _parts(name: str) -> tuple[str, str]:
    found = _SUFFIX.search(name)
    at = found.start() if found is not None else len(name)
    return name[:at], name[at:]


def _is_same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False)
