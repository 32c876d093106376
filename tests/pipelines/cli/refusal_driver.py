"""Runs command lines in one process and says how each ended, and what it had imported by then.

Reads a JSON list of ``[words, variables]``, writes a JSON list of ``[code, complaint, heavy]``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys

from pipelines.cli import main

HEAVY = {"prefect", "mlflow", "torch", "lightgbm", "implicit", "optuna"}


def outcome(words: list[str], variables: dict[str, str]) -> tuple[int, str, list[str]]:
    """How one command line ended."""
    before = dict(os.environ)
    os.environ.update(variables)
    sys.argv = ["stayrank", *words]
    complaint, code = io.StringIO(), 0
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    os.environ.clear()
    os.environ.update(before)
    return code, complaint.getvalue(), sorted(HEAVY & sys.modules.keys())


if __name__ == "__main__":
    cases = json.load(sys.stdin)
    json.dump([outcome(words, variables) for words, variables in cases], sys.stdout)
