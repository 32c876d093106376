"""Reading and writing a saved model: JSON and Parquet, never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["config_of", "read_json", "read_table", "write_json", "write_table"]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` as JSON, making the folder where it is absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_json(path: Path, *, model: str) -> dict[str, Any]:
    """Read a JSON object saved by ``model``.

    Raises ``ValueError`` naming the file when it is absent, unreadable or another model's.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: no readable saved {model} ({error})") from error
    if not isinstance(content, dict) or content.get("model") != model:
        raise ValueError(f"{path}: holds {content.get('model')!r}, not a saved {model}")
    return content


def config_of(saved: dict[str, Any]) -> dict[str, Any]:
    """The saved ``config`` as keyword arguments: JSON's lists become tuples again."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in saved["config"].items()}


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, making the folder where it is absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def read_table(path: Path) -> pa.Table:
    """Read a Parquet file of a saved model; raises ``ValueError`` naming it when it cannot."""
    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path}: part of a saved model is missing or broken ({error})") from error
