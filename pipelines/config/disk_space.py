"""A full disk, told as one: what writes under the home fails in many words when it is full.

MLflow, its database, Prefect's server and the lake's writer each have an error of their own
for it, some of which do not say why.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from data.errors import DataError
from pipelines.config.home import Home
from pipelines.config.settings import SettingsError

__all__ = ["LEAST_FREE_BYTES", "room_under"]

# Below this not even the databases of MLflow and Prefect can be made.
LEAST_FREE_BYTES = 16 << 20


@contextmanager
def room_under(home: Home) -> Iterator[None]:
    """Do work that writes under the home.

    Raises ``DataError`` naming the home where its disk is full before the work begins, and
    where it is full when the work has failed for no reason that people could mend.
    """
    home.prepare()
    if _free(home) < LEAST_FREE_BYTES:
        raise DataError(_told(home))
    try:
        yield
    except (DataError, SettingsError):
        raise
    except Exception as error:
        if _free(home) < LEAST_FREE_BYTES:
            first = (str(error).splitlines() or [""])[0]
            raise DataError(f"{_told(home)} ({type(error).__name__}: {first})") from error
        raise


def _free(home: Home) -> int:
    return shutil.disk_usage(home.root).free


def _told(home: Home) -> str:
    return (
        f"the disk of the home folder {home.root} is full: {_free(home) / 2**20:.0f} MB are free. "
        "The lake is whole; make room, or give another folder with --home DIR, and run the same "
        "command again"
    )
