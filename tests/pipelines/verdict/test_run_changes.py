"""What is said to have changed since the training run before."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.config.home import Home
from pipelines.training.run_record import RunRecord
from pipelines.verdict.run_changes import settings_changed


def run_with(home: Home, name: str, file: str, **config: object) -> RunRecord:
    """A run's record, and its ranker's settings in ``file``."""
    record = RunRecord(
        name=name,
        parent="p",
        children={"ranker": "c"},
        models=("ranker",),
        left_out={},
        windows={},
        tables={},
        seed=0,
        tuned=(),
    )
    folder = record.folder_of(home, "ranker")
    folder.mkdir(parents=True)
    (folder / file).write_text(json.dumps({"config": config}))
    (folder / "features.json").write_text("[]")
    return record


def test_settings_of_the_ranker_that_changed_are_told(tmp_path: Path) -> None:
    home = Home(tmp_path)
    before = run_with(home, "1", "funnel.json", num_leaves=15, penalty=10.0)
    now = run_with(home, "2", "funnel.json", num_leaves=31, penalty=10.0)
    assert settings_changed(home, before, now) == ["ranker num_leaves: 15 → 31"]


def test_a_ranker_of_an_earlier_version_has_no_settings_to_compare(tmp_path: Path) -> None:
    home = Home(tmp_path)
    before = run_with(home, "1", "ranker.json", num_leaves=7)
    now = run_with(home, "2", "funnel.json", num_leaves=31)
    assert settings_changed(home, before, now) == []
