"""Which trained models the daily batch recommends with: the champion, kept on disk too.

MLflow's alias decides. What it said last is kept in ``champion.json``, newest first, so
that a day goes out while MLflow is away, and with the champion before when the files of
the newest are damaged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from data.errors import DataError
from pipelines.gate.registry import find_champion
from pipelines.home import Home, write_json
from pipelines.manifest import check_manifest
from pipelines.published import read_published
from pipelines.steps.context import RunContext
from pipelines.steps.run_record import RunRecord, read_record

__all__ = ["ADVISERS", "Choice", "choose"]

# The models that a recommendation is made with.
ADVISERS = ("two_tower", "ranker")
KEPT = 10


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The run to recommend with, and why not a better one.

    Attributes:
        run: name of the training run.
        standing: ``champion``, ``previous champion``; where no champion is ``in force``
            (what the published recommendations were made with) or ``latest``.
        warnings: what people should know, a sentence each.
    """

    run: str
    standing: str
    warnings: tuple[str, ...] = ()


def choose(context: RunContext) -> Choice | None:
    """The champion; else the one before, the run in force, the latest; ``None`` without any.

    Raises ``DataError`` when there are runs and none of them is whole.
    """
    home, found = context.home, find_champion(context.tracking)
    warnings = list(found.notes)
    if found.champion is not None and found.champion.run:
        _remember(home, found.champion.run)
    candidates = dict.fromkeys(_history(home), "champion")
    # Without a champion the run in force goes on: a later one may have been refused.
    published = read_published(home)
    if published is not None:
        candidates.setdefault(published.run, "in force")
    for run in _runs(home):
        candidates.setdefault(run, "latest")
    if not candidates:
        return None
    for place, (run, standing) in enumerate(candidates.items()):
        try:
            check_whole(home, run)
        except DataError as error:
            warnings.append(f"{standing} {run} cannot be used: {error}")
        else:
            told = f"previous {standing}" if standing == "champion" and place else standing
            return Choice(run=run, standing=told, warnings=tuple(warnings))
    raise DataError("no trained models are whole. " + ". ".join(warnings))


def check_whole(home: Home, run: str) -> RunRecord:
    """The record of a run whose models for recommending are as they were saved.

    Raises ``DataError`` naming what is missing or altered.
    """
    record = read_record(home, run)
    for model in ADVISERS:
        if model not in record.models:
            raise DataError(f"run {run} has no {model}")
        folder = record.folder_of(home, model)
        if not folder.is_dir():
            raise DataError(f"{folder}: is missing")
        check_manifest(folder)
    return record


def _history(home: Home) -> list[str]:
    path = home.root / "champion.json"
    try:
        return [str(run) for run in json.loads(path.read_text())["runs"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); remove it and run again") from error


def _remember(home: Home, run: str) -> None:
    history = _history(home)
    if history[:1] != [run]:
        runs = [run, *(earlier for earlier in history if earlier != run)]
        write_json(home.root / "champion.json", {"runs": runs[:KEPT]})


def _runs(home: Home) -> list[str]:
    """Every training run with a record, newest first; their names begin with their time."""
    return sorted((p.parent.name for p in home.runs.glob("*/run.json")), reverse=True)
