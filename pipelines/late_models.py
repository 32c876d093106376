"""A model that could not be registered yet, as JSON and copied files, and back again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

__all__ = ["as_json", "from_json"]


def as_json(given: Mapping[str, Any], keep_files: Callable[[Path], str]) -> dict[str, Any]:
    """The arguments of :meth:`Tracking.register_model` as JSON; the files are copied."""
    example = given["input_example"]
    return {
        **given,
        "code": str(given["code"]),
        "artifacts": {name: keep_files(folder) for name, folder in given["artifacts"].items()},
        "signature": given["signature"].to_dict(),
        "input_example": example.to_json(orient="split", index=False),
    }


def from_json(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments again."""
    import pandas as pd
    from mlflow.models import ModelSignature

    example = pd.read_json(StringIO(kept["input_example"]), orient="split", dtype=False)
    return {
        **kept,
        "code": Path(kept["code"]),
        "artifacts": {name: Path(folder) for name, folder in kept["artifacts"].items()},
        "signature": ModelSignature.from_dict(kept["signature"]),
        "input_example": example,
    }
