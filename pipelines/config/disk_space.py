"""Raise one clear error when the home's disk is full.

MLflow, its database, Prefect's server and the lake's writer each have an error of their own
for it, some of which do not say why.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from data.errors import DataError
from pipelines.config.home import Home
from pipelines.config.resource_limits import exhausted_resource
from pipelines.config.settings import SettingsError

__all__ = ["LEAST_FREE_BYTES", "clear_disk_full_error"]

# Below this not even the databases of MLflow and Prefect can be made.
LEAST_FREE_BYTES = 16 << 20


@contextmanager
def clear_disk_full_error(home: Home) -> Iterator[None]:
    """Turn a failure on a full disk into one ``DataError`` that names the home.

    Raises it before the block runs if the disk is full by then, and instead of whatever the
    block raised if it is full afterwards. An error that says itself what ran out, a full disk
    that has room again or a limit of the shell, becomes a ``DataError`` too. ``DataError`` and
    ``SettingsError`` of the block pass through: they already say what to do.
    """
    home.prepare()
    if _free(home) < LEAST_FREE_BYTES:
        raise DataError(_message(home))
    try:
        yield
    except (DataError, SettingsError):
        raise
    except Exception as error:
        if _free(home) < LEAST_FREE_BYTES:
            first_line = (str(error).splitlines() or [""])[0]
            message = f"{_message(home)} ({type(error).__name__}: {first_line})"
            raise DataError(message) from error
        if problem := exhausted_resource(error):
            raise DataError(problem) from error
        raise


def _free(home: Home) -> int:
    return shutil.disk_usage(home.root).free


def _message(home: Home) -> str:
    return (
        f"the disk of the home folder {home.root} is full: {_free(home) / 2**20:.0f} MB are free. "
        "The lake is whole; make room, or give another folder with --home DIR, and run the same "
        "command again"
    )
