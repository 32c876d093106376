"""The diagnostics that a run keeps, read again: no model, and so no torch, is loaded for them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from data.errors import DataError
from pipelines.config.home import Home

__all__ = ["diagnostics_folder", "read_diagnostic"]


def diagnostics_folder(home: Home, run: str) -> Path:
    """Where a run keeps them, a Parquet file each."""
    return home.runs / run / "evidence"


def read_diagnostic(home: Home, run: str, name: str) -> pl.DataFrame | None:
    """One diagnostic by its name; ``None`` where the run does not have it.

    Raises ``DataError`` where the file is damaged.
    """
    path = diagnostics_folder(home, run) / f"{name}.parquet"
    if not path.is_file():
        return None
    try:
        return pl.read_parquet(path, glob=False)
    except pl.exceptions.ComputeError as error:
        raise DataError(f"{path}: damaged ({error}); evaluate the run again") from error
