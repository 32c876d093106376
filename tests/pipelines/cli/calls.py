"""A call of the command line in this process."""

from __future__ import annotations

import sys

import pytest

from pipelines.cli import main

__all__ = ["call"]


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run ``stayrank`` with these words; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["stayrank", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)
