"""A training run beside the run before it: tables, models, windows, settings, its main figure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from data.errors import DataError
from data.schema.time import date_of
from models.evaluation.scorecard import Scorecard
from pipelines.config.home import Home
from pipelines.evaluation.scorecard_view import figure, name_of, primary_metric
from pipelines.training.run_record import RunRecord, read_record

__all__ = ["run_before", "run_changes", "settings_changed"]


def run_before(home: Home, record: RunRecord) -> RunRecord | None:
    """The training run before this one; ``None`` where there is none, or it cannot be read."""
    names = sorted(path.parent.name for path in home.runs.glob("*/run.json"))
    earlier = [name for name in names if name < record.name]
    try:
        return read_record(home, earlier[-1]) if earlier else None
    except DataError:
        return None


def run_changes(
    home: Home, before: RunRecord, record: RunRecord, scorecard: Scorecard
) -> list[str]:
    """What differs between two runs, a line each; the ranker's main figure comes last.

    One line that says so where nothing does.
    """
    lines = [
        f"table {name}: version {before.tables.get(name, 'none')} → {version}"
        for name, version in record.tables.items()
        if before.tables.get(name) != version
    ]
    added = sorted(set(record.models) - set(before.models))
    gone = sorted(set(before.models) - set(record.models))
    lines += [f"models added: {', '.join(added)}"] if added else []
    lines += [f"models gone: {', '.join(gone)}"] if gone else []
    for window, days in record.windows.items():
        if before.windows.get(window) != days:
            first, last = (date_of(day) for day in days)
            lines.append(f"the {window} window moved: it is {first} to {last} now")
    lines += settings_changed(home, before, record)
    lines += _headline_changed(home, before, scorecard)
    return lines or ["same data, same models, same settings"]


def settings_changed(home: Home, before: RunRecord, now: RunRecord) -> list[str]:
    """Settings of the ranker that differ; none where either is of an earlier version."""
    old, new = (_ranker_settings(home, record) for record in (before, now))
    if not old or not new:
        return []
    changed = [name for name in sorted(set(old) | set(new)) if old.get(name) != new.get(name)]
    return [f"ranker {name}: {old.get(name, '–')} → {new.get(name, '–')}" for name in changed]


def _ranker_settings(home: Home, record: RunRecord) -> Mapping[str, Any]:
    folder = record.folder_of(home, "ranker")
    try:
        config = dict(json.loads((folder / "funnel.json").read_text())["config"])
        features = json.loads((folder / "features.json").read_text())
    except (OSError, ValueError, KeyError):
        return {}
    return {**config, "number of features": len(features)}


def _headline_changed(home: Home, before: RunRecord, scorecard: Scorecard) -> list[str]:
    metric = primary_metric(scorecard)
    try:
        earlier = Scorecard.read_json(home.runs / before.name / "scorecard.json")
        now = scorecard.find("ranker", metric)
    except (OSError, ValueError, KeyError):
        return []
    old = [s for s in earlier if (s.model, s.metric, s.segment) == ("ranker", metric, "all")]
    return (
        [f"ranker's {name_of(metric)}: {figure(old[0])} → {figure(now)}, unpaired"] if old else []
    )
