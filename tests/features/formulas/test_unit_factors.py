from __future__ import annotations

import re
from pathlib import Path

import features

# `/ 100`, `/ HOUR_S`, `/ _WINDOW`: see features/formulas/unit_factors.py. Between constants
# it is harmless.
DIVISION_BY_CONSTANT = re.compile(r"(?<!/)/ (?:\d|_?[A-Z][A-Z_]+\b)")
BETWEEN_CONSTANTS = re.compile(r"\b(?:\d+|pi) / ")


def test_no_column_is_divided_by_a_constant() -> None:
    offences = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted(Path(features.__file__).parent.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if DIVISION_BY_CONSTANT.search(line) and not BETWEEN_CONSTANTS.search(line)
    ]
    assert offences == []
