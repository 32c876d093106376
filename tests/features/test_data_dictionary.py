from __future__ import annotations

from pathlib import Path

from features.data_dictionary import data_dictionary

COMMITTED = Path(__file__).parents[2] / "docs" / "data_dictionary.md"


def test_committed_data_dictionary_is_current() -> None:
    assert COMMITTED.read_text() == data_dictionary(), (
        "run: python -m features.data_dictionary > docs/data_dictionary.md"
    )
